"""Reads the dead-letter queue without consuming it.

SQS can't be listed, only received from: a message that was received is hidden until its visibility timeout ends or it
is given back. So a pass over the queue hides each letter as it comes, and gives back at its end what stays.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from aiobotocore.session import AioSession

from worker.aws.clients import AWS_ERRORS, call_config
from worker.letter import Letter, read_letter

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

BATCH = 10
"""What one SQS call carries at most."""

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

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Counts:
    """Roughly how many letters there are, by SQS's own estimate."""

    visible: int
    hidden: int
    now: datetime
    """SQS's clock, to whole seconds."""


class DeadLetterQueue:
    """The dead-letter queue as an operator sees it."""

    def __init__(self, client: "SQSClient", url: str, hold_seconds: int) -> None:
        """`hold_seconds` is how long a letter stays hidden from others when this process is killed."""
        self._client = client
        self._url = url
        self._hold_seconds = hold_seconds

    async def counts(self) -> Counts:
        """How much to expect."""
        answer = await self._client.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        attributes = answer["Attributes"]
        return Counts(
            visible=int(attributes["ApproximateNumberOfMessages"]),
            hidden=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            now=parsedate_to_datetime(date) if date else datetime.now(UTC),
        )

    async def walk(
        self, visit: Callable[[Sequence[Letter]], Awaitable[set[str]]], *, enough: Callable[[], bool], removes: bool
    ) -> None:
        """Show every letter that was there at the start to `visit`, each once, in batches and several at a time.

        `visit` answers with the message ids that it removed. The others stay hidden until the pass is over, as SQS
        would otherwise bring the same ones for ever, and are visible again the moment it ends, however it ends. Who
        `removes` letters by sending them through again may see them come back, and is not shown those.
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
                letters = await self._receive()
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
        """Delete up to ten letters; the message ids of those that SQS did not confirm."""
        entries: list[dict[str, Any]] = [
            {"Id": str(n), "ReceiptHandle": letter.receipt} for n, letter in enumerate(letters)
        ]
        try:
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
        except AWS_ERRORS:
            return {letter.message_id for letter in letters}
        return {letters[int(failed["Id"])].message_id for failed in answer.get("Failed", ())}

    async def _receive(self) -> list[Letter]:
        answer = await self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=_WAIT_SECONDS,
            VisibilityTimeout=self._hold_seconds,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn"],
        )
        return [read_letter(message) for message in answer.get("Messages", ())]

    async def _give_back(self, receipts: Sequence[str]) -> None:
        """Make letters visible at once. One that can't be comes back by itself when its hold ends."""

        async def call(batch: Sequence[str]) -> None:
            entries: list[dict[str, Any]] = [
                {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": 0} for n, receipt in enumerate(batch)
            ]
            await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]

        for start in range(0, len(receipts), BATCH * RECEIVERS):
            part = receipts[start : start + BATCH * RECEIVERS]
            batches = [part[n : n + BATCH] for n in range(0, len(part), BATCH)]
            answers = await asyncio.gather(*(call(batch) for batch in batches), return_exceptions=True)
            if unexpected := [a for a in answers if isinstance(a, BaseException) and not isinstance(a, AWS_ERRORS)]:
                raise unexpected[0]


@asynccontextmanager
async def open_queue(session: AioSession, url: str, hold_seconds: int) -> AsyncIterator[tuple[DeadLetterQueue, Any]]:
    """The dead-letter queue, and the SQS client that it uses."""
    config = call_config(2 * RECEIVERS, attempts=_ATTEMPTS)
    async with session.create_client("sqs", config=config) as client:
        yield DeadLetterQueue(client, url, hold_seconds), client
