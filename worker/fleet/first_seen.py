"""A time that another worker wrote, whose clock may be wrong: it holds for no longer than it has reason to."""

from worker.clock import Clock


class FirstSeen:
    """One field of a document in the shared cache."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moment: float | None = None
        self._seen_at = 0.0

    def bounded(self, moment: float, longest: float) -> float:
        """`moment`, but no later than `longest` seconds after this very value was first seen here."""
        if moment != self._moment:
            self._moment, self._seen_at = moment, self._clock.monotonic()
        seconds = self._seen_at + longest - self._clock.monotonic()
        return min(moment, self._clock.time() + seconds)
