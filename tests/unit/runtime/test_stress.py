# ruff: noqa: ARG002 -- ports have arguments that fakes do not need
"""Started and stopped hundreds of times at random moments: every end is clean, and nothing stays behind."""

import asyncio
import functools
import random
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from tests.support.fakes import DETAILS, FakeStateMachine, RecordingMetrics, keep
from tests.support.samples import message, seed, task
from tests.support.virtual_time import VirtualClock
from worker.attempt import Attempts
from worker.errors import AttemptError, NotConfirmedError, StoreUnavailable, TaskGoneError, Unavailable
from worker.events import InteractionEvent
from worker.ports import ActivityTask, Details, Kept, Message
from worker.record import Freshness, Known
from worker.runtime.admission import Admission
from worker.runtime.health import Watchdog
from worker.runtime.intake import Intake
from worker.runtime.lifecycle import Lifecycle, Loop
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping

TIMES = 250
AT_ONCE = 50
"""Side by side in one event loop."""

_COVERS_ALL = Known(details_at=datetime(2027, 1, 1, tzinfo=UTC))


class Busy:
    """Ports that always have work, answer after some milliseconds, at once or not, and sometimes refuse."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self.received: list[Message] = []
        self.settled: set[str] = set()
        self.taken: list[str] = []
        self.reported: dict[str, str] = {}

    async def _refuses(self) -> bool:
        """Takes as long as a call, and says whether it is refused."""
        await asyncio.sleep(self._source.randrange(6) * 0.001)
        return self._source.random() < 0.02

    async def _call(self, refusal: type[Exception] = NotConfirmedError) -> None:
        if await self._refuses():
            raise refusal("refused")

    async def receive(self) -> Sequence[Message]:
        await self._call()
        number = len(self.received)
        batch = [message(seed(f"i-{n}"), n) for n in range(number, number + self._source.randrange(4))]
        self.received += batch
        return batch

    async def delete(self, messages: Sequence[Message]) -> None:
        self.settled |= {one.id for one in messages}

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        pass

    async def give_back(self, messages: Sequence[Message]) -> None:
        self.settled |= {one.id for one in messages}

    async def put_off(self, messages: Sequence[Message], seconds: float) -> None:
        assert seconds
        self.settled |= {one.id for one in messages}

    async def quarantine(self, message: Message, reason: str) -> None:
        raise AssertionError(f"{message.id} is right, and was quarantined for {reason}")

    async def look(self, interaction_ids: Collection[str]) -> Mapping[str, Known]:
        await self._call()
        return {one: _COVERS_ALL for one in interaction_ids if self._source.random() < 0.3}

    async def settle(self, event: InteractionEvent) -> bool:
        await self._call()
        return self._source.random() < 0.7

    async def poll(self) -> ActivityTask | None:
        await self._call()
        if self._source.random() < 0.3:
            return None
        token = f"token-{len(self.taken)}"
        self.taken.append(token)
        return task(token)

    async def heartbeat(self, token: str) -> None:
        await self._call()
        if self._source.random() < 0.1:
            self.reported[token] = "gone"
            raise TaskGoneError("TaskTimedOut")

    async def succeed(self, token: str, output: str) -> None:
        await self._call()
        self.reported[token] = output

    async def fail(self, token: str, error: str, cause: str) -> None:
        await self._call()
        self.reported[token] = error

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        return Unavailable("refused") if await self._refuses() else DETAILS

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        await self._call(StoreUnavailable)
        return keep(None, event, details)


class BusyStateMachine(FakeStateMachine):
    """Starts most executions; the names of the others are taken."""

    def __init__(self, source: random.Random, ports: Busy) -> None:
        super().__init__()
        self._source = source
        self._ports = ports

    async def start(self, event: InteractionEvent, name: str) -> Literal["started", "duplicate", "taken"]:
        await self._ports._call()
        return self._source.choice(["started", "started", "duplicate", "taken"])


@pytest.mark.parametrize("drain_seconds", [5.0, 0.0])
async def test_every_stop_is_clean_and_everything_in_hand_is_settled(drain_seconds: float) -> None:
    for first in range(0, TIMES, AT_ONCE):
        await asyncio.gather(*(_once(random.Random(n), drain_seconds) for n in range(first, first + AT_ONCE)))
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def _once(source: random.Random, drain_seconds: float) -> None:
    ports, clock, metrics = Busy(source), VirtualClock(), RecordingMetrics()
    stopping = Stopping(clock)
    any_metrics: Any = metrics
    lifecycle = Lifecycle(stopping, drain_seconds=drain_seconds, hand_back_seconds=5, clock=clock)
    fresh = Freshness(timedelta(seconds=90))
    admission = Admission(BusyStateMachine(source, ports), ports, fresh, clock)
    intake = Intake(ports, admission, any_metrics, stopping, concurrency=2, visibility_seconds=60, clock=clock)
    attempts = Attempts(ports, ports, any_metrics, fresh=fresh, not_found_after_seconds=10**12, clock=clock)
    slots = Slots(ports, attempts, any_metrics, stopping, heartbeat_seconds=0.004, clock=clock, fault=lifecycle.fault)
    watchdog = Watchdog(any_metrics.loop_lag, clock)
    loops: dict[str, Loop] = {
        f"receiver_{n}": functools.partial(intake.receive, watchdog.tick("receiver")) for n in range(2)
    }
    loops |= {f"slot_{n}": functools.partial(slots.slot, watchdog.tick("slot")) for n in range(3)}
    running = asyncio.create_task(lifecycle.run(loops, {"watchdog": watchdog.run}, slots))
    await clock.sleep(source.randrange(60) * 0.001)
    lifecycle.signal("SIGTERM")
    async with asyncio.timeout(30):
        assert await running == 0
    assert slots.busy == 0
    assert not slots._working
    changes = [call[1:] for call in metrics.calls if call[0] == "slot"]
    assert all(sum(change for kind, change in changes if kind == state) == 0 for state in ("polling", "busy"))
    if drain_seconds:
        assert ports.settled == {one.id for one in ports.received}
        assert set(ports.taken) == set(ports.reported)
