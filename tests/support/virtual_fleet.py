"""Workers of a fleet in virtual time: a shared cache that takes its time, and a Genesys Cloud that only counts."""

import asyncio
import random
from collections import deque
from collections.abc import Sequence

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_time import VirtualClock
from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.allowance import Allowance, Demand
from worker.fleet.guarded import GuardedCache
from worker.fleet.ledger import PERIOD_SECONDS, Pace
from worker.fleet.memory import MemoryCache
from worker.ports import CacheEntry, SharedCache


def most_in_a_period(times: Sequence[float], seconds: float = PERIOD_SECONDS) -> int:
    """The most of `times` that lie within any period of so many seconds, its start not included."""
    recent: deque[float] = deque()
    most = 0
    for time in sorted(times):
        recent.append(time)
        while recent[0] <= time - seconds:
            recent.popleft()
        most = max(most, len(recent))
    return most


class DistantCache:
    """A connection to a shared cache: the way there and the way back take up to `longest` seconds each."""

    def __init__(self, cache: SharedCache, clock: Clock, *, longest: float = 0.01) -> None:
        self.reachable = True
        self._cache = cache
        self._clock = clock
        self._longest = longest

    async def get(self, key: str) -> CacheEntry | None:
        await self._travel()
        entry = await self._cache.get(key)
        await self._travel()
        return entry

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        await self._travel()
        entry = await self._cache.put(key, content, expected=expected, seconds=seconds)
        await self._travel()
        return entry

    async def _travel(self) -> None:
        await self._clock.sleep(self._clock.uniform(0.1, 1) * self._longest)
        if not self.reachable:
            raise SharedCacheError("unreachable")


class VirtualWorker:
    """Calls that wait for permits, batched as the details of interactions are."""

    def __init__(self, fleet: "VirtualFleet", number: int) -> None:
        self.clock = VirtualClock(skew=fleet.chance.uniform(-fleet.skew, fleet.skew), seed=number)
        self.cache = DistantCache(fleet.cache, self.clock)
        self.recorder = RecordingMetrics()
        guarded = GuardedCache(self.cache, self.recorder, self.clock)
        self.allowance = Allowance(guarded, "allowance", Pace(fleet.limit), self.recorder, self.clock)
        self.permits: list[float] = []
        """When each was handed out, by the loop's time."""
        self.calls: deque[float] = deque()
        """When each call that waits began to."""
        self.waits: list[float] = []
        """How long each call waited, in seconds."""
        self._fleet = fleet

    def add(self, calls: int) -> None:
        """Let so many more calls wait."""
        self.calls.extend([self.clock.time()] * calls)
        self.allowance.poke()

    async def work(self) -> None:
        """Send requests for ever."""
        while True:
            if not await self.allowance.acquire(self._demand):
                await self.clock.sleep(0.05)
                continue
            self.permits.append(self.clock.monotonic())
            for _ in range(min(self._fleet.size, len(self.calls))):
                self.waits.append(self.clock.time() - self.calls.popleft())

    def _demand(self) -> Demand:
        now = self.clock.time()
        waiting, size = len(self.calls), self._fleet.size
        if not waiting:
            return Demand(0, False, 0.0, now, now)
        full = waiting >= size or now - self.calls[0] >= self.allowance.gather_seconds
        return Demand(max(1, waiting // size), full, min(1.0, waiting / size), self.calls[0], now + 60)


class VirtualFleet:
    """So many workers under one limit. Their clocks are off by up to `skew` seconds. To be made in a virtual loop."""

    def __init__(self, limit: int, workers: int, *, size: int = 1, seed: int = 0, skew: float = 0.1) -> None:
        self.limit = limit
        self.size = size
        self.skew = skew
        self.chance = random.Random(seed)
        self.clock = VirtualClock(seed=seed)
        self.cache = MemoryCache(self.clock)
        self.workers = [VirtualWorker(self, 1000 * seed + number) for number in range(workers)]
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let all of them work."""
        for worker in self.workers:
            self._running += [asyncio.create_task(worker.work()), asyncio.create_task(worker.allowance.stay_known())]

    async def stop(self) -> None:
        """End them; none may have ended before."""
        await cancel_and_wait(*self._running)
        assert all(task.cancelled() for task in self._running)

    @property
    def permits(self) -> list[float]:
        """When permits were handed out, over all workers."""
        return sorted(time for worker in self.workers for time in worker.permits)

    def arrivals(self, *, longest: float = 0.1) -> list[float]:
        """When the requests arrive at Genesys Cloud, each after up to `longest` seconds."""
        return [time + self.chance.uniform(0, longest) for time in self.permits]
