"""The request allowance of the OAuth client, shared by the fleet.

Every request needs a permit: leave to send it at a time that the shared `Ledger` gives out. Permits are taken for about
a second ahead, so that the shared cache is written far less often than requests are sent, and nothing is stranded when
a worker falls idle. Before a permit is used, the ledger seen must be fresh enough to know of a 429 that another worker
has had.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.document import Document, Snapshot
from worker.fleet.guarded import RETRY_SECONDS
from worker.fleet.ledger import LATEST_SECONDS, Ledger, Pace
from worker.ports import Metrics, SharedCache

FRESH_SECONDS = 0.4
"""How old the ledger seen may be when a permit is used: a pause must reach every worker well within 1 s."""

LEAD_SECONDS = 0.4
"""How long before the next permit is due a worker may try to take it: longer than a write to the shared cache."""
TURN_SECONDS = 0.015
"""How long a worker waits for another one whose turn it is to take permits: about a read and a write."""
MOST_TURNS = 40
"""Workers that wait for each other; beyond, some try at the same time, and only one succeeds."""
SLICE_SECONDS = 0.85
"""How far beyond the first permit more are taken with it."""

UNKNOWN_FLEET = 10
"""How many workers are assumed to share the allowance when the shared cache never answered."""

OVERLAP_SECONDS = 1.5 * RETRY_SECONDS
"""Within this time of its return every worker has noticed that the shared cache is back."""

PRESENCE_SECONDS = 20.0
KEEP_SECONDS = 86400.0


class Demand(NamedTuple):
    """What waits for permits."""

    requests: int
    """How many could be sent now; 0 when nothing waits."""
    full: bool
    """The next request is as full as it gets, or has waited long enough: it may use the burst."""
    fill: float
    """How full the next request would be, 0 to 1: the fullest worker goes first."""
    since: float
    """When the oldest that waits began to (seconds since the epoch)."""
    until: float
    """When to ask for the demand again at the latest."""


class Allowance:
    """The fleet's allowance as this worker sees it. One `acquire` call at a time."""

    def __init__(self, cache: SharedCache, key: str, pace: Pace, metrics: Metrics, clock: Clock) -> None:
        self._document = Document(cache, key, Ledger)
        self._pace = pace
        self._metrics = metrics
        self._clock = clock
        self._member = f"{int(clock.uniform(0, 16**8)):08x}"
        self._seen: Snapshot[Ledger] = Snapshot(Ledger())
        self._seen_at = -1e9
        self._paused_until = 0.0
        self._permits: deque[float] = deque()
        self._poked = asyncio.Event()
        self._known = False
        self._alone_next: float | None = None
        self._alone_sent: deque[float] = deque(maxlen=1000)

    @property
    def _ledger(self) -> Ledger:
        return self._seen.value

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
        """For as long as the worker lives: be counted as one of the fleet, also while idle."""
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
        """Use a permit that is due, taking new ones as needed: None, or when to try again."""
        now = self._clock.time()
        while self._permits and self._permits[0] < now - LATEST_SECONDS:
            self._permits.popleft()
        if self._permits and self._permits[0] > now:
            return self._permits[0]
        try:
            if self._clock.monotonic() - self._seen_at > (FRESH_SECONDS if self._permits else TURN_SECONDS):
                await self._read()
            if self._paused_until > self._clock.time():
                return self._paused_until
            if not self._permits:
                wake_at = await self._take(want)
                if not self._permits or wake_at > self._clock.time():
                    return wake_at
        except SharedCacheError:
            return self._try_alone()
        self._permits.popleft()
        return None

    async def _take(self, want: Demand) -> float:
        """Take a slice of permits when the next one is near and it is this worker's turn; when to go on."""
        now = self._clock.time()
        first = self._ledger.first_permit(self._pace, now, burst=want.full)
        # Nobody waits for a turn where a permit is free already.
        if first > now and (take_at := self._take_at(want, first)) > now:
            return take_at if want.full else min(take_at, max(now, want.since + self.gather_seconds))
        ledger, due = self._ledger.take(self._pace, now, want.requests, first + SLICE_SECONDS, burst=want.full)
        if await self._write(replace(ledger, taken_by=self._member, taken_at=now)):
            self._permits.extend(due)
            return due[0]
        self._seen_at = -1e9
        return now

    def _take_at(self, want: Demand, first: float) -> float:
        """When to try to take the permit due at `first`, so that one of several workers does it before the others.

        The workers take turns, those with a batch that is not full after the others.
        """
        turns = TURN_SECONDS * min(len(self._ledger.members), MOST_TURNS)
        turn = TURN_SECONDS * (self._ledger.turn(self._member) % MOST_TURNS)
        emptiness = 0.0 if want.full else (1 - want.fill) * LEAD_SECONDS
        return max(first - turns - LEAD_SECONDS + emptiness, self._ledger.taken_at) + turn

    async def _read(self) -> None:
        while True:
            asked_at = self._clock.monotonic()
            found = await self._document.read()
            lost = self._known and not found.exists
            if self._alone_next is None and not lost:
                return self._remember(found, asked_at)
            if await self._resume(found):
                return None

    async def _resume(self, found: Snapshot[Ledger]) -> bool:
        """Go by the ledger again after a time without it, or without its content.

        It is written at once, as the time from which it counts must be the same for all. False when somebody else was
        faster.
        """
        now = self._clock.time()
        sent = sum(moment > now - OVERLAP_SECONDS for moment in self._alone_sent)
        # The last request that anybody sent within a share is followed by as long a gap as within the share.
        ledger = found.value.resumed(now, self._pace, sent, OVERLAP_SECONDS + self._share_seconds())
        ledger = replace(ledger, members={**self._ledger.members, **ledger.members})
        if not await self._replace(found, ledger):
            return False
        self._alone_next = None
        self._alone_sent.clear()
        return True

    async def _write(self, ledger: Ledger) -> bool:
        """Write what was made of the ledger seen last; False when somebody else was faster."""
        return await self._replace(self._seen, ledger)

    async def _replace(self, seen: Snapshot[Ledger], ledger: Ledger) -> bool:
        asked_at = self._clock.monotonic()
        ledger = ledger.seen(self._member, self._clock.time())
        if self._paused_until > ledger.paused_until:
            ledger = ledger.paused(self._paused_until, self._pace)
        written = await self._document.replace(seen, ledger, seconds=KEEP_SECONDS)
        if written is not None:
            self._remember(written, asked_at)
        return written is not None

    def _remember(self, seen: Snapshot[Ledger], asked_at: float) -> None:
        self._known = True
        self._seen, self._seen_at = seen, asked_at
        self._stop_until(seen.value.paused_until)

    def _stop_until(self, until: float) -> None:
        if until > self._paused_until:
            self._paused_until = until
            self._metrics.paused_until(until)
            self._permits.clear()
            self.poke()

    def _try_alone(self) -> float | None:
        """As `_try`, within this worker's share, while the shared cache is unavailable."""
        now = self._clock.time()
        self._permits.clear()
        interval = self._share_seconds()
        if self._alone_next is None:
            # After a burst the ledger is ahead of the time, and this worker waits until it no longer is.
            self._alone_next = self._ledger.first_permit(self._pace, now, burst=False) + interval
        due = max(self._alone_next, self._paused_until)
        if due > now:
            return min(due, now + 1.0)
        self._alone_next = now + interval
        self._alone_sent.append(now)
        return None

    def _share_seconds(self) -> float:
        """Seconds between this worker's requests while it goes on alone."""
        members = len({self._member, *self._ledger.members}) if self._known else UNKNOWN_FLEET
        return self._pace.share(members)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with self._clock.timeout(seconds):
                await self._poked.wait()
        except TimeoutError:
            pass
