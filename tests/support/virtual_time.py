"""An event loop whose time is virtual: it jumps to the next timer as soon as nothing else is left to do.

For code that waits only for timers, futures and locks of its own loop. A socket is never ready in here.
"""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_780_000_000.0
"""Seconds since the epoch at which virtual time begins: some day in 2026."""


class StuckError(RuntimeError):
    """Everything waits and no timer is set: in real time this would hang."""


class _Selector(selectors.BaseSelector):
    """Answers at once, and moves the loop's time by as much as it was to wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._keys: dict[object, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return self._keys[fileobj]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StuckError("all tasks wait and no timer is set")
        self.now += max(0.0, timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class VirtualClock:
    """A `worker.clock.Clock` on the running VirtualLoop: one machine's, which may be off by `skew` seconds."""

    def __init__(self, *, skew: float = 0.0, seed: int = 0) -> None:
        self.skew = skew
        self._random = random.Random(seed)

    def time(self) -> float:
        return EPOCH + asyncio.get_running_loop().time() + self.skew

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, at the speed of the CPU. Raises StuckError where it would wait for ever."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
