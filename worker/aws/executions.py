"""Executions on Step Functions."""

import json
import time
from typing import TYPE_CHECKING, Literal

from worker.aws.clients import AWS_ERRORS, error_code
from worker.errors import NotConfirmedError
from worker.events import InteractionEvent, InvalidEventError

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient

_EVENT_AT_FAULT = frozenset({"InvalidExecutionInput", "InvalidName"})
"""What Step Functions says of the event itself. All else (throttles, outages, permissions, a deleted state machine)
is not the event's fault, and never makes a dead letter."""

_RECENT = 10_000

_CLOCK_SECONDS = 1.0
"""How far this clock and that of Step Functions may be apart."""


class StepFunctionsStateMachine:
    """`ports.StateMachine` on a Standard state machine."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        self._client = client
        self._arn = arn
        self._recent: dict[str, None] = {}

    async def start(self, event: InteractionEvent) -> Literal["started", "duplicate"]:
        name = event.execution_name
        asked = time.time()
        try:
            answer = await self._client.start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps(event.execution_input())
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            if code == "ExecutionAlreadyExists":
                return "duplicate"
            if code in _EVENT_AT_FAULT:
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
