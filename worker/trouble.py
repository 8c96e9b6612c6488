"""A trouble that lasts makes two log lines, one at its beginning and one at its end, however many calls meet it."""

import structlog

from worker.clock import Clock

log = structlog.get_logger()


class Trouble:
    """Whether one thing fails at the moment. All that use the thing share one."""

    def __init__(self, clock: Clock, *, begins: str, ends: str, **fields: object) -> None:
        """`begins` and `ends` are the events logged, with `fields` in both."""
        self._clock = clock
        self._begins = begins
        self._ends = ends
        self._fields = fields
        self._since: float | None = None
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether the last call failed."""
        return self._since is not None

    def failed(self, error: str, detail: str = "") -> None:
        """A call failed with the error of this name; the first one in a row is logged."""
        self._failures += 1
        if self._since is None:
            self._since = self._clock.monotonic()
            log.warning(self._begins, **self._fields, error=error, **({"detail": detail} if detail else {}))

    def succeeded(self) -> None:
        """A call succeeded; the first one after failures is logged."""
        if self._since is not None:
            seconds = round(self._clock.monotonic() - self._since, 1)
            log.info(self._ends, **self._fields, failures=self._failures, seconds=seconds)
            self._since, self._failures = None, 0
