"""Executions on Step Functions."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.errors import NotConfirmedError
from worker.events import InteractionEvent, InvalidEventError
from worker.ports import Execution

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient

_RECENT = 10_000

_CLOCK_SECONDS = 1.0
"""How far this clock and that of Step Functions may be apart."""


class StepFunctionsExecutions:
    """`ports.Executions` on a Standard state machine."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client = client
        self._arn = arn
        self._execution_arn = arn.replace(":stateMachine:", ":execution:", 1)
        self._recent: dict[str, Mapping[str, Any]] = {}
        """Inputs of what was started here lately, by name."""

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the state machine answers."""
        try:
            await self._client.describe_state_machine(stateMachineArn=self._arn)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error

    async def look(self, name: str) -> Execution | None:
        try:
            answer = await self._client.describe_execution(executionArn=f"{self._execution_arn}:{name}")
        except AWS_ERRORS as error:
            code = error_code(error)
            if kind_of(code) in {Kind.DENIED, Kind.MISSING}:
                return None
            raise NotConfirmedError(code) from error
        return Execution(answer["status"] == "RUNNING", _event_id(answer.get("input", "")))

    async def start(self, event: InteractionEvent, name: str) -> Literal["started", "duplicate", "taken"]:
        return await self.start_as(name, event.execution_input())

    async def start_as(self, name: str, execution_input: Mapping[str, Any]) -> Literal["started", "duplicate", "taken"]:
        """As ports.Executions.start, with an input of the caller's."""
        asked = time.time()
        try:
            answer = await self._client.start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps(execution_input)
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            match kind_of(code):
                case Kind.ALREADY_EXISTS:
                    return "duplicate" if self._recent.get(name) == execution_input else "taken"
                case Kind.EVENT_AT_FAULT:
                    raise InvalidEventError(code, "Step Functions refuses the event") from error
            raise NotConfirmedError(code) from error
        # While an execution runs, a start with the same name and input succeeds and answers with the first one's date.
        # The date tells apart starts of other workers, up to the difference of the clocks; our own are remembered.
        if name in self._recent or answer["startDate"].timestamp() < asked - _CLOCK_SECONDS:
            return "duplicate"
        self._recent[name] = execution_input
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return "started"


def _event_id(text: str) -> str:
    """Of the event in an execution's input, which is missing where a key of the customer's hides it."""
    try:
        document = json.loads(text)
    except ValueError:
        return ""
    return str(document.get("eventId", "")) if isinstance(document, dict) else ""
