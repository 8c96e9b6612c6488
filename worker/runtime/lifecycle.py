"""Starts the loops, watches them, and ends them in order.

Two scopes: first nothing new is fetched, then, at the drain's end, nothing more is worked on. What cannot end by itself
is handed back, so that another worker takes it at once.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

import structlog

from worker.cancellation import cancel_and_wait
from worker.clock import Clock, wait_for_tasks
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping

_FAULT_DRAIN_SECONDS = 10.0
"""After a fault the process ends soon, but not so soon that work in progress waits for its heartbeat timeout."""

_LOOK_SECONDS = 1.0
"""How often a drain looks whether an outage has begun, through which work is not held."""

Loop = Callable[[], Coroutine[Any, Any, None]]
"""Called when the loops start, so that nothing is left behind when the start fails before."""

log = structlog.get_logger()


class LoopEndedError(Exception):
    """A loop ended by itself, though nobody had asked for a stop."""


class Lifecycle:
    """One run of the service, from the first loop's start to the exit status."""

    def __init__(
        self,
        stopping: Stopping,
        *,
        drain_seconds: float,
        hand_back_seconds: float,
        clock: Clock,
        on_drain: Callable[[], None] = lambda: None,
        holds: Callable[[], bool] = lambda: False,
    ) -> None:
        """While it `holds` back for an outage or a pause, a drain does not wait for work, but hands it back at once."""
        self._holds = holds
        self._stopping = stopping
        self._drain_seconds = drain_seconds
        self._hand_back_seconds = hand_back_seconds
        self._clock = clock
        self._on_drain = on_drain
        self._faulty = False
        self._at_once = asyncio.Event()

    def catch_signals(self) -> None:
        """From here on SIGTERM and SIGINT drain; before the loops run they end the start-up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.signal, number.name)

    def signal(self, name: str) -> None:
        """A stop signal: the first one drains, a second one ends at once."""
        if self._stopping.requested:
            log.warning("stopping_at_once", signal=name)
            self._at_once.set()
        else:
            self._stop("signal", signal=name)

    def fault(self, loop: str, error: BaseException) -> None:
        """A loop died: the process ends with exit status 1, after handing back what it can."""
        log.error("loop_died", loop=loop, error=type(error).__name__, exc_info=error)
        self._faulty = True
        self._drain_seconds = min(self._drain_seconds, _FAULT_DRAIN_SECONDS)
        self._stop("loop_died", loop=loop)

    def _stop(self, reason: str, **fields: str) -> None:
        if not self._stopping.requested:
            log.info("draining", reason=reason, **fields, seconds=self._drain_seconds)
            self._stopping.request()
            self._on_drain()

    async def run(
        self,
        loops: Mapping[str, Loop],
        helpers: Mapping[str, Loop],
        slots: Slots | None,
    ) -> int:
        """Run until a stop; the exit status: 0 after a clean drain, 1 after a fault or a second signal.

        `loops` fetch and work, and end by themselves on a stop; `helpers` go on until the loops have ended.
        """
        running = self._start(loops)
        helping = self._start(helpers)
        try:
            await self._stopping.wait()
            await self._drain(running, slots)
        finally:
            await cancel_and_wait(*running, *helping)
        status = 1 if self._faulty or self._at_once.is_set() else 0
        log.info("stopped", status=status)
        return status

    def _start(self, loops: Mapping[str, Loop]) -> set[asyncio.Task[None]]:
        tasks = {asyncio.create_task(loop(), name=name) for name, loop in loops.items()}
        for task in tasks:
            task.add_done_callback(self._watch)
        return tasks

    def _watch(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if error := task.exception():
            self.fault(task.get_name(), error)
        elif not self._stopping.requested:
            self.fault(task.get_name(), LoopEndedError())

    async def _drain(self, running: set[asyncio.Task[None]], slots: Slots | None) -> None:
        """Open polls are awaited and work ends, until the time is up; then work is handed back and polls dropped."""
        started = self._clock.monotonic()
        while (left := started + self._drain_seconds - self._clock.monotonic()) > 0 and not self._at_once.is_set():
            if slots is not None and self._holds():
                slots.hand_back()
            await self._wait(running, min(left, _LOOK_SECONDS))
            if all(task.done() for task in running):
                break
        if slots is not None and slots.busy and not self._at_once.is_set():
            log.warning("drain_over", busy=slots.busy)
            await self._wait(slots.hand_back(), self._hand_back_seconds)
        dropped = sum(not task.done() for task in running)
        log.info("drained", seconds=round(self._clock.monotonic() - started, 2), dropped=dropped)

    async def _wait(self, tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
        """Until `tasks` are done, `seconds` have passed, or a second signal came."""
        at_once = asyncio.create_task(self._at_once.wait())
        done = asyncio.create_task(asyncio.wait(tasks)) if tasks else at_once
        try:
            await wait_for_tasks(self._clock, {at_once, done}, seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            at_once.cancel()
            done.cancel()
