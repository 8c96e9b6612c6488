"""The activity on Step Functions: hands out tasks and takes reports."""

from typing import TYPE_CHECKING

from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.errors import NotConfirmedError, TaskGoneError
from worker.ports import ActivityTask

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient

_CAUSE_CHARACTERS = 32_768
"""Step Functions' limit of a failure's cause."""


class StepFunctionsActivity:
    """`ports.ActivityQueue` on a Step Functions activity."""

    def __init__(self, polls: "SFNClient", calls: "SFNClient", *, arn: str, worker_name: str) -> None:
        self._polls = polls
        self._calls = calls
        self._arn = arn
        self._worker_name = worker_name

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the activity answers."""
        try:
            await self._calls.describe_activity(activityArn=self._arn)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error

    async def poll(self) -> ActivityTask | None:
        try:
            answer = await self._polls.get_activity_task(activityArn=self._arn, workerName=self._worker_name)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error
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


def _task_error(error: Exception) -> TaskGoneError | NotConfirmedError:
    code = error_code(error)
    return TaskGoneError(code) if kind_of(code) is Kind.TASK_GONE else NotConfirmedError(code)
