"""SQS, Step Functions and Genesys Cloud in memory, where every call waits until the test decides its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from tests.support.virtual_time import EPOCH
from worker.errors import AttemptError, NotConfirmedError, TaskGoneError
from worker.events import RECONCILE, InteractionEvent, InvalidEventError, parse_event
from worker.record import Coverage, Freshness, Known, coverage

VISIBILITY_SECONDS = 60
FRESH = Freshness(timedelta(seconds=9), frozenset({"customer.end"}), timedelta(seconds=30))
"""Buckets of a second."""

End = Literal["done", "answer lost", "refused"]
"""Done and the caller is told; done and the caller is not; not done."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock moves only when it is told to, so no test sleeps."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Run whatever can run now."""

        async def rounds() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.run_until_complete(rounds())


@dataclass(eq=False)
class Sent:
    """A message in the queue."""

    body: str
    visible_at: float = 0.0
    receives: int = 0


@dataclass
class Execution:
    event: InteractionEvent
    name: str
    started_at: datetime
    """When its only state was entered as well."""
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"] = "RUNNING"
    token: str | None = None
    """The task's token while a worker has it; None while it waits for one."""
    deadline: float = 0.0
    ready_at: float = 0.0
    """When the state machine hands out the next attempt."""
    tokens: int = 0
    looks: int = 0
    """Attempts that ended as Interaction.Incomplete."""


class Process(Protocol):
    """A worker's process, as the world sees it."""

    dead: bool
    unconfirmed: set[str]


@dataclass(eq=False)
class Pending:
    """A call that a worker waits for."""

    worker: Process
    name: str
    act: Callable[[], Any]
    future: "asyncio.Future[Any]"
    token: str = ""
    """Of a report: the task's."""


@dataclass
class World:
    """What AWS and Genesys Cloud have."""

    loop: VirtualLoop
    queue: list[Sent] = field(default_factory=list)
    received: dict[str, datetime] = field(default_factory=dict)
    """When the intake received a body first."""
    executions: dict[str, Execution] = field(default_factory=dict)
    items: dict[str, list[Known]] = field(default_factory=dict)
    """Every version of each item, the newest last."""
    reads_behind: int = 0
    """How many versions a lookup lags behind."""
    ended: set[str] = field(default_factory=set)
    """Interactions whose details have an end by now."""
    letters: list[str] = field(default_factory=list)
    """Bodies of quarantined messages, and names of failed executions."""
    pending: list[Pending] = field(default_factory=list)
    cancelled_polls: list[str] = field(default_factory=list)

    async def call(self, worker: Process, name: str, act: Callable[[], Any], token: str = "") -> Any:
        if worker.dead:
            # What a killed process would still have done in `finally` it does not do.
            raise asyncio.CancelledError
        waiting = Pending(worker, name, act, self.loop.create_future(), token)
        self.pending.append(waiting)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            # What AWS hands to a call that nobody awaits any more is lost until a timeout.
            if name in {"poll", "receive"} and not worker.dead:
                self.cancelled_polls.append(name)
            raise
        finally:
            if waiting in self.pending:
                self.pending.remove(waiting)

    def answer(self, waiting: Pending, end: End) -> None:
        self.pending.remove(waiting)
        if end != "done":
            waiting.worker.unconfirmed.add(waiting.token)
        if end == "refused":
            waiting.future.set_exception(NotConfirmedError("refused"))
            return
        try:
            result = waiting.act()
        except (TaskGoneError, InvalidEventError, AttemptError) as error:
            waiting.future.set_exception(error)
            return
        if end == "answer lost":
            waiting.future.set_exception(NotConfirmedError("no answer"))
        else:
            waiting.future.set_result(result)

    @property
    def now(self) -> datetime:
        """By a clock that is right."""
        return datetime.fromtimestamp(EPOCH + self.loop.now, UTC)

    def pass_time(self, seconds: float) -> None:
        self.loop.now += seconds
        for execution in self.executions.values():
            if execution.token and execution.deadline <= self.loop.now:
                execution.token = None

    def visible(self) -> list[Sent]:
        return [sent for sent in self.queue if sent.visible_at <= self.loop.now]

    def waiting(self) -> list[Execution]:
        return [e for e in self.running() if e.token is None and e.ready_at <= self.loop.now]

    def taken(self) -> list[Execution]:
        return [e for e in self.running() if e.token is not None]

    def seconds_to_next(self) -> float:
        """Until a message or an attempt comes up; at least one."""
        moments = [sent.visible_at for sent in self.queue] + [e.ready_at for e in self.running()]
        return max(1.0, min(moments, default=0.0) - self.loop.now)

    def running(self) -> list[Execution]:
        return [e for e in self.executions.values() if e.status == "RUNNING"]

    def fail(self, execution: Execution) -> None:
        execution.status, execution.token = "FAILED", None
        self.letters.append(execution.name)

    def item(self, interaction_id: str) -> Known | None:
        return self.items[interaction_id][-1] if interaction_id in self.items else None

    def accounted(self, body: str) -> bool:
        """Promise 1: its execution or its quarantine is there, or an item covers it or did when it was read."""
        try:
            event = parse_event(body)
        except InvalidEventError:
            return body in self.letters
        return any(execution.event == event for execution in self.executions.values()) or any(
            coverage(known, event, FRESH) is Coverage.COVERED for known in self.items.get(event.interaction_id, ())
        )

    def has_letter(self, event: InteractionEvent) -> bool:
        """Whether an execution of this very event has failed."""
        return any(e.event == event and e.status == "FAILED" for e in self.executions.values())

    def assert_fresh(self, event: InteractionEvent, body: str) -> None:
        """The item is as fresh as the event asks for, or there is a dead letter of the event's own."""
        if self.has_letter(event):
            return
        item = self.item(event.interaction_id)
        assert item is not None, f"nothing is stored for {body}"
        assert item.details_at is not None
        assert item.event_time is not None
        received = self.received[body]
        enough = received if event.event_type == RECONCILE else min(received, event.time + FRESH.lag)
        assert item.details_at >= enough, f"details of {item.details_at} may lack {body}"
        newer_failed = any(
            e.status == "FAILED" and e.event.interaction_id == event.interaction_id and e.event.time > event.time
            for e in self.executions.values()
        )
        if event.event_type != RECONCILE and not newer_failed:
            assert item.event_time >= event.time, f"the newest event that the item knows is older than {body}"
