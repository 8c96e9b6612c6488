"""What `doctor` asks about the AWS resources: what they are like, and whether a call is allowed. Nothing is changed.

Whether a call that writes is allowed is told by how AWS refuses it: each one here asks for what AWS never does, such as
an empty batch or a condition that is never true, and is refused either for that or for who asks.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from worker.aws.clients import Clients, call_config
from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.aws.records import DECISIVE

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef, TimeToLiveDescriptionTypeDef
    from types_aiobotocore_stepfunctions.type_defs import DescribeStateMachineOutputTypeDef

T = TypeVar("T")

SeeDate = Callable[[str | None, float, float], None]
"""Takes the Date header of an answer, and when the call was made and answered (Unix time, seconds)."""

MADE_UP = "interaction-worker-doctor"
"""A key, token or ETag that nothing has."""

_ILLEGAL_NAME = "interaction-worker doctor <>"
"""No execution can have this name."""

_IAM_ACTIONS = {"HeadObject": "GetObject", "HeadBucket": "ListBucket"}
"""IAM actions that are not called as their operation is."""


class CallFailedError(Exception):
    """A call did not succeed; the text is AWS's own, empty without an answer."""

    def __init__(self, error: Exception, client: Any) -> None:
        response: Any = error.response if isinstance(error, ClientError) else {}
        super().__init__(response.get("Error", {}).get("Message", ""))
        operation = error.operation_name.removesuffix("Batch") if isinstance(error, ClientError) else ""
        self.service: str = client.meta.service_model.signing_name
        self.endpoint: str = client.meta.endpoint_url
        self.code = error_code(error)
        self.kind = kind_of(self.code)
        self.action = f"{self.service}:{_IAM_ACTIONS.get(operation, operation)}"
        """Its name in an IAM policy."""
        self.status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if response else None
        """The HTTP status; None when there was no answer."""


