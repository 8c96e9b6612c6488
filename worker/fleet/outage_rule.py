"""The rule that tells an outage of a dependency from the failure of one interaction: pure, on what one worker knows.

A failure after which others succeed is the interaction's. It is an outage when requests for several disjoint sets of
ids failed, a made-up one among them, and no worker of the fleet had an answer meanwhile. Any answer ends it.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from worker.fleet.gate_record import Closure, probe_interval

ENOUGH_FAILURES = 10
"""In a row. Where half of all requests fail one row in a thousand is so long, and while other workers are heard it must
go on. A worker that stands alone has twice as many."""

FEW_FAILURES = 3
SLOW_SECONDS = 15.0
"""Fewer failures do where each takes its time: a request that hangs is seldom chance."""

QUIET_SECONDS = 3.0
"""How long after a failure other requests may bring the answer, before probes are sent to get one."""

PROBE_SECONDS = 0.5
"""Time between the probes that find out whether it is an outage."""

HEARING_SECONDS = 2.5
"""How long a doubt stands before the gate is closed: every worker sees it within a second, and may have an answer."""

STALE_DOUBT_SECONDS = 15.0
"""A doubt that stands for so long is of a worker that is gone."""

EXPIRY_SECONDS = 120.0
"""A closure that nobody renewed for so long is over: four times the longest interval between probes."""


@dataclass(frozen=True, slots=True)
class Row:
    """The failures since the last answer. Times are of the worker's monotonic clock."""

    since: float = 0.0
    failures: int = 0
    probes: int = 0
    """How many of the failures are probes: requests for made-up ids, so disjoint from every other one."""
    probed_at: float = 0.0
    error: str = ""
    detail: str = ""

    def failed(self, now: float, error: str, detail: str, *, probe: bool = False) -> "Row":
        """With one failure more."""
        return Row(
            since=self.since if self.failures else now,
            failures=self.failures + 1,
            probes=self.probes + probe,
            probed_at=self.probed_at,
            error=error,
            detail=detail,
        )

    def asked(self, now: float) -> "Row":
        """With a probe on its way."""
        return replace(self, probed_at=now)

    def is_enough(self, now: float, *, times: int = 1) -> bool:
        """Whether so much failed, or so many times as much, that this worker sends nothing more but probes."""
        slowly = self.failures >= times * FEW_FAILURES and now - self.since >= times * SLOW_SECONDS
        return self.failures >= times * ENOUGH_FAILURES or slowly


@dataclass(frozen=True, slots=True)
class Alone:
    """Held back by one worker, and not by the fleet. It probes for itself."""

    closure: Closure
    others_work: bool
    """Others have answers, so its tasks are better off with them; else the shared cache could not be asked."""


@dataclass(frozen=True, slots=True)
class View:
    """What one worker knows of one dependency."""

    row: Row = Row()
    answered_at: float = float("-inf")
    """When the last answer came, by the worker's monotonic clock."""
    closure: Closure | None = None
    """The fleet's."""
    closed_at: float = 0.0
    """When this worker first saw it."""
    renewed_at: float = 0.0
    """When this worker first saw it as it is now."""
    doubt: str | None = None
    """The worker that has no answer."""
    doubt_at: float = 0.0
    """When this worker first saw it."""
    alone: Alone | None = None
    alone_at: float = 0.0
    """When it began."""
    alone_renewed_at: float = 0.0
    """When its last probe was begun."""


class Step(Enum):
    """What a worker does next about a dependency."""

    NOTHING = auto()
    PROBE = auto()
    """Send a probe to find out."""
    DOUBT = auto()
    """Tell the fleet that there is no answer."""
    CLEAR = auto()
    """Tell the fleet that there is one."""
    CLOSE = auto()
    STAND_ALONE = auto()
    """Others have answers, this worker has none."""
    PROBE_ALONE = auto()
    PROBE_FOR_ALL = auto()
    """Send the fleet's next probe, if no other worker does."""
    OPEN = auto()
    EXPIRE = auto()
    """Nobody has renewed the closure: as OPEN, without an answer."""


def next_step(view: View, me: str, now: float, *, doubted: bool) -> Step:
    """What the worker `me` does now. `doubted`: it told the fleet of its doubt, and has not seen what became of it."""
    if view.closure is not None:
        return _while_closed(view, view.closure, now)
    if view.alone is not None:
        if view.answered_at > view.alone_at:
            return Step.OPEN
        due = now - view.alone_renewed_at >= probe_interval(view.alone.closure.probes)
        return Step.PROBE_ALONE if due else Step.NOTHING
    if view.doubt is not None and view.answered_at > view.doubt_at:
        return Step.CLEAR
    return _in_doubt(view, me, now, doubted=doubted)


def _while_closed(view: View, closure: Closure, now: float) -> Step:
    if view.answered_at > view.closed_at:
        return Step.OPEN
    if now - view.renewed_at >= EXPIRY_SECONDS:
        return Step.EXPIRE
    return Step.PROBE_FOR_ALL if now - view.renewed_at >= probe_interval(closure.probes) else Step.NOTHING


def _in_doubt(view: View, me: str, now: float, *, doubted: bool) -> Step:
    row = view.row
    if not row.failures or now - row.since < QUIET_SECONDS:
        return Step.NOTHING
    if row.is_enough(now) and row.probes:
        if view.doubt is not None:
            stands_for = now - view.doubt_at
            if stands_for >= (HEARING_SECONDS if view.doubt == me else STALE_DOUBT_SECONDS):
                return Step.CLOSE
        elif not doubted:
            return Step.DOUBT
        elif row.is_enough(now, times=2):
            return Step.STAND_ALONE
    return Step.PROBE if now - row.probed_at >= PROBE_SECONDS else Step.NOTHING
