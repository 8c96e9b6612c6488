"""The request allowance of the OAuth client, shared by the fleet.

Every request needs a slot: a point in time by the shared `Ledger`. Slots are taken from it for about a second ahead,
so that the shared cache is written far less often than requests are sent, and nothing is stranded when a task falls
idle. Before a slot is used, the ledger seen must be fresh enough to know of a 429 that another task has had.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.guarded import RETRY_SECONDS
from worker.fleet.ledger import LATEST_SECONDS, Ledger, Pace
from worker.ports import CacheEntry, Metrics, SharedCache

FRESH_SECONDS = 0.4
"""How old the ledger seen may be when a slot is used: a pause must reach every task well within 1 s."""

LEAD_SECONDS = 0.4
"""How long before the next slot is due a task may try to take it: longer than a write to the shared cache."""
TURN_SECONDS = 0.015
"""How long a task waits for another one whose turn it is to take slots: about a read and a write."""
MOST_TURNS = 40
"""Tasks that wait for each other; beyond, some try at the same time, and only one succeeds."""
SLICE_SECONDS = 0.85
"""How far beyond the first slot more are taken with it."""

UNKNOWN_FLEET = 10
"""How many tasks are assumed to share the allowance when the shared cache never answered."""

OVERLAP_SECONDS = 1.5 * RETRY_SECONDS
"""Within this time of its return every task has noticed that the shared cache is back."""

PRESENCE_SECONDS = 20.0
KEEP_SECONDS = 86400.0


class Demand(NamedTuple):
    """What waits for slots."""

    requests: int
    """How many could be sent now; 0 when nothing waits."""
    full: bool
    """The next request is as full as it gets, or has waited long enough: it may use the burst."""
    fill: float
    """How full the next request would be, 0 to 1: the fullest task goes first."""
    since: float
    """When the oldest that waits began to (seconds since the epoch)."""
    until: float
    """When to ask for the demand again at the latest."""


class Allowance:
    """The fleet's allowance as this task sees it. One `acquire` call at a time."""

    def __init__(self, cache: SharedCache, key: str, pace: Pace, metrics: Metrics, clock: Clock) -> None:
        self._cache = cache
        self._key = key
        self._pace = pace
        self._metrics = metrics
        self._clock = clock
        self._member = uuid.uuid4().hex[:8]
        self._entry: CacheEntry | None = None
        self._ledger = Ledger()
        self._seen_at = -1e9
        self._paused_until = 0.0
        self._slots: deque[float] = deque()
        self._poked = asyncio.Event()
        self._known = False
        self._alone_next: float | None = None
        self._alone_sent: deque[float] = deque(maxlen=1000)

    @property
    def gather_seconds(self) -> float:
        """How long a request that is not full waits at most before it may use the burst like a full one."""
        return self._pace.tolerance

    def poke(self) -> None:
        """Say that the demand has changed."""
        self._poked.set()

    async def acquire(self, demand: Callable[[], Demand]) -> bool:
        """Wait until one request may be sent, now; False when nothing waits any more."""
        while (want := demand()).requests:
            self._poked.clear()
            wake_at = await self._try(want)
            if wake_at is None:
                return True
            if (delay := min(wake_at, want.until) - self._clock.time()) > 0:
                await self._sleep(delay)
        return False

    async def pause(self, seconds: float) -> None:
        """Stop everybody for `seconds`: Genesys Cloud answered 429."""
        self._stop_until(self._clock.time() + seconds)
        try:
            while True:
                await self._read()
                if self._ledger.paused_until >= self._paused_until or await self._write(self._ledger):
                    return
        except SharedCacheError:
            return  # the next successful write carries it

    async def stay_known(self) -> None:
        """For as long as the task lives: be counted as one of the fleet, also while idle."""
        while True:
            known = False
            try:
                await self._read()
                age = self._clock.time() - self._ledger.members.get(self._member, 0.0)
                known = age < PRESENCE_SECONDS or await self._write(self._ledger)
            except SharedCacheError:
                pass
            seconds = PRESENCE_SECONDS if known else RETRY_SECONDS
            await self._clock.sleep(seconds * self._clock.uniform(0.5, 1))

    async def _try(self, want: Demand) -> float | None:
        """Use a slot that is due, taking new ones as needed: None, or when to try again."""
        now = self._clock.time()
        while self._slots and self._slots[0] < now - LATEST_SECONDS:
            self._slots.popleft()
        if self._slots and self._slots[0] > now:
            return self._slots[0]
        try:
            if self._clock.monotonic() - self._seen_at > (FRESH_SECONDS if self._slots else TURN_SECONDS):
                await self._read()
            if self._paused_until > self._clock.time():
                return self._paused_until
            if not self._slots:
                wake_at = await self._take(want)
                if not self._slots or wake_at > self._clock.time():
                    return wake_at
        except SharedCacheError:
            return self._try_alone()
        self._slots.popleft()
        return None

    async def _take(self, want: Demand) -> float:
        """Take a slice of slots when the next one is near and it is this task's turn; when to go on."""
        now = self._clock.time()
        first = self._ledger.first_slot(self._pace, now, burst=want.full)
        # A slot that is free already is nobody's turn to wait for.
        if first > now and (take_at := self._take_at(want, first)) > now:
            return take_at if want.full else min(take_at, max(now, want.since + self.gather_seconds))
        ledger, due = self._ledger.take(self._pace, now, want.requests, first + SLICE_SECONDS, burst=want.full)
        if await self._write(replace(ledger, taken_by=self._member, taken_at=now)):
            self._slots.extend(due)
            return due[0]
        self._seen_at = -1e9
        return now

    def _take_at(self, want: Demand, first: float) -> float:
        """When to try to take the slot that is due at `first`, so that one of several tasks does it before the others.

        The tasks take turns, those with a batch that is not full after the others.
        """
        turns = TURN_SECONDS * min(len(self._ledger.members), MOST_TURNS)
        turn = TURN_SECONDS * (self._ledger.turn(self._member) % MOST_TURNS)
        emptiness = 0.0 if want.full else (1 - want.fill) * LEAD_SECONDS
        return max(first - turns - LEAD_SECONDS + emptiness, self._ledger.taken_at) + turn

    async def _read(self) -> None:
        while True:
            asked_at = self._clock.monotonic()
            entry = await self._cache.get(self._key)
            ledger = Ledger.parse(entry.content) if entry else Ledger()
            lost = entry is None and self._known
            if self._alone_next is None and not lost:
                return self._remember(entry, ledger, asked_at)
            if await self._resume(entry, ledger):
                return None

    async def _resume(self, entry: CacheEntry | None, ledger: Ledger) -> bool:
        """Go by the ledger again after a time without it, or without its content.

        It is written at once, as the time from which it counts must be the same for all. False when somebody else was
        faster.
        """
        now = self._clock.time()
        sent = sum(moment > now - OVERLAP_SECONDS for moment in self._alone_sent)
        ledger = ledger.resumed(now, self._pace, sent, OVERLAP_SECONDS)
        self._entry = entry
        if not await self._write(replace(ledger, members={**self._ledger.members, **ledger.members})):
            return False
        self._alone_next = None
        self._alone_sent.clear()
        return True

    async def _write(self, ledger: Ledger) -> bool:
        """Write what was made of the ledger seen last; False when somebody else was faster."""
        asked_at = self._clock.monotonic()
        ledger = ledger.seen(self._member, self._clock.time())
        if self._paused_until > ledger.paused_until:
            ledger = ledger.paused(self._paused_until, self._pace)
        expected = self._entry.version if self._entry else None
        entry = await self._cache.put(self._key, ledger.dump(), expected=expected, seconds=KEEP_SECONDS)
        if entry is not None:
            self._remember(entry, ledger, asked_at)
        return entry is not None

    def _remember(self, entry: CacheEntry | None, ledger: Ledger, asked_at: float) -> None:
        self._known = True
        self._entry, self._ledger, self._seen_at = entry, ledger, asked_at
        self._stop_until(ledger.paused_until)

    def _stop_until(self, until: float) -> None:
        if until > self._paused_until:
            self._paused_until = until
            self._metrics.paused_until(until)
            self._slots.clear()
            self.poke()

    def _try_alone(self) -> float | None:
        """As `_try`, within this task's share, while the shared cache is away."""
        now = self._clock.time()
        self._slots.clear()
        interval = self._pace.share(len({self._member, *self._ledger.members}) if self._known else UNKNOWN_FLEET)
        if self._alone_next is None:
            self._alone_next = now + interval
        due = max(self._alone_next, self._paused_until)
        if due > now:
            return min(due, now + 1.0)
        self._alone_next = now + interval
        self._alone_sent.append(now)
        return None

    async def _sleep(self, seconds: float) -> None:
        try:
            async with self._clock.timeout(seconds):
                await self._poked.wait()
        except TimeoutError:
            pass
