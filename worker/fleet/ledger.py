"""What the fleet knows of its allowance: even spacing with a small burst, so that no 60 s hold too many requests.

The generic cell rate algorithm: the whole state is one time, `next_free`, by which the permits given out so far are
used up at even spacing. A permit may be used up to `tolerance` earlier than that; this is the burst.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worker.fleet.document import finite

PERIOD_SECONDS = 60.0
"""What GENESYS_REQUESTS_PER_MINUTE counts in: Genesys Cloud's limit holds for any 60 s."""

MEMBER_SECONDS = 60.0
"""A worker that was not seen for so long no longer counts as one of the fleet."""

_BURST_SHARE = 0.02

HEADROOM_SECONDS = 1.0
"""How far apart the delays of requests on their way may be before 60 s at the receiver could hold one too many."""

LATEST_SECONDS = HEADROOM_SECONDS / 2
"""A permit that was missed by so much is given up: used late, it would crowd those after it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `limit` requests in any 60 s.

    Requests arrive a little later than they were sent, not all equally much. With burst b and headroom h, spacing by
    (60 + h) / (limit - b + 1) keeps any 60 s within the limit and uses 96 % of it or more.
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

    def share(self, members: int) -> float:
        """Seconds between the requests of one of `members` workers that do not see each other; no burst."""
        whole = self.limit // members
        return (PERIOD_SECONDS + HEADROOM_SECONDS) / whole if whole else self.interval * members


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the fleet knows of its allowance. Times are seconds since the epoch."""

    next_free: float = 0.0
    paused_until: float = 0.0
    members: Mapping[str, float] = field(default_factory=dict)
    """When each worker was last seen."""
    taken_by: str = ""
    """The worker that took permits last."""
    taken_at: float = 0.0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Ledger":
        """As document.Content."""
        return cls(
            next_free=finite(fields["next"]),
            paused_until=finite(fields["paused"]),
            members={str(name): finite(seen) for name, seen in fields["members"].items()},
            taken_by=str(fields["by"]),
            taken_at=finite(fields["at"]),
        )

    def to_fields(self) -> dict[str, Any]:
        """As document.Content."""
        return {
            "next": round(self.next_free, 6),
            "paused": self.paused_until,
            "by": self.taken_by,
            "at": round(self.taken_at, 3),
            "members": {name: round(seen) for name, seen in self.members.items()},
        }

    def seen(self, member: str, now: float) -> "Ledger":
        """With `member` alive, and without those that are gone."""
        alive = {name: seen for name, seen in self.members.items() if abs(now - seen) < MEMBER_SECONDS}
        return replace(self, members={**alive, member: now})

    def turn(self, member: str) -> int:
        """How many other workers come before `member` when all want permits: they go round in a circle."""
        names = sorted({*self.members, member})
        last = names.index(self.taken_by) if self.taken_by in self.members else -1
        return (names.index(member) - last - 1) % len(names)

    def paused(self, until: float, pace: Pace) -> "Ledger":
        """Nobody sends before `until`, and afterwards without a burst: the receiver counts otherwise than we do."""
        return replace(
            self, paused_until=max(self.paused_until, until), next_free=max(self.next_free, until + pace.tolerance)
        )

    def resumed(self, now: float, pace: Pace, sent: int, others: float) -> "Ledger":
        """After a time without the ledger, in which this worker sent `sent` requests lately within its share.

        When nobody used it, everybody was without it: the others go on within their shares for up to `others` seconds,
        so it counts only from then on, and without a burst, as it is not known what they sent.
        """
        if self.next_free < now:
            return replace(self, next_free=now + others + pace.tolerance)
        return replace(self, next_free=self.next_free + sent * pace.interval)

    def first_permit(self, pace: Pace, now: float, *, burst: bool) -> float:
        """When the next permit is due; only with `burst` ahead of even spacing."""
        return max(now, self._bounded(pace, now) - (pace.tolerance if burst else 0.0), self.paused_until)

    def take(self, pace: Pace, now: float, wanted: int, until: float, *, burst: bool) -> tuple["Ledger", list[float]]:
        """Take up to `wanted` permits that are due by `until`, but at least one; the new ledger and the times."""
        next_free = self._bounded(pace, now)
        early = pace.tolerance if burst else 0.0
        due: list[float] = []
        while len(due) < max(wanted, 1):
            permit = max(now, next_free - early, self.paused_until)
            if due and permit > until:
                break
            due.append(permit)
            next_free = max(next_free, permit) + pace.interval
        return replace(self, next_free=next_free), due

    def _bounded(self, pace: Pace, now: float) -> float:
        """`next_free`, but a clock that is far ahead must not stop the fleet for as long as it is."""
        return min(
            self.next_free, max(now, self.paused_until) + 2 * (PERIOD_SECONDS + HEADROOM_SECONDS) + pace.tolerance
        )
