"""What the fleet knows of its allowance: even spacing with a small burst, so that no 60 s hold too many requests.

The generic cell rate algorithm: the whole state is one time, `next_free`, by which the permits given out so far are
used up at even spacing. A permit may be used up to `tolerance` earlier than that; this is the burst.

The fault model, within which no 60 s at the receiver hold more than the limit (ADR 0036 says why):
- clocks are wrong by up to 500 ms (`CLOCK_SECONDS` between two of them);
- a request arrives within a second of its permit (`DELAY_SECONDS`), or counts a second time when it was answered later;
- the shared cache is unavailable to some workers for up to a minute, or to all of them for any time;
- the shared cache loses the writes of its last second.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from worker.fleet.document import finite

PERIOD_SECONDS = 60.0
"""What GENESYS_REQUESTS_PER_MINUTE counts in: Genesys Cloud's limit holds for any 60 s."""

MEMBER_SECONDS = 60.0
"""A worker that was not seen for so long no longer counts as one of the fleet."""

LONGEST_PAUSE_SECONDS = 3600.0
"""No pause that is read holds for longer."""

_BURST_SHARE = 0.02

CLOCK_SECONDS = 1.0
"""How far apart the clocks of two workers may be: each is wrong by up to half of it."""

DELAY_SECONDS = 1.0
"""How long a request may be on its way; one that was answered later counts a second time."""

LATEST_SECONDS = 0.5
"""A permit that was missed by so much is given up: used late, it would crowd those after it."""

HEADROOM_SECONDS = CLOCK_SECONDS + DELAY_SECONDS + LATEST_SECONDS
"""How far apart the delays of permits on their way to the receiver may be, all causes together."""

SHARES_TOGETHER = 0.75
"""What all workers together may send without the shared cache; the rest stays with those who have it."""

