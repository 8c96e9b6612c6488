"""The ledger in the shared cache, as one worker reads and writes it: in the fleet's time, and aware of what got lost.

**The fleet's time** is that of the fastest clock in the fleet. A worker that reads a ledger written later than its own
time sets its time forward by the difference, and never back. So clocks that differ make no order among the workers, a
clock that steps changes nothing, and one that is wrong by hours is followed, which harms nobody.

**A ledger that was written before this worker last saw another one** was written by a worker whose time is behind, or
is an older version that the cache went back to. Either way it counts as written now.
"""

from dataclasses import replace

from worker.clock import Clock
from worker.fleet.document import Document, Snapshot
from worker.fleet.ledger import PERIOD_SECONDS, Lease, Ledger, Pace, most_lost
from worker.ports import SharedCache

IDLE_LEASE_SECONDS = 30.0
"""How long the others count on a worker that they do not see."""

RENEW_SECONDS = 3.0
"""How long before its end a lease is renewed at the latest: longer than a failed call and the next one."""

UNKNOWN = -1
"""For a lease's `charged`, after 0.1.0 left the leases out and another worker put back those that it remembered."""

_KEEP_SECONDS = 86400.0
_TICK = 1e-6


def lease_seconds(members: int, *, busy: bool) -> float:
    """How long the others count on a worker: a busy one is seen when it takes permits, in turn with the others."""
    return min(2 * RENEW_SECONDS + 1.25 * members, IDLE_LEASE_SECONDS) if busy else IDLE_LEASE_SECONDS


class SharedLedger:
    """The ledger that this worker saw last, and its lease in it. Moments are of `Clock.monotonic`."""

    def __init__(self, cache: SharedCache, key: str, pace: Pace, clock: Clock) -> None:
        self._document = Document(cache, key, Ledger)
        self._pace = pace
        self._clock = clock
        self._offset = clock.time() - clock.monotonic()
        self._seen: Snapshot[Ledger] = Snapshot(Ledger())
        self._charged = 0
        self._charged_at = -1e9
        self._owed = 0
        self.member = f"{int(clock.uniform(0, 16**8)):08x}"
        self.known = False
        """Whether the cache ever answered."""
        self.confirmed_at = clock.monotonic()
        """When the ledger was certainly as it was seen last; before the first time, when this worker began."""
        self.lease_until = clock.monotonic()
        """When the others begin to leave this worker its share; not before, whether a write was answered or not."""
        self.share = 0.0
        """The part of the allowance that they leave it."""
        self.must_write = False
        """What the ledger lacks of this worker should not wait for the next permits."""

    @property
    def ledger(self) -> Ledger:
        """As it was seen last."""
        return self._seen.value

    def fleet_time(self, moment: float) -> float:
        """The fleet's time at a moment."""
        return moment + self._offset

    def moment(self, fleet_time: float) -> float:
        """The moment of a fleet's time."""
        return fleet_time - self._offset

    def owe(self, permits: int) -> None:
        """Charge the ledger with requests that took no permit, soon."""
        self._owed += permits
        self.must_write = self.must_write or permits > 0

    async def read(self) -> None:
        """See the ledger as it is now. Raises errors.SharedCacheError."""
        asked_at = self._clock.monotonic()
        found = await self._document.read()
        if not (self.known and found.version == self._seen.version):
            if not found.exists and self._seen.exists:
                # The cache lost it: this worker puts back what it saw last, and so does every other one.
                found = Snapshot(self.ledger, None, self._seen.unknown)
                self.must_write = True
            else:
                found = replace(found, value=self._understood(found.value))
            self._seen = found
            if self.member in self.ledger.leases:
                self.share = self.ledger.leases[self.member].share
        self.known = True
        self.confirmed_at = asked_at

    async def write(self, ledger: Ledger, *, permits: int = 0, busy: bool = False) -> bool:
        """Replace the ledger seen last by what was made of it, `permits` of it taken; False when another was faster.

        Raises errors.SharedCacheError; then it may have been written or not.
        """
        asked_at = self._clock.monotonic()
        now = self.fleet_time(asked_at)
        owed = self._owed
        charged = self._charged + permits + owed
        ledger = ledger.charged(now, self._pace, owed).seen(self.member, now)
        seconds = lease_seconds(len(ledger.members), busy=busy)
        lease = Lease(now + seconds, ledger.share(self.member), charged)
        ledger = replace(
            ledger,
            written=max(now, (self.ledger.written or 0.0) + _TICK),
            leases={**ledger.leases, self.member: lease},
        )
        # Until the answer: what holds for the others whether it is written or not.
        before = self.share, self.lease_until
        self.share, self.lease_until = min(self.share, lease.share), max(self.lease_until, asked_at + seconds)
        written = await self._document.replace(self._seen, ledger, seconds=_KEEP_SECONDS)
        if written is None:
            self.share, self.lease_until = before
            return False
        if charged > self._charged:
            self._charged, self._charged_at = charged, asked_at
        self._owed -= owed
        self._seen, self.confirmed_at = written, asked_at
        self.share, self.lease_until = lease.share, asked_at + seconds
        self.known, self.must_write = True, False
        return True

    async def leave(self) -> None:
        """Be no longer one of the fleet; the others need to leave no share. Raises errors.SharedCacheError."""
        while True:
            await self.read()
            now = self.fleet_time(self._clock.monotonic())
            ledger = replace(self.ledger.without(self.member), written=max(now, (self.ledger.written or 0.0) + _TICK))
            if await self._document.replace(self._seen, ledger, seconds=_KEEP_SECONDS) is not None:
                return

    def _understood(self, found: Ledger) -> Ledger:
        """A version that was not seen before, in this worker's terms."""
        now = self._clock.monotonic()
        written = found.taken_at if found.written is None else found.written
        if written > self.fleet_time(now):
            self._offset += written - self.fleet_time(now)
        elif found.written is None:
            # 0.1.0 wrote it, which follows no time but its own, and leaves the leases out.
            found = replace(found, leases=self._remembered_leases(found))
        elif not self.known or written < self.fleet_time(self.confirmed_at):
            found = found.moved(self.fleet_time(now) - written)
        found = found.bounded(self.fleet_time(now), self._pace)
        if missing := self._missing(found):
            self.must_write = True
            return self._restored(found, now, missing)
        return found

    def _remembered_leases(self, found: Ledger) -> dict[str, Lease]:
        """Those of the ledger seen last, renewed by what `found` says of when the workers were seen."""
        renewed = lease_seconds(len(found.members), busy=True)
        return {
            name: lease._replace(until=max(lease.until, found.members[name] + renewed), charged=UNKNOWN)
            for name, lease in self.ledger.leases.items()
            if name in found.members
        }

    def _missing(self, found: Ledger) -> int:
        """Permits of this worker that the ledger knew of, and no longer does."""
        lease = found.leases.get(self.member)
        if lease is None and self.member in found.members:
            return 0  # 0.1.0 left it out
        charged = lease.charged if lease else 0
        if charged == UNKNOWN:
            return 0
        if charged >= self._charged:
            self._charged = charged
            return 0
        if self._clock.monotonic() - self._charged_at > PERIOD_SECONDS:
            return 0
        return min(self._charged - charged, most_lost(self._pace))

    def _restored(self, found: Ledger, now: float, missing: int) -> Ledger:
        ledger = found.charged(self.fleet_time(now), self._pace, missing)
        lease = found.leases.get(self.member, Lease(self.fleet_time(now), 0.0, 0))
        return replace(ledger, leases={**ledger.leases, self.member: lease._replace(charged=self._charged)})
