"""The event queue and the dead-letter queue on SQS."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from worker.aws.clients import AWS_ERRORS, error_code
from worker.errors import NotConfirmedError
from worker.ports import Message, Queue, QueueState

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

BATCH = 10
"""What one SQS call carries at most."""

LONG_POLL_SECONDS = 20
"""The longest that SQS holds a receive."""

_DEPTHS: dict["QueueAttributeNameType", QueueState] = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}

_MESSAGE_TOO_LONG = frozenset({"InvalidParameterValue", "InvalidParameterValueException", "InvalidMessageContents"})
_ATTEMPTS = 2

log = structlog.get_logger()


class SqsEventQueue:
    """`ports.EventQueue` on two SQS queues."""

    def __init__(
        self, polls: "SQSClient", calls: "SQSClient", *, url: str, dead_letter_url: str, visibility_seconds: int
    ) -> None:
        self._polls = polls
        self._calls = calls
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._visibility_seconds = visibility_seconds

    async def receive(self) -> Sequence[Message]:
        try:
            answer = await self._polls.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=LONG_POLL_SECONDS,
                VisibilityTimeout=self._visibility_seconds,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error
        now = str(time.time() * 1000)  # where the queue does not say when a message came
        return [
            Message(
                m["MessageId"],
                m["ReceiptHandle"],
                m["Body"],
                float(m.get("Attributes", {}).get("SentTimestamp", now)) / 1000,
            )
            for m in answer.get("Messages", ())
        ]

    async def delete(self, messages: Sequence[Message]) -> None:
        async def call(entries: list[dict[str, Any]]) -> Any:
            return await self._calls.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        await _in_batch("delete", call, messages, {})

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("keep_hidden", messages, self._visibility_seconds)

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("give_back", messages, 0)

    async def _set_visibility(self, name: str, messages: Sequence[Message], seconds: int) -> None:
        async def call(entries: list[dict[str, Any]]) -> Any:
            return await self._calls.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        await _in_batch(name, call, messages, {"VisibilityTimeout": seconds})

    async def depths(self) -> Mapping[tuple[Queue, QueueState], int]:
        urls: dict[Queue, str] = {"events": self._url, "dead_letters": self._dead_letter_url}
        found: dict[tuple[Queue, QueueState], int] = {}
        for queue, url in urls.items():
            try:
                answer = await self._calls.get_queue_attributes(QueueUrl=url, AttributeNames=list(_DEPTHS))
            except AWS_ERRORS as error:
                raise NotConfirmedError(error_code(error)) from error
            for attribute, state in _DEPTHS.items():
                found[queue, state] = int(answer["Attributes"][attribute])
        return found

    async def quarantine(self, message: Message, reason: str) -> None:
        attributes: dict[str, Any] = {"reason": {"DataType": "String", "StringValue": reason}}
        try:
            await self._send_dead_letter(message, attributes)
        except AWS_ERRORS as error:
            # A body of the largest size leaves no room for an attribute: the untouched body counts for more.
            if error_code(error) not in _MESSAGE_TOO_LONG:
                raise NotConfirmedError(error_code(error)) from error
            try:
                await self._send_dead_letter(message, {})
            except AWS_ERRORS as second:
                raise NotConfirmedError(error_code(second)) from second

    async def _send_dead_letter(self, message: Message, attributes: dict[str, Any]) -> None:
        await self._calls.send_message(
            QueueUrl=self._dead_letter_url, MessageBody=message.body, MessageAttributes=attributes
        )


async def _in_batch(
    name: str,
    call: Callable[[list[dict[str, Any]]], Awaitable[Any]],
    messages: Sequence[Message],
    extra: dict[str, Any],
) -> None:
    """One batch call; a batch answers 200 with partial failures, so those entries are tried once more.

    What fails then is delivered again after its visibility timeout, and the execution's name keeps it from a second
    effect: no error for the caller.
    """
    entries = [{"Id": str(n), "ReceiptHandle": message.receipt, **extra} for n, message in enumerate(messages)]
    problem = ""
    for _ in range(_ATTEMPTS):
        if not entries:
            return
        try:
            failed = {entry["Id"]: entry["Code"] for entry in (await call(entries)).get("Failed", ())}
        except AWS_ERRORS as error:
            problem = error_code(error)
            continue
        entries = [entry for entry in entries if entry["Id"] in failed]
        problem = next(iter(failed.values()), "")
    if entries:
        log.warning("queue_call_incomplete", call=name, messages=len(entries), error=problem)