class Inspection:
    """Questions about the resources. All raise CallFailedError; those with `may_` when the call is not allowed."""

    def __init__(self, session: AioSession, clients: Clients, see_date: SeeDate) -> None:
        self._session = session
        self._sqs = clients.sqs
        self._sfn = clients.sfn
        self._dynamodb = clients.dynamodb
        self._s3: Any = clients.s3  # there where an archive is set, and asked only then
        self._see_date = see_date

    @property
    def region(self) -> str:
        """The configured region."""
        return str(self._session.get_config_variable("region"))

    async def has_credentials(self) -> bool:
        """Whether the usual AWS credential chain finds any."""
        return await self._session.get_credentials() is not None

    async def identity(self) -> tuple[str, str]:
        """Account and ARN of whom the credentials are."""
        async with self._session.create_client("sts", config=call_config(1, attempts=1)) as sts:
            answer: Any = await self._ask(sts, sts.get_caller_identity())
            return answer["Account"], answer["Arn"]

    async def queue(self, url: str) -> Mapping[Any, str]:
        """All attributes of a queue."""
        answer = await self._ask(self._sqs, self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
        return answer["Attributes"]

    async def may_receive(self, url: str) -> None:
        await self._try(
            self._sqs,
            self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=0, WaitTimeSeconds=0),
            Kind.REFUSED,
        )

    async def may_delete(self, url: str) -> None:
        await self._try(self._sqs, self._sqs.delete_message_batch(QueueUrl=url, Entries=[]), Kind.REFUSED)

    async def may_set_visibility(self, url: str) -> None:
        await self._try(self._sqs, self._sqs.change_message_visibility_batch(QueueUrl=url, Entries=[]), Kind.REFUSED)

    async def may_send(self, url: str) -> None:
        await self._try(self._sqs, self._sqs.send_message_batch(QueueUrl=url, Entries=[]), Kind.REFUSED)

    async def rule_state(self, name: str, bus: str) -> str:
        """ENABLED, DISABLED, or a name that begins with ENABLED."""
        async with self._events() as events:
            answer: Any = await self._ask(events, events.describe_rule(Name=name, EventBusName=bus))
            return str(answer["State"])

    async def event_source(self, name: str) -> tuple[str, datetime | None]:
        """ACTIVE, PENDING or DELETED, and when AWS deletes one that is PENDING."""
        async with self._events() as events:
            answer: Any = await self._ask(events, events.describe_event_source(Name=name))
            return str(answer["State"]), answer.get("ExpirationTime")

    def _events(self) -> Any:
        """A client of EventBridge, of which nothing else here asks anything."""
        return self._session.create_client("events", config=call_config(1, attempts=1))

    @property
    def states_endpoint(self) -> str:
        """Where calls of Step Functions go: an emulator might start what AWS refuses."""
        return self._sfn.meta.endpoint_url

    async def state_machine(self, arn: str) -> "DescribeStateMachineOutputTypeDef":
        """The state machine, with its definition."""
        return await self._ask(self._sfn, self._sfn.describe_state_machine(stateMachineArn=arn))

    async def may_start(self, arn: str) -> None:
        """Asks for an execution under an illegal name, which AWS never starts."""
        call = self._sfn.start_execution(stateMachineArn=arn, name=_ILLEGAL_NAME, input="{}")
        await self._try(self._sfn, call, Kind.EVENT_AT_FAULT, Kind.REFUSED)

    async def may_look_at_executions(self, state_machine_arn: str) -> None:
        """Asks for an execution that does not exist."""
        arn = f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{MADE_UP}"
        await self._try(self._sfn, self._sfn.describe_execution(executionArn=arn), Kind.MISSING)

    async def activity(self, arn: str) -> None:
        """Whether there is such an activity."""
        await self._ask(self._sfn, self._sfn.describe_activity(activityArn=arn))

    async def may_send_heartbeat(self) -> None:
        await self._try(self._sfn, self._sfn.send_task_heartbeat(taskToken=MADE_UP), Kind.TASK_GONE)

    async def may_send_success(self) -> None:
        await self._try(self._sfn, self._sfn.send_task_success(taskToken=MADE_UP, output="{}"), Kind.TASK_GONE)

    async def may_send_failure(self) -> None:
        await self._try(self._sfn, self._sfn.send_task_failure(taskToken=MADE_UP, error="doctor"), Kind.TASK_GONE)

    async def table(self, name: str) -> "TableDescriptionTypeDef":
        """The table, with its key."""
        return (await self._ask(self._dynamodb, self._dynamodb.describe_table(TableName=name)))["Table"]

    async def expiry(self, table: str) -> "TimeToLiveDescriptionTypeDef":
        """Whether the table's items expire, and by which attribute."""
        answer = await self._ask(self._dynamodb, self._dynamodb.describe_time_to_live(TableName=table))
        return answer["TimeToLiveDescription"]

    async def may_get(self, table: str, key: str) -> None:
        await self._try(self._dynamodb, self._dynamodb.get_item(TableName=table, Key={key: {"S": MADE_UP}}))

    async def may_put(self, table: str, key: str) -> None:
        """Asks to write an item under a condition that is never true."""
        call = self._dynamodb.put_item(
            TableName=table,
            Item={key: {"S": MADE_UP}},
            ConditionExpression=f"attribute_exists({key}) AND attribute_not_exists({key})",
        )
        await self._try(self._dynamodb, call, Kind.CONDITION_FAILED)

    async def may_look_up(self, table: str) -> None:
        """Asks for what the intake asks of an item that nobody has."""
        keys: Any = {table: {"Keys": [{"interactionId": {"S": MADE_UP}}], "ProjectionExpression": DECISIVE}}
        await self._try(self._dynamodb, self._dynamodb.batch_get_item(RequestItems=keys))

    async def may_update(self, table: str, key: str) -> None:
        """Asks to change an item under a condition that is never true."""
        call = self._dynamodb.update_item(
            TableName=table,
            Key={key: {"S": MADE_UP}},
            UpdateExpression="SET eventId = :none",
            ConditionExpression=f"attribute_exists({key}) AND attribute_not_exists({key})",
            ExpressionAttributeValues={":none": {"S": MADE_UP}},
        )
        await self._try(self._dynamodb, call, Kind.CONDITION_FAILED)

    async def bucket(self, name: str) -> None:
        """Whether there is such a bucket."""
        await self._ask(self._s3, self._s3.head_bucket(Bucket=name))

    async def may_read(self, bucket: str, key: str) -> None:
        call = self._s3.head_object(Bucket=bucket, Key=key)
        await self._try(self._s3, call, Kind.NO_OBJECT)

    async def may_write(self, bucket: str, key: str) -> None:
        """Asks to write over an object with an ETag that none has."""
        call = self._s3.put_object(Bucket=bucket, Key=key, Body=b"", IfMatch=f'"{MADE_UP}"')
        await self._try(self._s3, call, Kind.NO_OBJECT, Kind.CONDITION_FAILED)

    async def may_remove(self, bucket: str, key: str) -> None:
        """Asks to delete a version that does not exist, which leaves no delete marker either."""
        await self._try(self._s3, self._s3.delete_object(Bucket=bucket, Key=key, VersionId="null"), Kind.NO_OBJECT)

    async def _try(self, client: Any, call: Awaitable[object], *harmless: Kind) -> None:
        """AWS does not document whether it looks first at who asks or at what, so that success means "not denied"."""
        try:
            await self._ask(client, call)
        except CallFailedError as error:
            if error.kind not in harmless:
                raise

    async def _ask(self, client: Any, call: Awaitable[T]) -> T:
        asked = time.time()
        try:
            answer = await call
        except AWS_ERRORS as error:
            if isinstance(error, ClientError):
                self._look_at_date(error.response, asked)
            raise CallFailedError(error, client) from None
        self._look_at_date(answer, asked)
        return answer

    def _look_at_date(self, answer: Any, asked: float) -> None:
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        self._see_date(headers.get("date"), asked, time.time())
