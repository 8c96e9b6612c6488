"""Lifecycle: the order of a stop, and what ends the process with a fault."""

import asyncio
import functools
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.virtual_time import VirtualClock
from worker.runtime.lifecycle import Lifecycle, Loop
from worker.runtime.slots import Slots
from worker.runtime.stopping import Interruptible, Interruption, Stopping

CLOCK = VirtualClock()


class FakeSlots:
    """One task in hand, which ends only when it is handed back."""

    def __init__(self) -> None:
        self.busy = 1
        self._handed_back = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def slot(self) -> None:
        self.task = asyncio.current_task()
        await self._handed_back.wait()
        self.busy = 0

    def hand_back(self) -> set[asyncio.Task[None]]:
        self._handed_back.set()
        assert self.task is not None
        return {self.task}


def lifecycle(stopping: Stopping, drain_seconds: float = 5) -> Lifecycle:
    return Lifecycle(stopping, drain_seconds=drain_seconds, hand_back_seconds=5, clock=CLOCK)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def run(life: Lifecycle, slots: Any = None, **loops: Loop) -> int:
    helper = {"helper": for_ever}
    typed: Slots | None = slots
    return await life.run(loops, helper, typed)


async def test_a_signal_lets_the_loops_end_by_themselves() -> None:
    stopping = Stopping(CLOCK)
    life = lifecycle(stopping)
    asyncio.get_running_loop().call_soon(life.signal, "SIGTERM")
    assert await run(life, loop=stopping.wait) == 0


async def test_what_does_not_end_is_dropped_when_the_time_is_up_and_the_status_is_still_0() -> None:
    life = lifecycle(Stopping(CLOCK), drain_seconds=100)
    asyncio.get_running_loop().call_soon(life.signal, "SIGTERM")
    assert await run(life, poll=for_ever) == 0


async def test_work_is_handed_back_when_the_time_is_up() -> None:
    stopping = Stopping(CLOCK)
    slots = FakeSlots()
    life = lifecycle(stopping, drain_seconds=100)
    asyncio.get_running_loop().call_soon(life.signal, "SIGTERM")
    assert await run(life, slots, slot=slots.slot, poll=for_ever) == 0
    assert slots.busy == 0


async def test_work_is_handed_back_at_once_while_an_outage_lasts_and_when_one_begins() -> None:
    slots = FakeSlots()
    outage_begins = CLOCK.monotonic() + 3
    life = Lifecycle(
        Stopping(CLOCK),
        drain_seconds=1000,
        hand_back_seconds=5,
        clock=CLOCK,
        holds=lambda: CLOCK.monotonic() >= outage_begins,
    )
    asyncio.get_running_loop().call_soon(life.signal, "SIGTERM")
    assert await run(life, slots, slot=slots.slot) == 0
    assert 0 <= CLOCK.monotonic() - outage_begins < 2


async def test_a_second_signal_ends_at_once_and_is_no_clean_drain() -> None:
    life = lifecycle(Stopping(CLOCK), drain_seconds=1000)
    loop = asyncio.get_running_loop()
    loop.call_soon(life.signal, "SIGTERM")
    loop.call_later(10, life.signal, "SIGTERM")
    began = CLOCK.monotonic()
    with capture_logs() as lines:
        assert await run(life, poll=for_ever) == 1
    assert CLOCK.monotonic() - began == 10
    assert {"event": "draining", "log_level": "info", "reason": "signal", "signal": "SIGTERM", "seconds": 1000} in lines


async def die() -> None:
    raise ZeroDivisionError("made-up personal data")


async def end() -> None:
    pass


@pytest.mark.parametrize(("broken", "error"), [(die, "ZeroDivisionError"), (end, "LoopEndedError")])
async def test_a_loop_that_dies_or_ends_takes_the_process_down(broken: Loop, error: str) -> None:
    stopping = Stopping(CLOCK)
    with capture_logs() as lines:
        assert await run(lifecycle(stopping), broken=broken, other=stopping.wait) == 1
    died, draining = lines[:2]
    assert (died["event"], died["loop"], died["error"]) == ("loop_died", "broken", error)
    assert (draining["event"], draining["reason"], draining["loop"]) == ("draining", "loop_died", "broken")


async def test_a_helper_that_dies_takes_the_process_down() -> None:
    stopping = Stopping(CLOCK)
    life = lifecycle(stopping)
    assert await life.run({"loop": stopping.wait}, {"watchdog": die}, None) == 1


async def test_an_interrupted_scope_says_why_and_swallows_only_its_own_cancellation() -> None:
    scope = Interruptible()
    asyncio.get_running_loop().call_soon(scope.interrupt, Interruption.TASK_GONE)
    async with scope:
        await for_ever()
    assert scope.reason is Interruption.TASK_GONE
    scope.interrupt(Interruption.DRAIN_OVER)
    assert scope.reason is Interruption.TASK_GONE, "an interruption after the end changes nothing"

    async def body() -> None:
        async with Interruptible():
            await for_ever()

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_scope_interrupted_and_cancelled_at_once_passes_the_cancellation_on() -> None:
    scope = Interruptible()

    async def body() -> None:
        async with scope:
            await for_ever()

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    scope.interrupt(Interruption.DRAIN_OVER)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stop_five_hundred_times_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    for _ in range(500):
        stopping = Stopping(CLOCK)
        life = lifecycle(stopping)
        asyncio.get_running_loop().call_soon(life.signal, "SIGTERM")
        assert await run(life, one=stopping.wait, two=functools.partial(stopping.sleep, 1000)) == 0
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
