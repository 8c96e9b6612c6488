"""Signals between the lifecycle and the loops: stop fetching, and, for one piece of work, stop working."""

import asyncio
import contextlib
from enum import StrEnum
from types import TracebackType
from typing import Self

from worker.clock import Clock

LOOK_AGAIN_SECONDS = (0.5, 1.5)
"""How long a loop waits that may not fetch at the moment; differently, so that not all come at once afterwards."""


class Stopping:
    """Set once, when no new work may be fetched. Work in progress goes on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        """Until a stop is requested."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> None:
        """`seconds`, or less when a stop is requested."""
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(seconds):
                await self._event.wait()


class Backoff:
    """Growing, fully jittered waits between tries of one thing."""

    def __init__(self, clock: Clock, first: float = 0.2, longest: float = 20.0) -> None:
        self._clock = clock
        self._first = first
        self._longest = longest
        self._next = first

    def delay(self) -> float:
        """Seconds to wait now; the next wait may be twice as long."""
        ceiling = self._next
        self._next = min(self._longest, ceiling * 2)
        # At least half, so that a burst of tries really thins out.
        return self._clock.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        self._next = self._first


class Interruption(StrEnum):
    """Why work ended before its own end."""

    TASK_GONE = "Step Functions no longer waits for the task"
    DRAIN_OVER = "the worker is shutting down"


class Interruptible:
    """A scope whose body can be ended from outside, for a reason, as asyncio.timeout ends one for the clock.

    `reason` tells afterwards whether that happened; a cancellation of the task itself passes through.
    """

    def __init__(self) -> None:
        self.reason: Interruption | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    def interrupt(self, reason: Interruption) -> None:
        """End the body now. Without effect when it has ended or was interrupted already."""
        if self._task is not None and self.reason is None:
            self.reason = reason
            self._task.cancel()

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("an interruptible scope needs an asyncio task to run in")
        self._cancelling = self._task.cancelling()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        if task is None or self.reason is None:
            return False
        return task.uncancel() <= self._cancelling and kind is asyncio.CancelledError
