"""The rate limit as Genesys Cloud keeps it: so many requests of a client in any window, counted exactly."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable


class SlidingWindow:
    """At most `limit` admitted requests of each client in any `window` seconds. Refused ones do not count."""

    def __init__(self, limit: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.window = window
        self.peak = 0
        """The most requests of one client, admitted or refused, seen in one window."""
        self._clock = clock
        self._admitted: defaultdict[str, deque[float]] = defaultdict(deque)
        self._seen: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, client: str) -> int | None:
        """None when the request may pass, else the whole seconds of `Retry-After`, at least 1."""
        now = self._clock()
        seen, admitted = self._seen[client], self._admitted[client]
        seen.append(now)
        for times in (seen, admitted):
            while times and times[0] <= now - self.window:
                times.popleft()
        self.peak = max(self.peak, len(seen))
        if len(admitted) < self.limit:
            admitted.append(now)
            return None
        return max(1, math.ceil(admitted[0] + self.window - now))
