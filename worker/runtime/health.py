"""What is known about loops and dependencies: told in the log when it changes, and to `/livez` and `/readyz`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog

STALL_SECONDS = 180.0
"""No loop is silent this long by design: an activity poll takes up to 70 s, an attempt is ticked by its heartbeats."""

LAG_SECONDS = 10.0
"""An event loop that is this late does not serve anybody."""

_PROBE_SECONDS = 3.0
_FRESH_SECONDS = 5.0
_LAG_INTERVAL = 1.0

log = structlog.get_logger()


class Outage:
    """Whether one dependency answers. Many loops share it, so that an outage makes two log lines, not thousands."""

    def __init__(self, dependency: str) -> None:
        self._dependency = dependency
        self._since: float | None = None
        self._failures = 0

    def failed(self, error: BaseException) -> None:
        self._failures += 1
        if self._since is None:
            self._since = time.monotonic()
            log.warning("dependency_failing", dependency=self._dependency, error=str(error))

    def ok(self) -> None:
        if self._since is not None:
            seconds = round(time.monotonic() - self._since, 1)
            log.info("dependency_back", dependency=self._dependency, failures=self._failures, seconds=seconds)
            self._since, self._failures = None, 0


class Tick:
    """When one loop last did something."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.at = time.monotonic()

    def __call__(self) -> None:
        self.at = time.monotonic()


class Watchdog:
    """Measures the event loop's lag and looks for loops that no longer tick."""

    def __init__(self, set_lag: Callable[[float], None]) -> None:
        self._set_lag = set_lag
        self._ticks: list[Tick] = []
        self._own = Tick("watchdog")
        self._reported: set[str] = set()

    def tick(self, name: str) -> Tick:
        """A new loop to watch."""
        tick = Tick(name)
        self._ticks.append(tick)
        return tick

    def problems(self) -> list[str]:
        """What makes the process not alive; empty when all is well."""
        now = time.monotonic()
        found = [f"{tick.name} has not moved for {now - tick.at:.0f} s" for tick in self._stalled(now)]
        if now - self._own.at > LAG_SECONDS:
            found.append(f"the event loop is {now - self._own.at:.0f} s late")
        return found

    async def run(self, wait: Callable[[float], Awaitable[None]]) -> None:
        """One round a second; `wait` sleeps between them."""
        while True:
            before = time.monotonic()
            await wait(_LAG_INTERVAL)
            self._own()
            self._set_lag(max(0.0, self._own.at - before - _LAG_INTERVAL))
            stalled = {tick.name for tick in self._stalled(self._own.at)}
            for name in stalled - self._reported:
                log.error("loop_stalled", loop=name, seconds=STALL_SECONDS)
            self._reported = stalled

    def _stalled(self, now: float) -> list[Tick]:
        return [tick for tick in self._ticks if now - tick.at > STALL_SECONDS]


class Readiness:
    """Asks every dependency whether it answers, when somebody wants to know, and at most every few seconds."""

    def __init__(self, probes: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        self._probes = probes
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._problems: list[str] = []

    async def problems(self) -> list[str]:
        """The dependencies that do not answer, with why; empty when all do."""
        async with self._lock:
            if time.monotonic() - self._asked > _FRESH_SECONDS or self._problems:
                answers = await asyncio.gather(*(self._ask(name) for name in self._probes))
                self._problems = [answer for answer in answers if answer]
                self._asked = time.monotonic()
            return self._problems

    async def _ask(self, name: str) -> str | None:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._probes[name]()
        except TimeoutError:
            return f"{name}: no answer within {_PROBE_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 (whatever it is, the dependency is not ready)
            return f"{name}: {error or type(error).__name__}"
        return None
