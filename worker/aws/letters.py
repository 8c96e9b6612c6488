"""The dead-letter queue on SQS.

SQS cannot be listed, only received from: a message that was received is hidden until its visibility timeout ends or it
is given back. So a pass over the queue hides each letter as it comes, and gives back at its end what stays.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from worker.aws import sqs
from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.errors import NotConfirmedError, RefusedError
from worker.letter import Letter, read_letter

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

RECEIVERS = 8
"""Receive calls at the same time, each of which brings at most ten letters.

A receiver is done when it gets none. SQS promises nothing on one such answer, but a pass ends only after eight.
"""

MAX_HELD = 50_000
"""Letters one pass holds at most; SQS brings nothing from a queue that has 120,000 hidden ones."""

_WAIT_SECONDS = 1
"""A receive that waits asks all of SQS's servers; one that does not may miss letters."""

_BARREN_RECEIVES = 20
"""Receives in a row with letters already seen, whose hold ended, or come meanwhile, after which a receiver is done."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Roughly how many letters there are, by SQS's own estimate."""

    visible: int
    hidden: int
    now: datetime
    """SQS's clock, to whole seconds."""


class SqsDeadLetters:
    """The dead-letter queue, as the intake and as an operator see it."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the queue answers."""
        await self.attributes(["VisibilityTimeout"])

    async def attributes(self, names: "Sequence[QueueAttributeNameType]") -> sqs.Attributes:
        """These attributes of the queue. Raises errors.NotConfirmedError."""
        return await sqs.queue_attributes(self._client, self._url, names)

    async def send(self, body: str, reason: str) -> None:
        """Put an untouched body into the queue; returns only when that is confirmed.

        Raises errors.NotConfirmedError, and errors.RefusedError when the queue refuses this body.
        """
        attributes: dict[str, Any] = {"reason": {"DataType": "String", "StringValue": reason}}
        try:
            await self._send(body, attributes)
        except AWS_ERRORS as error:
            if kind_of(error_code(error)) is not Kind.REFUSED:
                raise NotConfirmedError(error_code(error)) from error
            await self._send_without_reason(body)

    async def _send_without_reason(self, body: str) -> None:
        """A body of the largest size leaves no room for an attribute: the untouched body counts for more."""
        try:
            await self._send(body, {})
        except AWS_ERRORS as error:
            code = error_code(error)
            raise (RefusedError if kind_of(code) is Kind.REFUSED else NotConfirmedError)(code) from error

    async def _send(self, body: str, attributes: dict[str, Any]) -> None:
        await self._client.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes=attributes)

    async def counts(self) -> Counts:
        """How much to expect. Raises errors.NotConfirmedError."""
        try:
            answer = await self._client.get_queue_attributes(
                QueueUrl=self._url,
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        attributes = answer["Attributes"]
        return Counts(
            visible=int(attributes["ApproximateNumberOfMessages"]),
            hidden=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            now=parsedate_to_datetime(date) if date else datetime.now(UTC),
        )

    async def walk(
        self,
        visit: Callable[[Sequence[Letter]], Awaitable[set[str]]],
        *,
        hold_seconds: int,
        enough: Callable[[], bool],
        removes: bool,
    ) -> None:
        """Show every letter that was there at the start to `visit`, each once, in batches and several at a time.

        `visit` answers with the message ids that it removed. The others stay hidden until the pass is over, as SQS
        would otherwise bring the same ones for ever, and are visible again the moment it ends, however it ends; when
        this process is killed, `hold_seconds` after they were read. A caller that `removes` letters by sending them
        through again may see them come back, and is not shown those. Raises errors.NotConfirmedError.
        """
        start = (await self.counts()).now + timedelta(seconds=1)
        if removes:
            # SQS tells its time in whole seconds: what comes after this wait is surely younger than `start`.
            await asyncio.sleep(1)
        receipts: dict[str, str] = {}
        removed: set[str] = set()

        stopping = False

        async def receiver() -> None:
            barren = 0
            while barren < _BARREN_RECEIVES and not (stopping or enough()):
                letters = await self._receive(hold_seconds)
                # Younger ones came during the pass, some as its result: taking them too might never end.
                fresh = [r for r in letters if r.message_id not in receipts and r.sent < start]
                receipts.update((letter.message_id, letter.receipt) for letter in letters)
                barren = 0 if fresh else barren + 1
                if fresh:
                    removed.update(await visit(fresh))
                if not letters or len(receipts) - len(removed) >= MAX_HELD:
                    return

        receivers = [asyncio.create_task(receiver()) for _ in range(RECEIVERS)]
        try:
            await asyncio.wait(receivers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            stopping = True
            # Never cancelled: the answer of a cancelled receive is lost, and its letters hidden, with nobody knowing.
            await asyncio.gather(*receivers, return_exceptions=True)
            await self._give_back([receipts[message_id] for message_id in receipts.keys() - removed])
        for done in receivers:
            done.result()

    async def remove(self, letters: Sequence[Letter]) -> set[str]:
        """Delete letters; the message ids of those that SQS did not confirm."""

        async def call(entries: list[dict[str, Any]]) -> Any:
            return await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        failed = await sqs.send_in_batches(call, [{"ReceiptHandle": letter.receipt} for letter in letters])
        return {letters[n].message_id for n in failed}

    async def _receive(self, hold_seconds: int) -> list[Letter]:
        try:
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=sqs.LARGEST_BATCH,
                WaitTimeSeconds=_WAIT_SECONDS,
                VisibilityTimeout=hold_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn"],
            )
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error
        return [read_letter(message) for message in answer.get("Messages", ())]

    async def _give_back(self, receipts: Sequence[str]) -> None:
        """Make letters visible at once. One that cannot be made so comes back by itself when its hold ends."""

        async def call(entries: list[dict[str, Any]]) -> Any:
            return await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        await sqs.send_in_batches(call, [{"ReceiptHandle": r, "VisibilityTimeout": 0} for r in receipts])
