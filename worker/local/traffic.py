"""Made-up events in both accepted shapes, and the two ways by which they reach the event queue."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from worker.events import utc_text
from worker.local.aws import Clients
from worker.local.bootstrap import EVENT_DETAIL_TYPE, EVENT_SOURCE
from worker.local.simulator.conversations import Conversation, make_conversation
from worker.local.topics import topics

Shape = Literal["seed", "genesys"]

_T = TypeVar("_T")
_BATCH = 10
"""What PutEvents and SendMessageBatch take at most."""
_ATTEMPTS = 5
_ACCOUNT = "000000000000"
_REGION = "us-east-1"
_PARTNER = "aws.partner/genesys.com/cloud/00000000-0000-4000-8000-000000000000/made-up"
_TYPES = ("customer.start", "customer.end", "acd.start", "user.end")


class PublishError(Exception):
    """Some entries were refused again and again; the text says how many and why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event before it is sent; EventBridge gives the seed's shape its event id."""

    interaction_id: str
    event_type: str
    time: datetime
    shape: Shape

    def detail(self) -> dict[str, Any]:
        """The `detail` of the envelope."""
        if self.shape == "seed":
            return {
                "interactionId": self.interaction_id,
                "eventType": self.event_type,
                "timestamp": utc_text(self.time),
            }
        return {
            "topicName": f"v2.detail.events.conversation.{self.interaction_id}.{self.event_type}",
            "version": "2",
            "timestamp": utc_text(self.time),
            "eventBody": {
                "eventTime": int(self.time.timestamp() * 1000),
                "conversationId": self.interaction_id,
                "participantId": str(uuid.uuid5(uuid.NAMESPACE_OID, self.interaction_id)),
                "mediaType": "VOICE",
                "direction": "INBOUND",
            },
            "metadata": {"CorrelationId": str(uuid.uuid4())},
        }

    def envelope(self, event_id: str) -> str:
        """The whole message body as EventBridge delivers it."""
        partner_type = f"v2.detail.events.conversation.{{id}}.{self.event_type}"
        return json.dumps(
            {
                "version": "0",
                "id": event_id,
                "detail-type": EVENT_DETAIL_TYPE if self.shape == "seed" else partner_type,
                "source": EVENT_SOURCE if self.shape == "seed" else _PARTNER,
                "account": _ACCOUNT,
                "time": utc_text(self.time),
                "region": _REGION,
                "resources": [],
                "detail": self.detail(),
            }
        )


def make_events(count: int, shape: Shape, *, id_prefix: str = "") -> list[Event]:
    """So many events of now, each of an interaction of its own that no simulator was told of."""
    now = datetime.now(UTC)
    return [Event(f"{id_prefix}{uuid.uuid4()}", random.choice(_TYPES), now, shape) for _ in range(count)]


def make_conversations(
    count: int, *, start: datetime, rate: float, spread: float, id_prefix: str = ""
) -> list[Conversation]:
    """So many conversations of `spread` seconds, which begin from `start` on, `rate` a second; 0: all at once."""
    return [
        make_conversation(
            f"{id_prefix}{uuid.uuid4()}", start + timedelta(seconds=index / rate if rate else 0.0), spread
        )
        for index in range(count)
    ]


def events_of(conversation: Conversation, count: int, shape: Shape) -> list[Event]:
    """`count` events that are sent of a conversation, in order, each with the time at which it happens."""
    return [Event(conversation.interaction_id, name, moment, shape) for name, moment in topics(conversation, count)]


async def when_due(events: Sequence[Event]) -> AsyncIterator[Sequence[Event]]:
    """The events in slices of up to ten, none before its time has come; they are in the order of their times."""
    sent = 0
    while sent < len(events):
        now = datetime.now(UTC)
        due = sent
        while due < min(len(events), sent + _BATCH) and events[due].time <= now:
            due += 1
        if due == sent:
            await asyncio.sleep((events[sent].time - now).total_seconds())
            continue
        yield events[sent:due]
        sent = due


def malformed_bodies(count: int, *, start: int = 0) -> list[str]:
    """Bodies that can never start an execution, one way after the other from `start` on; no two are the same."""

    def envelope(mark: str, detail: Any) -> str:
        return json.dumps({"version": "0", "id": mark, "time": utc_text(datetime.now(UTC)), "detail": detail})

    ways: tuple[Callable[[str], str], ...] = (
        lambda mark: f"this is not JSON: {mark}",
        lambda mark: envelope(mark, {"eventType": "conversation.end"}),
        lambda mark: envelope(mark, {"interactionId": "../../oauth", "eventType": "conversation.end"}),
        lambda mark: envelope(mark, {"interactionId": mark, "timestamp": "the day before yesterday"}),
        lambda mark: envelope(mark, "a text where an object is expected"),
        lambda mark: json.dumps([mark]),
    )
    return [ways[index % len(ways)](str(uuid.uuid4())) for index in range(start, start + count)]


class Pace:
    """Lets at most `rate` events a second through, evenly; 0 lets all through at once."""

    def __init__(self, rate: float) -> None:
        self.batch = max(1, min(_BATCH, int(rate / 10))) if rate else _BATCH
        """How many to send at once: fewer at a low rate, so that they come evenly."""
        self._rate = rate
        self._start = time.monotonic()
        self._count = 0

    async def wait(self, count: int) -> None:
        """Return when the next `count` events are due."""
        if self._rate:
            await asyncio.sleep(max(0.0, self._start + self._count / self._rate - time.monotonic()))
        self._count += count


async def put_events(clients: Clients, events: Sequence[Event], pace: Pace) -> list[str]:
    """Send events of the seed's shape through EventBridge; their event ids, in order. Raises PublishError."""

    async def put(batch: Sequence[Event]) -> list[str | None]:
        answer = await clients.events.put_events(
            Entries=[
                {
                    "Source": EVENT_SOURCE,
                    "DetailType": EVENT_DETAIL_TYPE,
                    "Time": event.time,
                    "Detail": json.dumps(event.detail()),
                }
                for event in batch
            ]
        )
        return [entry.get("EventId") for entry in answer["Entries"]]

    ids: list[str] = []
    for batch in batches(events, pace.batch):
        await pace.wait(len(batch))
        ids += await _until_accepted(batch, put)
    return ids


async def send_bodies(clients: Clients, queue_url: str, bodies: Sequence[str], pace: Pace) -> None:
    """Put message bodies straight into the queue. Raises PublishError."""

    async def send(batch: Sequence[str]) -> list[str | None]:
        answer = await clients.sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[{"Id": str(index), "MessageBody": body} for index, body in enumerate(batch)],
        )
        sent = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful", [])}
        return [sent.get(str(index)) for index in range(len(batch))]

    for batch in batches(bodies, pace.batch):
        await pace.wait(len(batch))
        await _until_accepted(batch, send)


def batches(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Slices of up to `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def _until_accepted(
    batch: Sequence[_T], send: Callable[[Sequence[_T]], Awaitable[list[str | None]]]
) -> list[str]:
    """The ids given to all of `batch`; what the answer marks as failed is sent again."""
    ids: dict[int, str] = {}
    for attempt in range(_ATTEMPTS):
        missing = [index for index in range(len(batch)) if index not in ids]
        answers = await send([batch[index] for index in missing])
        ids |= {index: given for index, given in zip(missing, answers, strict=True) if given is not None}
        if len(ids) == len(batch):
            return [ids[index] for index in range(len(batch))]
        await asyncio.sleep(0.1 * 2**attempt)
    raise PublishError(f"{len(batch) - len(ids)} of {len(batch)} entries were refused {_ATTEMPTS} times")
