"""Whether each resource answers, without changing anything: what `/readyz` asks."""

from typing import TYPE_CHECKING, Any

from worker.aws.clients import AWS_ERRORS, error_code
from worker.errors import NotConfirmedError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_stepfunctions import SFNClient


async def _answer(call: "Awaitable[Any]") -> None:
    try:
        await call
    except AWS_ERRORS as error:
        raise NotConfirmedError(error_code(error)) from error


async def probe_queue(client: "SQSClient", url: str) -> None:
    """Raises errors.NotConfirmedError unless the queue answers."""
    await _answer(client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"]))


async def probe_state_machine(client: "SFNClient", arn: str) -> None:
    """Raises errors.NotConfirmedError unless the state machine answers."""
    await _answer(client.describe_state_machine(stateMachineArn=arn))


async def probe_activity(client: "SFNClient", arn: str) -> None:
    """Raises errors.NotConfirmedError unless the activity answers."""
    await _answer(client.describe_activity(activityArn=arn))


async def probe_table(client: "DynamoDBClient", name: str) -> None:
    """Raises errors.NotConfirmedError unless the table answers."""
    await _answer(client.describe_table(TableName=name))
