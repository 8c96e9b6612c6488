"""Time, waiting and chance, handed in wherever they are used, so that tests run a fleet in virtual time."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

AnyTask = TypeVar("AnyTask", bound="asyncio.Task[Any]")


class Clock(Protocol):
    """What a loop may know of time.

    Only waits that go through a clock follow it; a call to AWS or Genesys Cloud takes the time that it takes.
    """

    def time(self) -> float:
        """Seconds since the epoch; may step, and differs between machines."""

    def monotonic(self) -> float:
        """Seconds since some moment; never steps. For durations within this process."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """A scope that raises TimeoutError when its body takes longer than `seconds`."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back in `seconds`, unless the handle is cancelled before."""

    def uniform(self, low: float, high: float) -> float:
        """A random number between the two; spreads load, never protects a secret."""


class SystemClock:
    """The clock of this machine, and the event loop's timers."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311 -- no secret


async def wait_for_tasks(
    clock: Clock, tasks: Collection[AnyTask], seconds: float, *, return_when: str = asyncio.ALL_COMPLETED
) -> set[AnyTask]:
    """As asyncio.wait: those of `tasks` that are done after `seconds` at most. None is cancelled."""
    with contextlib.suppress(TimeoutError):
        async with clock.timeout(seconds):
            await asyncio.wait(tasks, return_when=return_when)
    return {task for task in tasks if task.done()}