_LATEST_TIME = 1e11
"""Seconds since the epoch; a time beyond is malformed, and would be too coarse to count in."""


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `limit` requests in any 60 s.

    Requests arrive a little later than they were sent, not all equally much. With burst b and headroom h, spacing by
    (60 + h) / (limit - b + 1) keeps any 60 s within the limit and uses 94 % of it.
    """

    limit: int

    @property
    def burst(self) -> int:
        """Requests that may be sent at once after a quiet time."""
        return max(1, int(self.limit * _BURST_SHARE))

    @property
    def interval(self) -> float:
        """Seconds between requests."""
        return (PERIOD_SECONDS + HEADROOM_SECONDS) / (self.limit - self.burst + 1)

    @property
    def tolerance(self) -> float:
        """Seconds by which a burst may run ahead of even spacing."""
        return (self.burst - 1) * self.interval

    def alone(self, share: float) -> float | None:
        """Seconds between the requests of a worker with this share of the limit; None when it is less than one."""
        whole = int(self.limit * share + 1e-9)
        return (PERIOD_SECONDS + HEADROOM_SECONDS) / whole if whole else None


class Lease(NamedTuple):
    """What the fleet may count on of one worker."""

    until: float
    """Until then it sends nothing but by permits of the ledger, and afterwards its share if it has no shared cache."""
    share: float
    """Of the limit, 0 to 1. All shares together are `SHARES_TOGETHER` at most, so they may be used at once."""
    charged: int
    """Permits that the ledger was charged with for it, ever: fewer than it knows of were lost by the shared cache."""

    @classmethod
    def from_fields(cls, fields: Any) -> "Lease":
        until, share, charged = fields
        return cls(_moment(until), min(max(finite(share), 0.0), 1.0), int(charged))


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the fleet knows of its allowance. Times are seconds since the epoch, in the fleet's time.

    `written` and `leases` are not known to 0.1.0: both are missing from a ledger that it wrote.
    """

    next_free: float = 0.0
    paused_until: float = 0.0
    members: Mapping[str, float] = field(default_factory=dict)
    """When each worker was last seen."""
    taken_by: str = ""
    """The worker that took permits last."""
    taken_at: float = 0.0
    written: float | None = None
    """When this was written; grows from each version to the next."""
    leases: Mapping[str, Lease] = field(default_factory=dict)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Ledger":
        """As document.Content."""
        written = fields.get("written")
        return cls(
            next_free=_moment(fields["next"]),
            paused_until=_moment(fields["paused"]),
            members={str(name): _moment(seen) for name, seen in fields["members"].items()},
            taken_by=str(fields["by"]),
            taken_at=_moment(fields["at"]),
            written=None if written is None else _moment(written),
            leases=(
                {}
                if written is None
                else {str(name): Lease.from_fields(lease) for name, lease in fields["leases"].items()}
            ),
        )

    def to_fields(self) -> dict[str, Any]:
        """As document.Content."""
        fields: dict[str, Any] = {
            "next": round(self.next_free, 6),
            "paused": self.paused_until,
            "by": self.taken_by,
            "at": round(self.taken_at, 3),
            "members": {name: round(seen) for name, seen in self.members.items()},
        }
        if self.written is not None:
            fields["written"] = round(self.written, 6)
            fields["leases"] = {
                name: [round(lease.until, 3), lease.share, lease.charged] for name, lease in self.leases.items()
            }
        return fields

    def seen(self, member: str, now: float) -> "Ledger":
        """With `member` alive, and without those that are gone."""
        members = {name: seen for name, seen in self.members.items() if abs(now - seen) < MEMBER_SECONDS}
        members[member] = now
        return replace(
            self, members=members, leases={name: lease for name, lease in self.leases.items() if name in members}
        )

    def without(self, member: str) -> "Ledger":
        """After `member` has left."""
        return replace(
            self,
            members={name: seen for name, seen in self.members.items() if name != member},
            leases={name: lease for name, lease in self.leases.items() if name != member},
        )

    def turn(self, member: str) -> int:
        """How many other workers come before `member` when all want permits: they go round in a circle."""
        names = sorted({*self.members, member})
        last = names.index(self.taken_by) if self.taken_by in self.members else -1
        return (names.index(member) - last - 1) % len(names)

    def share(self, member: str) -> float:
        """What `member` may send without the ledger: an even share, of which the others have nothing in theirs."""
        even = SHARES_TOGETHER / len({member, *self.members})
        others = sum(
            self.leases[name].share if name in self.leases else even for name in self.members if name != member
        )
        return max(0.0, min(even, SHARES_TOGETHER - others))

    def room(self, member: str, now: float) -> float:
        """The part of the allowance that is left to those who see the ledger, `member` among them."""
        lost = sum(lease.share for name, lease in self.leases.items() if name != member and lease.until < now)
        return max(1.0 - lost, 1.0 - SHARES_TOGETHER)

    def paused(self, until: float, pace: Pace) -> "Ledger":
        """Nobody sends before `until`, and afterwards without a burst: the receiver counts otherwise than we do."""
        return replace(
            self, paused_until=max(self.paused_until, until), next_free=max(self.next_free, until + pace.tolerance)
        )

    def charged(self, now: float, pace: Pace, permits: int) -> "Ledger":
        """After so many requests that took no permit from here."""
        return replace(self, next_free=max(self.next_free, now) + permits * pace.interval) if permits else self

    def resumed(self, now: float, pace: Pace, known: "Ledger") -> "Ledger":
        """After a time without the ledger, before which it was `known`.

        It goes on without a burst, as it is not known what was sent, and after as long as the last request within a
        share is worth. Who is not seen in it may go on alone still.
        """
        gone = {name for name in known.members if now - self.members.get(name, 0.0) >= MEMBER_SECONDS}
        leases = {name: known.leases[name]._replace(until=now) for name in gone if name in known.leases}
        return replace(
            self,
            next_free=max(self.next_free, now + pace.tolerance) + pace.interval,
            members={**self.members, **dict.fromkeys(gone, now)},
            leases={**self.leases, **leases},
        )

    def moved(self, seconds: float) -> "Ledger":
        """With every time later by `seconds`: written by a clock that is so much behind."""
        return replace(
            self,
            next_free=self.next_free + seconds,
            paused_until=self.paused_until + seconds,
            members={name: seen + seconds for name, seen in self.members.items()},
            taken_at=self.taken_at + seconds,
            leases={name: lease._replace(until=lease.until + seconds) for name, lease in self.leases.items()},
        )

    def bounded(self, now: float, pace: Pace) -> "Ledger":
        """With no time farther ahead than any worker has reason to write."""
        paused_until = min(self.paused_until, now + LONGEST_PAUSE_SECONDS)
        longest = 2 * (PERIOD_SECONDS + HEADROOM_SECONDS) + pace.tolerance
        return replace(
            self,
            paused_until=paused_until,
            next_free=min(self.next_free, max(now, paused_until) + longest),
            taken_at=min(self.taken_at, now),
        )

    def first_permit(self, pace: Pace, now: float, *, burst: bool) -> float:
        """When the next permit is due; only with `burst` ahead of even spacing."""
        return max(now, self.next_free - (pace.tolerance if burst else 0.0), self.paused_until)

    def take(
        self, pace: Pace, now: float, wanted: int, until: float, *, burst: bool, room: float = 1.0
    ) -> tuple["Ledger", list[float]]:
        """Take up to `wanted` permits that are due by `until`, but at least one; the new ledger and the times.

        `room` is the part of the allowance that they are spaced for.
        """
        next_free = self.next_free
        early = pace.tolerance if burst else 0.0
        due: list[float] = []
        while len(due) < max(wanted, 1):
            permit = max(now, next_free - early, self.paused_until)
            if due and permit > until:
                break
            due.append(permit)
            next_free = max(next_free, permit) + pace.interval / room
        return replace(self, next_free=next_free), due


def most_lost(pace: Pace) -> int:
    """Permits that the fleet can take in the second whose writes the shared cache may lose, with those taken ahead."""
    return pace.burst + math.ceil(2.0 / pace.interval)


def _moment(value: Any) -> float:
    """As `finite`, and no later than any clock may say."""
    moment = finite(value)
    if abs(moment) > _LATEST_TIME:
        raise ValueError("a time in the shared cache is out of range")
    return moment
