"""Executions on Step Functions."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.errors import NotConfirmedError
from worker.events import InteractionEvent, InvalidEventError

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
        self._recent: dict[str, None] = {}

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the state machine answers."""
        try:
            await self._client.describe_state_machine(stateMachineArn=self._arn)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error

    async def start(self, event: InteractionEvent) -> Literal["started", "duplicate"]:
        return await self.start_as(event.execution_name, event.execution_input())

    async def start_as(self, name: str, execution_input: Mapping[str, Any]) -> Literal["started", "duplicate"]:
        """As ports.Executions.start, under a name of the caller's."""
        asked = time.time()
        try:
            answer = await self._client.start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps(execution_input)
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            match kind_of(code):
                case Kind.ALREADY_EXISTS:
                    return "duplicate"
                case Kind.EVENT_AT_FAULT:
                    raise InvalidEventError(code, "Step Functions refuses the event") from error
            raise NotConfirmedError(code) from error
        # While an execution runs, a second start under its name succeeds and answers with the first one's date.
        # The date tells apart starts of other workers, up to the difference of the clocks; our own are remembered.
        if name in self._recent or answer["startDate"].timestamp() < asked - _CLOCK_SECONDS:
            return "duplicate"
        self._recent[name] = None
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return "started"
