"""Workers of a fleet in virtual time: a shared cache that takes its time and fails, and a Genesys Cloud that counts."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Sequence

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_time import VirtualClock
from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.allowance import Allowance, Demand, Permit
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


class ForgetfulCache:
    """A MemoryCache that can go back to what it held a while ago, and counts its calls."""

    def __init__(self, clock: Clock) -> None:
        self.calls: Counter[str] = Counter()
        self._clock = clock
        self._cache = MemoryCache(clock)
        self._entries: dict[str, list[tuple[float, CacheEntry | None]]] = {}

    async def get(self, key: str) -> CacheEntry | None:
        self.calls["get"] += 1
        return self._latest(key)

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        self.calls["put"] += 1
        latest = self._latest(key)
        if (latest.version if latest else None) != expected:
            self.calls["put in vain"] += 1
            return None
        entry = await self._cache.put(f"{key}{self.calls['put']}", content, expected=None, seconds=seconds)
        self._entries.setdefault(key, []).append((self._clock.monotonic(), entry))
        return entry

    def lose(self, seconds: float) -> None:
        """Forget the writes of the last `seconds`."""
        until = self._clock.monotonic() - seconds
        for key, entries in self._entries.items():
            self._entries[key] = [(time, entry) for time, entry in entries if time <= until]

    def _latest(self, key: str) -> CacheEntry | None:
        entries = self._entries.get(key)
        return entries[-1][1] if entries else None


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


class Network:
    """The way from one worker to Genesys Cloud: up to `longest` seconds there and back, longer in a stall."""

    def __init__(self, clock: Clock, *, longest: float = 0.1) -> None:
        self.received: list[float] = []
        """When each request arrived, by the loop's time."""
        self.answer_after = 0.0
        """How long Genesys Cloud takes."""
        self._clock = clock
        self._longest = longest
        self._stalled_until = 0.0

    def stall(self, seconds: float) -> None:
        """Hold what is sent from now on, or its answer, for so many seconds."""
        self._stalled_until = self._clock.monotonic() + seconds

    async def ask(self) -> None:
        """Send a request and wait for its answer."""
        stalled = max(0.0, self._stalled_until - self._clock.monotonic())
        # Whether it is the request that is held or its answer; often enough wholly the one or the other.
        before = stalled * _extreme(self._clock)
        await self._clock.sleep(before + self._longest * _extreme(self._clock))
        self.received.append(self._clock.monotonic())
        await self._clock.sleep(stalled - before + self.answer_after)


def _extreme(clock: Clock) -> float:
    """A random number from 0 to 1 that is 0 or 1 in two of three cases."""
    return min(1.0, max(0.0, clock.uniform(-1, 2)))


class VirtualWorker:
    """Calls that wait for permits, batched as the details of interactions are."""

    def __init__(self, fleet: "VirtualFleet", number: int, skew: float) -> None:
        self.clock = VirtualClock(skew=skew, seed=number)
        self.cache = DistantCache(fleet.cache, self.clock)
        self.network = Network(self.clock, longest=fleet.travel)
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
        self._requests: set[asyncio.Task[None]] = set()

    def add(self, calls: int) -> None:
        """Let so many more calls wait."""
        self.calls.extend([self.clock.time()] * calls)
        self.allowance.poke()

    async def work(self) -> None:
        """Send requests for ever."""
        while True:
            permit = await self.allowance.acquire(self._demand)
            if permit is None:
                await self.clock.sleep(0.05)
                continue
            self.permits.append(self.clock.monotonic())
            for _ in range(min(self._fleet.size, len(self.calls))):
                self.waits.append(self.clock.time() - self.calls.popleft())
            request = asyncio.create_task(self._ask(permit))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    async def _ask(self, permit: Permit) -> None:
        await self.network.ask()
        self.allowance.answered(permit)

    def _demand(self) -> Demand:
        now = self.clock.time()
        waiting, size = len(self.calls), self._fleet.size
        if not waiting:
            return Demand(0, False, 0.0, now, now)
        full = waiting >= size or now - self.calls[0] >= self.allowance.gather_seconds
        return Demand(max(1, waiting // size), full, min(1.0, waiting / size), self.calls[0], now + 60)


class VirtualFleet:
    """So many workers under one limit, to be made in a virtual loop.

    Their clocks are off by up to `skew` seconds, or by what `skews` says; a request travels for up to `travel` seconds.
    """

    def __init__(
        self,
        limit: int,
        workers: int,
        *,
        size: int = 1,
        seed: int = 0,
        skew: float = 0.5,
        skews: Sequence[float] = (),
        travel: float = 0.1,
    ) -> None:
        self.limit = limit
        self.size = size
        self.travel = travel
        self.chance = random.Random(seed)
        self.clock = VirtualClock(seed=seed)
        self.cache = ForgetfulCache(self.clock)
        skews = skews or [self.chance.uniform(-skew, skew) for _ in range(workers)]
        self.workers = [VirtualWorker(self, 1000 * seed + number, skew) for number, skew in enumerate(skews)]
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let all of them work."""
        for worker in self.workers:
            self._running += [asyncio.create_task(worker.work()), asyncio.create_task(worker.allowance.stay_known())]

    async def work_off_a_backlog(self, seconds: float) -> None:
        """Let all of them work for so long on more than there is time for."""
        for worker in self.workers:
            worker.add(self.size * self.limit * 10)
        self.start()
        await self.clock.sleep(seconds)
        await self.stop()

    async def stop(self) -> None:
        """End them; none may have ended before."""
        await cancel_and_wait(*self._running)
        assert all(task.cancelled() for task in self._running)

    @property
    def permits(self) -> list[float]:
        """When permits were handed out, over all workers."""
        return sorted(time for worker in self.workers for time in worker.permits)

    @property
    def received(self) -> list[float]:
        """When the requests arrived at Genesys Cloud."""
        return sorted(time for worker in self.workers for time in worker.network.received)
