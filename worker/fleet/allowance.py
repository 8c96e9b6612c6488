"""The request allowance of the OAuth client, shared by the fleet.

Every request needs a permit: leave to send it at a time that the shared `Ledger` gives out. Permits are taken for about
a second ahead, so that the shared cache is written far less often than requests are sent, and nothing is stranded when
a worker falls idle. Before a permit is used, the ledger seen must be fresh enough to know of a 429 that another worker
has had.

No 60 s at the receiver hold more requests than the limit, within the fault model that `worker/fleet/ledger.py` states.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.guarded import RETRY_SECONDS
from worker.fleet.late import LateRequests
from worker.fleet.ledger import LATEST_SECONDS, LONGEST_PAUSE_SECONDS, MEMBER_SECONDS, Ledger, Pace
from worker.fleet.shared_ledger import RENEW_SECONDS, SharedLedger
from worker.ports import Metrics, SharedCache

FRESH_SECONDS = 0.4
"""How old the ledger seen may be when a permit is used: a pause must reach every worker well within 1 s."""

LEAD_SECONDS = 0.4
"""How long before the next permit is due a worker may try to take it: longer than a write to the shared cache."""
TURN_SECONDS = 0.03
"""How long a worker waits for another one whose turn it is to take permits: a read and a write, and as much as their
times differ."""
MOST_TURNS = 40
"""Workers that wait for each other; beyond, some try at the same time, and only one succeeds."""
SLICE_SECONDS = 0.85
"""How far beyond the first permit more are taken with it."""

UNKNOWN_FLEET = 10
"""How many workers are assumed to share the allowance when the shared cache never answered."""

ALONE_AFTER_SECONDS = 3.0
"""How long after its lease a worker that lost the shared cache sends its share: the others have used up by then the
permits that they took ahead before they saw the lease end."""

_PRECISION = 1e-3
"""Two pauses that end within this time, in seconds, are the same one."""


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


class Permit(NamedTuple):
    """Leave to send one request."""

    given_at: float
    """When `acquire` handed it out, by Clock.monotonic."""


class Allowance:
    """The fleet's allowance as this worker sees it. One `acquire` call at a time. Moments are of Clock.monotonic."""

    def __init__(self, cache: SharedCache, key: str, pace: Pace, metrics: Metrics, clock: Clock) -> None:
        self._shared = SharedLedger(cache, key, pace, clock)
        self._pace = pace
        self._metrics = metrics
        self._clock = clock
        self._late = LateRequests()
        self._paused_until = -math.inf
        self._permits: deque[float] = deque()
        self._poked = asyncio.Event()
        self._lock = asyncio.Lock()
        """Held from a look at the ledger to the write that is made of it."""
        self._busy = False
        self._look_again = True
        self._my_turn_after: float | None = None
        """The ledger's `taken_at` after which it was this worker's turn; None when it was not."""
        self._head_start = 0.0
        """Seconds by which this worker tries earlier, because others were faster when it was its turn."""
        self._alone_next: float | None = None

    @property
    def gather_seconds(self) -> float:
        """How long a request that is not full waits at most before it may use the burst like a full one."""
        return self._pace.tolerance

    @property
    def paused_until(self) -> float:
        """The moment (Clock.monotonic) until which nobody of the fleet asks Genesys Cloud; in the past: no pause."""
        return self._paused_until

    def poke(self) -> None:
        """Say that the demand has changed."""
        self._poked.set()

    async def acquire(self, demand: Callable[[], Demand]) -> Permit | None:
        """Wait until one request may be sent, now; None when nothing waits any more."""
        try:
            while (want := demand()).requests:
                self._busy = True
                self._poked.clear()
                wake_at = await self._try(want)
                now = self._clock.monotonic()
                if wake_at is None:
                    return Permit(now)
                if (delay := min(wake_at - now, want.until - self._clock.time())) > 0:
                    await self._sleep(delay)
            return None
        finally:
            self._busy = False

    def answered(self, permit: Permit) -> None:
        """Say that the request of this permit has ended, with an answer or without, or was not sent."""
        self._late.answered(permit.given_at, self._clock.monotonic())

    async def pause(self, seconds: float) -> None:
        """Stop everybody for `seconds`, an hour at most: Genesys Cloud answered 429."""
        self._stop_until(self._clock.monotonic() + min(seconds, LONGEST_PAUSE_SECONDS))
        # Without the cache, the next successful write carries it.
        with contextlib.suppress(SharedCacheError):
            async with self._lock:
                await self._read()
                while not (self._pause_is_known() or await self._write(self._shared.ledger)):
                    await self._read()

    async def stay_known(self) -> None:
        """For as long as the worker lives: be counted as one of the fleet, also while idle."""
        try:
            while True:
                with contextlib.suppress(SharedCacheError):
                    await self._renew()
                await self._clock.sleep(RETRY_SECONDS * self._clock.uniform(0.5, 1))
        finally:
            if self._shared.known:
                with contextlib.suppress(SharedCacheError):
                    await self._shared.leave()

    async def _renew(self) -> None:
        """Write what should not wait for the next permits: the lease when it ends soon, and what is owed."""
        now = self._clock.monotonic()
        if self._late.is_due(now):
            self._shared.owe(self._late.count(now))
        early = RENEW_SECONDS * self._clock.uniform(1, 1.5)
        if self._shared.lease_until - early > now and not self._shared.must_write:
            return
        async with self._lock:
            await self._read()
            while not await self._write(self._shared.ledger):
                await self._read()

    async def _try(self, want: Demand) -> float | None:
        """Use a permit that is due, taking new ones as needed: None, or the moment to try again."""
        now = self._clock.monotonic()
        while self._permits and self._permits[0] < now - LATEST_SECONDS:
            self._permits.popleft()
        if self._permits and self._permits[0] > now:
            return self._permits[0]
        try:
            async with self._lock:
                age = self._clock.monotonic() - self._shared.confirmed_at
                if self._look_again or age > (FRESH_SECONDS if self._permits else TURN_SECONDS):
                    await self._read()
                if self._paused_until > self._clock.monotonic():
                    return self._paused_until
                if not self._permits and (wake_at := await self._take(want)) > self._clock.monotonic():
                    return wake_at
        except SharedCacheError:
            return self._try_alone()
        if not self._permits:
            return now
        self._permits.popleft()
        return None

    async def _take(self, want: Demand) -> float:
        """Take a slice of permits when the next one is near and it is this worker's turn; the moment to go on."""
        moment = self._clock.monotonic()
        ledger, now = self._shared.ledger, self._shared.fleet_time(moment)
        first = ledger.first_permit(self._pace, now, burst=want.full)
        # Nobody waits for a turn where a permit is free already.
        if first > now and (delay := self._take_at(want, first) - now) > 0:
            gathered = max(0.0, want.since + self.gather_seconds - self._clock.time())
            return moment + (delay if want.full else min(delay, gathered))
        room = ledger.room(self._shared.member, now)
        taken, due = ledger.take(self._pace, now, want.requests, first + SLICE_SECONDS, burst=want.full, room=room)
        if await self._write(replace(taken, taken_by=self._shared.member, taken_at=now), permits=len(due)):
            self._permits.extend(moment + permit - now for permit in due)
            if self._my_turn_after is None:
                self._head_start = max(0.0, self._head_start - TURN_SECONDS / 4)
            self._my_turn_after = None
            return self._permits[0]
        self._look_again = True
        return moment

    def _take_at(self, want: Demand, first: float) -> float:
        """When to try to take the permit due at `first`, so that one of several workers does it before the others.

        The workers take turns, those with a batch that is not full after the others. Times are the fleet's.
        """
        ledger = self._shared.ledger
        # So early that most turns are over when the permit is due; 0.1.0 begins at the same time.
        turns = TURN_SECONDS / 2 * min(len(ledger.members), MOST_TURNS)
        turn = ledger.turn(self._shared.member) % MOST_TURNS
        if self._my_turn_after not in {None, ledger.taken_at}:
            self._head_start = min(self._head_start + TURN_SECONDS, MOST_TURNS * TURN_SECONDS)
        self._my_turn_after = ledger.taken_at if turn == 0 and want.full else None
        emptiness = 0.0 if want.full else (1 - want.fill) * LEAD_SECONDS
        return max(first - turns - LEAD_SECONDS + emptiness, ledger.taken_at) + turn * TURN_SECONDS - self._head_start

    async def _read(self) -> None:
        before = self._shared.ledger
        while True:
            await self._shared.read()
            self._look_again = False
            self._stop_until(self._shared.moment(self._shared.ledger.paused_until))
            if self._alone_next is None:
                return
            # It is written at once, so that the others know that this worker goes by it again.
            now = self._shared.fleet_time(self._clock.monotonic())
            if await self._write(self._shared.ledger.resumed(now, self._pace, before)):
                self._alone_next = None
                return

    async def _write(self, ledger: Ledger, *, permits: int = 0) -> bool:
        """Write what was made of the ledger seen last; False when somebody else was faster."""
        if not self._pause_is_known():
            ledger = ledger.paused(self._shared.fleet_time(self._paused_until), self._pace)
        is_paused = self._paused_until > self._clock.monotonic()
        return await self._shared.write(ledger, permits=permits, busy=self._busy and not is_paused)

    def _pause_is_known(self) -> bool:
        """Whether the ledger seen last has this worker's pause, if it is not over."""
        is_over = self._paused_until <= self._clock.monotonic()
        return is_over or self._shared.ledger.paused_until + _PRECISION >= self._shared.fleet_time(self._paused_until)

    def _stop_until(self, moment: float) -> None:
        now = self._clock.monotonic()
        if moment > max(now, self._paused_until + _PRECISION):
            self._paused_until = moment
            self._metrics.paused_until(self._clock.time() + moment - now)
            self._permits.clear()
            self.poke()

    def _try_alone(self) -> float | None:
        """As `_try`, within this worker's share, while the shared cache is unavailable."""
        now = self._clock.monotonic()
        self._permits.clear()
        begin, interval = self._alone()
        if self._alone_next is None:
            if begin > now:
                return min(begin, now + RETRY_SECONDS)
            self._alone_next = now + interval
        due = max(self._alone_next, self._paused_until)
        if due > now:
            return min(due, now + RETRY_SECONDS)
        self._alone_next = now + interval
        return None

    def _alone(self) -> tuple[float, float]:
        """From which moment on this worker may send without the ledger, and how many seconds apart."""
        interval = self._pace.alone(self._shared.share)
        if interval is not None:
            return self._shared.lease_until + ALONE_AFTER_SECONDS, interval
        # Nobody leaves it a share. By now the cache is probably away for all, or no longer than for a minute.
        return self._shared.confirmed_at + MEMBER_SECONDS, self._pace.interval * UNKNOWN_FLEET

    async def _sleep(self, seconds: float) -> None:
        try:
            async with self._clock.timeout(seconds):
                await self._poked.wait()
        except TimeoutError:
            pass
