"""Fakes of our own ports, for tests of the use case and the runtime."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from worker.errors import AttemptError, NotConfirmedError
from worker.events import InteractionEvent
from worker.ports import ActivityTask, Details, Message, Metrics

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
    quarantined: list[tuple[Message, str]] = field(default_factory=list)
    quarantine_failures: int = 0
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

    async def quarantine(self, message: Message, reason: str) -> None:
        if self.quarantine_failures:
            self.quarantine_failures -= 1
            raise NotConfirmedError("Throttling")
        self.quarantined.append((message, reason))


@dataclass
class FakeStateMachine:
    """Starts what `answer` lets it start."""

    answer: Callable[[InteractionEvent], Literal["started", "duplicate"]] = lambda _: "started"
    asked: list[InteractionEvent] = field(default_factory=list)

    async def start(self, event: InteractionEvent) -> Literal["started", "duplicate"]:
        self.asked.append(event)
        await asyncio.sleep(0)
        return self.answer(event)


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
    datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), ("voice",), asked_at=datetime(2026, 1, 2, 4, 5, 6, 789000, UTC)
)


@dataclass
class FakeDetails:
    """Answers with `answer()`, which may wait."""

    answer: Callable[[str], Awaitable[Details | AttemptError]] | None = None
    asked: list[str] = field(default_factory=list)

    async def fetch(self, interaction_id: str) -> Details | AttemptError:
        self.asked.append(interaction_id)
        return DETAILS if self.answer is None else await self.answer(interaction_id)


@dataclass
class FakeStore:
    """Keeps the newest event of each interaction."""

    kept: dict[str, InteractionEvent] = field(default_factory=dict)

    async def put(self, event: InteractionEvent, details: Details) -> bool:
        assert details is not None
        stored = self.kept.get(event.interaction_id)
        if stored is not None and stored.time >= event.time:
            return False
        self.kept[event.interaction_id] = event
        return True
