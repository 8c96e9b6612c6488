"""Fakes of our own ports, for tests of the use case and the runtime."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from worker.errors import AttemptError, NotConfirmedError, RefusedError
from worker.events import RECONCILE, InteractionEvent
from worker.ports import ActivityTask, Details, Execution, Kept, Message, Metrics
from worker.record import Known, newer

_SIGNATURES = {name: inspect.signature(method) for name, method in vars(Metrics).items() if not name.startswith("_")}


class RecordingMetrics:
    """Remembers every call as (method, *arguments); refuses what `ports.Metrics` does not have."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in _SIGNATURES:
            raise AttributeError(name)
        signature = _SIGNATURES[name]

        def record(*arguments: Any) -> None:
            signature.bind(self, *arguments)
            self.calls.append((name, *arguments))

        return record

    def of(self, name: str) -> list[Any]:
        """First arguments of the calls of one method."""
        return [call[1] for call in self.calls if call[0] == name]


@dataclass
class FakeQueue:
    """Hands out `batches` one by one, then waits for ever, as an idle long poll does."""

    batches: list[list[Message]] = field(default_factory=list)
    deleted: list[Message] = field(default_factory=list)
    kept_hidden: list[tuple[Message, float]] = field(default_factory=list)
    """With the event loop's time of the call."""
    given_back: list[Message] = field(default_factory=list)
    waits: list[tuple[Message, float]] = field(default_factory=list)
    """What was put off, and for how many seconds."""
    quarantined: list[tuple[Message, str]] = field(default_factory=list)
    quarantine_failures: int = 0
    refused_letters: set[Message] = field(default_factory=set)
    """What the dead-letter queue refuses."""
    receive_failures: int = 0
    polling: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    at_release: list[Message] = field(default_factory=list)

    async def receive(self) -> Sequence[Message]:
        if self.receive_failures:
            self.receive_failures -= 1
            raise NotConfirmedError("Throttling")
        if self.batches:
            return self.batches.pop(0)
        self.polling.set()
        await self.release.wait()
        return self.at_release

    async def delete(self, messages: Sequence[Message]) -> None:
        self.deleted += messages

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        now = asyncio.get_running_loop().time()
        self.kept_hidden += [(message, now) for message in messages]

    async def give_back(self, messages: Sequence[Message]) -> None:
        self.given_back += messages

    async def put_off(self, messages: Sequence[Message], seconds: float) -> None:
        self.waits += [(message, seconds) for message in messages]

    async def quarantine(self, message: Message, reason: str) -> None:
        if self.quarantine_failures:
            self.quarantine_failures -= 1
            raise NotConfirmedError("Throttling")
        if message in self.refused_letters:
            raise RefusedError("InvalidMessageContents")
        self.quarantined.append((message, reason))


@dataclass
class FakeStateMachine:
    """Starts what `answer` lets it start, under names that are not taken."""

    answer: Callable[[InteractionEvent], Literal["started", "duplicate"]] = lambda _: "started"
    asked: list[InteractionEvent] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Under which they were to start."""
    taken: dict[str, Execution | None] = field(default_factory=dict)
    """Names that others took; None: theirs may not be looked at."""
    looked_at: list[str] = field(default_factory=list)

    async def start(self, event: InteractionEvent, name: str) -> Literal["started", "duplicate", "taken"]:
        self.asked.append(event)
        self.names.append(name)
        await asyncio.sleep(0)
        return "taken" if name in self.taken else self.answer(event)

    async def look(self, name: str) -> Execution | None:
        self.looked_at.append(name)
        return self.taken[name]


@dataclass
class FakeItems:
    """The items of `known`. `covers` says what becomes of an event that would be the newest one."""

    known: dict[str, Known] = field(default_factory=dict)
    covers: Callable[[InteractionEvent], bool] = lambda _: True
    failures: int = 0
    """How often a lookup fails before it answers."""
    looked_up: list[list[str]] = field(default_factory=list)
    settled: list[InteractionEvent] = field(default_factory=list)

    async def look(self, interaction_ids: Collection[str]) -> Mapping[str, Known]:
        self.looked_up.append(list(interaction_ids))
        if self.failures:
            self.failures -= 1
            raise NotConfirmedError("AccessDeniedException")
        return {one: self.known[one] for one in interaction_ids if one in self.known}

    async def settle(self, event: InteractionEvent) -> bool:
        self.settled.append(event)
        await asyncio.sleep(0)
        return self.covers(event)


@dataclass
class FakeActivity:
    """Hands out `tasks`, then waits until released."""

    tasks: list[ActivityTask] = field(default_factory=list)
    succeeded: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)
    on_report: Callable[[], None] = lambda: None
    on_beat: Callable[[], None] = lambda: None
    polling: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    at_release: ActivityTask | None = None
    reported: asyncio.Event = field(default_factory=asyncio.Event)

    async def poll(self) -> ActivityTask | None:
        if self.tasks:
            return self.tasks.pop(0)
        self.polling.set()
        await self.release.wait()
        task, self.at_release = self.at_release, None
        return task

    async def heartbeat(self, token: str) -> None:
        self.beats.append(token)
        self.on_beat()

    async def succeed(self, token: str, output: str) -> None:
        self.on_report()
        self.succeeded.append((token, output))
        self.reported.set()

    async def fail(self, token: str, error: str, cause: str) -> None:
        self.on_report()
        self.failed.append((token, error, cause))
        self.reported.set()


DETAILS = Details(
    datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
    ("voice",),
    asked_at=datetime(2026, 1, 2, 4, 5, 6, 789000, UTC),
    end_time=datetime(2026, 1, 2, 3, 30, tzinfo=UTC),
)


@dataclass
class FakeDetails:
    """Answers with `answer()`, which may wait."""

    answer: Callable[[str], Awaitable[Details | AttemptError]] | None = None
    asked: list[str] = field(default_factory=list)
    asked_alone: list[str] = field(default_factory=list)

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        self.asked.append(interaction_id)
        if alone:
            self.asked_alone.append(interaction_id)
        return DETAILS if self.answer is None else await self.answer(interaction_id)


def keep(known: Known | None, event: InteractionEvent, details: Details) -> Kept:
    """What a store that holds `known` makes of one attempt's result, as `worker/record.py` says."""
    complete = details.end_time is not None
    if known is None:
        moment = details.start_time if event.event_type == RECONCILE else event.time
        return Kept(Known(moment, event.event_type, details.asked_at, complete), details=True, event=True)
    change = newer(known, event, details.asked_at)
    if change.details:
        known = replace(known, details_at=details.asked_at, complete=complete)
    if change.event:
        known = replace(known, event_time=event.time, event_type=event.event_type)
    return Kept(known, change.details, change.event)


@dataclass
class FakeStore:
    """Keeps the newer halves."""

    items: dict[str, Known] = field(default_factory=dict)

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        kept = keep(self.items.get(event.interaction_id), event, details)
        self.items[event.interaction_id] = kept.known
        return kept
