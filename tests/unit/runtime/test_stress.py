# ruff: noqa: ARG002 -- ports have arguments that fakes do not need
"""Started and stopped hundreds of times at random moments: every end is clean, and nothing stays behind."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from tests.unit.fakes import DETAILS, RecordingMetrics
from tests.unit.samples import message, seed, task
from worker.attempt import Process
from worker.errors import NotConfirmedError, StoreUnavailable, TaskGoneError, Unavailable
from worker.events import InteractionEvent
from worker.ports import ActivityTask, Details, Message
from worker.runtime.health import Watchdog
from worker.runtime.intake import Intake
from worker.runtime.lifecycle import Lifecycle
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping

TIMES = 250
AT_ONCE = 50
"""Side by side, so that the waits after refusals pass together."""


class Busy:
    """Ports that always have work, answer after a random number of turns of the loop, and sometimes refuse."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self.received: list[Message] = []
        self.settled: set[str] = set()
        self.taken: list[str] = []
        self.reported: dict[str, str] = {}

    async def _turns(self, refusal: type[Exception] = NotConfirmedError) -> None:
        for _ in range(self._source.randrange(6)):
            await asyncio.sleep(0)
        if self._source.random() < 0.02:
            raise refusal("refused")

    async def receive(self) -> Sequence[Message]:
        await self._turns()
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

    async def quarantine(self, message: Message, reason: str) -> None:
        raise AssertionError(f"{message.id} is right, and was quarantined for {reason}")

    async def start(self, event: InteractionEvent) -> Literal["started", "duplicate"]:
        await self._turns()
        return "started"

    async def poll(self) -> ActivityTask | None:
        await self._turns()
        if self._source.random() < 0.3:
            return None
        token = f"token-{len(self.taken)}"
        self.taken.append(token)
        return task(token)

    async def heartbeat(self, token: str) -> None:
        await self._turns()
        if self._source.random() < 0.1:
            self.reported[token] = "gone"
            raise TaskGoneError("TaskTimedOut")

    async def succeed(self, token: str, output: str) -> None:
        await self._turns()
        self.reported[token] = output

    async def fail(self, token: str, error: str, cause: str) -> None:
        await self._turns()
        self.reported[token] = error

    async def fetch(self, interaction_id: str) -> Details:
        await self._turns(Unavailable)
        return DETAILS

    async def put(self, event: InteractionEvent, details: Details) -> bool:
        await self._turns(StoreUnavailable)
        return True


@pytest.mark.parametrize("drain_seconds", [5.0, 0.0])
async def test_every_stop_is_clean_and_everything_in_hand_is_settled(drain_seconds: float) -> None:
    for first in range(0, TIMES, AT_ONCE):
        await asyncio.gather(*(_once(random.Random(n), drain_seconds) for n in range(first, first + AT_ONCE)))
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def _once(source: random.Random, drain_seconds: float) -> None:
    ports, stopping, metrics = Busy(source), Stopping(), RecordingMetrics()
    any_metrics: Any = metrics
    lifecycle = Lifecycle(stopping, drain_seconds=drain_seconds, hand_back_seconds=5)
    intake = Intake(ports, ports, any_metrics, stopping, concurrency=2, visibility_seconds=60)
    process = Process(ports, ports, any_metrics, not_found_after_seconds=900)
    slots = Slots(ports, process, any_metrics, stopping, heartbeat_seconds=0.001, fault=lifecycle.fault)
    watchdog = Watchdog(any_metrics.loop_lag)
    loops = {f"receiver {n}": intake.receive(watchdog.tick("receiver")) for n in range(2)}
    loops |= {f"slot {n}": slots.slot(watchdog.tick("slot")) for n in range(3)}
    running = asyncio.create_task(lifecycle.run(loops, {"watchdog": watchdog.run(asyncio.sleep)}, slots))
    for _ in range(source.randrange(60)):
        await asyncio.sleep(0)
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
