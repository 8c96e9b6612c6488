"""Executions and activity tasks on Step Functions."""

import json
import time
from typing import TYPE_CHECKING, Literal

from worker.aws.clients import AWS_ERRORS, error_code
from worker.errors import TaskGoneError, TryLaterError
from worker.events import InteractionEvent, InvalidEventError
from worker.ports import ActivityTask

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient

_EVENT_AT_FAULT = frozenset({"InvalidExecutionInput", "InvalidName"})
"""What Step Functions says of the event itself. All else (throttles, outages, permissions, a deleted state machine)
is not the event's fault, and never makes a dead letter."""

_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})

_CAUSE_CHARACTERS = 32_768
"""Step Functions' limit of a failure's cause."""

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
            raise TryLaterError(code) from error
        # While an execution runs, a second start under its name succeeds and answers with the first one's date.
        # The date tells apart starts of other workers, up to the difference of the clocks; our own are remembered.
        if name in self._recent or answer["startDate"].timestamp() < asked - _CLOCK_SECONDS:
            return "duplicate"
        self._recent[name] = None
        if len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        return "started"


class StepFunctionsActivity:
    """`ports.ActivityQueue` on a Step Functions activity."""

    def __init__(self, polls: "SFNClient", calls: "SFNClient", *, arn: str, worker_name: str) -> None:
        self._polls = polls
        self._calls = calls
        self._arn = arn
        self._worker_name = worker_name

    async def poll(self) -> ActivityTask | None:
        try:
            answer = await self._polls.get_activity_task(activityArn=self._arn, workerName=self._worker_name)
        except AWS_ERRORS as error:
            raise TryLaterError(error_code(error)) from error
        token = answer.get("taskToken")
        return ActivityTask(token, answer.get("input", "")) if token else None

    async def heartbeat(self, token: str) -> None:
        try:
            await self._calls.send_task_heartbeat(taskToken=token)
        except AWS_ERRORS as error:
            raise _task_error(error) from error

    async def succeed(self, token: str, output: str) -> None:
        try:
            await self._calls.send_task_success(taskToken=token, output=output)
        except AWS_ERRORS as error:
            raise _task_error(error) from error

    async def fail(self, token: str, error: str, cause: str) -> None:
        try:
            await self._calls.send_task_failure(taskToken=token, error=error, cause=cause[:_CAUSE_CHARACTERS])
        except AWS_ERRORS as failure:
            raise _task_error(failure) from failure


def _task_error(error: Exception) -> TaskGoneError | TryLaterError:
    code = error_code(error)
    return TaskGoneError(code) if code in _GONE else TryLaterError(code)
