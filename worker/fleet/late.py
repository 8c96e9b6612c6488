"""Requests that were answered late: how many of them the allowance must count a second time.

A request that is answered after more than a second arrived at some moment in between, perhaps in a period of 60 s to
which its permit no longer counts. One more count within a minute of its permit covers it, and with it every other late
one that was not under way at the same moment. So a source that takes 2 s for everything costs the requests of about a
second in each minute and worker, and not half of the allowance.
"""

from worker.fleet.ledger import DELAY_SECONDS

SETTLE_SECONDS = 48.0
"""What of a minute is left for the second count, when the worker writes the ledger every few seconds.

A request that takes d seconds is counted again within 48 - 2 d seconds of its answer. Until then a period of 60 s can
hold what was under way in d seconds beyond the permits of d + 48 - 2 d seconds: together less than the limit.
"""


class LateRequests:
    """Of one worker. Times are those of one monotonic clock."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        self._settle_at: float | None = None

    def answered(self, sent_at: float, now: float) -> None:
        """Note that a request has ended, with an answer or without."""
        seconds = now - sent_at
        if seconds <= DELAY_SECONDS:
            return
        self._late.append((sent_at + DELAY_SECONDS, now))
        settle_at = now + max(0.0, SETTLE_SECONDS - 2 * seconds)
        self._settle_at = settle_at if self._settle_at is None else min(settle_at, self._settle_at)

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
    # Of two changes at the same moment the beginning comes first.
    changes = sorted([(start, -1) for start, _ in spans] + [(end, 1) for _, end in spans])
    most = now = 0
    for _, change in changes:
        now -= change
        most = max(most, now)
    return most
