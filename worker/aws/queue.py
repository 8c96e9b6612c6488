"""The event queue on SQS."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from worker.aws import sqs
from worker.aws.errors import AWS_ERRORS, error_code
from worker.aws.letters import SqsDeadLetters
from worker.errors import NotConfirmedError
from worker.ports import Message, Queue, QueueState

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import MessageSystemAttributeNameType, QueueAttributeNameType
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

LONG_POLL_SECONDS = 20
"""The longest that SQS holds a receive."""

_DEPTHS: dict["QueueAttributeNameType", QueueState] = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}

_ATTRIBUTES: tuple["MessageSystemAttributeNameType", ...] = (
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
)

log = structlog.get_logger()


class SqsEventQueue:
    """`ports.EventQueue` and `ports.QueueDepths` on SQS; what is quarantined goes to `dead_letters`."""

    def __init__(
        self,
        polls: "SQSClient",
        calls: "SQSClient",
        *,
        url: str,
        dead_letters: SqsDeadLetters,
        visibility_seconds: int,
    ) -> None:
        self._polls = polls
        self._calls = calls
        self._url = url
        self._dead_letters = dead_letters
        self._visibility_seconds = visibility_seconds

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the queue answers."""
        await sqs.queue_attributes(self._calls, self._url, ["VisibilityTimeout"])

    async def receive(self) -> Sequence[Message]:
        try:
            answer = await self._polls.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=sqs.LARGEST_BATCH,
                WaitTimeSeconds=LONG_POLL_SECONDS,
                VisibilityTimeout=self._visibility_seconds,
                MessageSystemAttributeNames=list(_ATTRIBUTES),
            )
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error
        return [_read(message) for message in answer.get("Messages", ())]

    async def send(self, body: str) -> None:
        """Put a message into the queue; returns only when that is confirmed. Raises errors.NotConfirmedError."""
        try:
            await self._calls.send_message(QueueUrl=self._url, MessageBody=body)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error

    async def delete(self, messages: Sequence[Message]) -> None:
        async def call(entries: list[dict[str, Any]]) -> Any:
            return await self._calls.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        await _for_each("delete", call, messages)

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("keep_hidden", messages, self._visibility_seconds)

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("give_back", messages, 0)

    async def put_off(self, messages: Sequence[Message], seconds: float) -> None:
        await self._set_visibility("put_off", messages, math.ceil(seconds))

    async def _set_visibility(self, name: str, messages: Sequence[Message], seconds: int) -> None:
        async def call(entries: list[dict[str, Any]]) -> Any:
            return await self._calls.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        await _for_each(name, call, messages, VisibilityTimeout=seconds)

    async def depths(self) -> Mapping[tuple[Queue, QueueState], int]:
        names = list(_DEPTHS)
        answers: dict[Queue, sqs.Attributes] = {
            "events": await sqs.queue_attributes(self._calls, self._url, names),
            "dead_letters": await self._dead_letters.attributes(names),
        }
        return {
            (queue, state): int(answer[attribute])
            for queue, answer in answers.items()
            for attribute, state in _DEPTHS.items()
        }

    async def quarantine(self, message: Message, reason: str) -> None:
        await self._dead_letters.send(message.body, reason)


async def _for_each(name: str, call: sqs.Call, messages: Sequence[Message], **same: Any) -> None:
    """A batch call for `messages`, with `same` in every entry.

    What SQS does not confirm is delivered again after its visibility timeout, and the execution's name keeps it from a
    second effect: no error for the caller.
    """
    failed = await sqs.send_in_batches(call, [{"ReceiptHandle": m.receipt, **same} for m in messages])
    if failed:
        log.warning("queue_call_incomplete", call=name, messages=len(failed), error=next(iter(failed.values())))


def _read(message: "MessageTypeDef") -> Message:
    attributes = message.get("Attributes", {})
    sent, first = attributes.get("SentTimestamp"), attributes.get("ApproximateFirstReceiveTimestamp")
    return Message(
        message["MessageId"],
        message["ReceiptHandle"],
        message["Body"],
        # Where the queue does not say when it came, it came now.
        float(sent) / 1000 if sent else time.time(),
        int(attributes.get("ApproximateReceiveCount", "1")),
        float(first) / 1000 if first else None,
    )
