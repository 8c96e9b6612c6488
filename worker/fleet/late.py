"""Requests that were answered late: how many of them the allowance must count a second time.

A request that is answered after more than a second arrived at some moment in between, perhaps in a period of 60 s to
which its permit no longer counts. A second count, made up to half a minute after the answer, holds for all late ones
that were not under way at the same time. So a source that answers everything after 2 s costs the requests of one
second in each 20 s, and not half of the allowance.
"""

from worker.fleet.ledger import DELAY_SECONDS

SETTLE_SECONDS = 20.0
"""How long after the first late answer those since then are counted. Later, 60 s could hold it and not its count."""


class LateRequests:
    """Of one worker. Times are those of one monotonic clock."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._settle_at: float | None = None

    def answered(self, sent_at: float, now: float) -> None:
        """Note that a request has ended, with an answer or without."""
        if now - sent_at > DELAY_SECONDS:
            self._late.append((sent_at + DELAY_SECONDS, now))
            self._settle_at = self._settle_at or now + SETTLE_SECONDS

    def is_due(self, now: float) -> bool:
        """Whether `count` has something to say."""
        return self._settle_at is not None and now >= self._settle_at

    def count(self, now: float) -> int:
        """How many requests to count again; 0 before it is time. Each is said once."""
        if not self.is_due(now):
            return 0
        number = most_at_once(self._late)
        self._late.clear()
        self._settle_at = None
        return number


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """The most of `spans` (start, end) that share a moment."""
    changes = sorted(
        [(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans], key=lambda one: (one[0], -one[1])
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
