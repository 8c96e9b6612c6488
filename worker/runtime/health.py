"""What is known about loops and dependencies: told in the log when it changes, and to `/livez` and `/readyz`."""

import asyncio
import faulthandler
from collections.abc import Awaitable, Callable, Mapping

import structlog

from worker.clock import Clock
from worker.trouble import Trouble

STALL_SECONDS = 180.0
"""No loop is silent this long by design: an activity poll takes up to 70 s, an attempt is ticked by its heartbeats."""

LAG_SECONDS = 10.0
"""An event loop that is this late serves nobody."""

STUCK_SECONDS = 30.0
"""An event loop that is this late never comes back in time: its last heartbeats are up to 20 s old, and after 60 s Step
Functions gives its tasks to others. Sooner than ECS, which needs four failed checks 15 s apart, and then its stop
timeout of 120 s: a process whose interpreter is held does not hear SIGTERM, and says nothing of what holds it."""

_PROBE_SECONDS = 3.0
_FRESH_SECONDS = 5.0
_LAG_INTERVAL = 1.0

log = structlog.get_logger()


def end_when_stuck() -> None:
    """End the process with exit status 1, unless this is called again within STUCK_SECONDS.

    The traceback of every thread goes to standard error then. A thread of C does both, so that they happen too while
    a function of a user's keeps the interpreter to itself, as a regular expression that runs away does.
    """
    faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)


def dependency_trouble(clock: Clock, dependency: str) -> Trouble:
    """The trouble with one dependency; all loops that use it share one."""
    return Trouble(clock, begins="dependency_failing", ends="dependency_back", dependency=dependency)


class Tick:
    """When one loop last did something."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self.at = clock.monotonic()

    def __call__(self) -> None:
        self.at = self._clock.monotonic()


class Watchdog:
    """Measures the event loop's lag and looks for loops that no longer tick."""

    def __init__(
        self, set_lag: Callable[[float], None], clock: Clock, on_round: Callable[[], None] = lambda: None
    ) -> None:
        self._set_lag = set_lag
        self._on_round = on_round
        self._clock = clock
        self._ticks: list[Tick] = []
        self._own = Tick("watchdog", clock)
        self._reported: set[str] = set()

    def tick(self, name: str) -> Tick:
        """A new loop to watch."""
        tick = Tick(name, self._clock)
        self._ticks.append(tick)
        return tick

    def problems(self) -> list[str]:
        """What makes the process not alive; empty when all is well."""
        now = self._clock.monotonic()
        found = [f"{tick.name} has not moved for {now - tick.at:.0f} s" for tick in self._stalled(now)]
        if now - self._own.at > LAG_SECONDS:
            found.append(f"the event loop is {now - self._own.at:.0f} s late")
        return found

    async def run(self) -> None:
        """One round per second."""
        while True:
            self._on_round()
            before = self._clock.monotonic()
            await self._clock.sleep(_LAG_INTERVAL)
            self._own()
            self._set_lag(max(0.0, self._own.at - before - _LAG_INTERVAL))
            stalled = {tick.name for tick in self._stalled(self._own.at)}
            for name in stalled - self._reported:
                log.error("loop_stalled", loop=name, seconds=STALL_SECONDS)
            self._reported = stalled

    def _stalled(self, now: float) -> list[Tick]:
        return [tick for tick in self._ticks if now - tick.at > STALL_SECONDS]


class Readiness:
    """Asks every dependency whether it answers, when somebody wants to know, and at most every few seconds.

    So whoever reaches the port cannot make the worker call AWS at will, also while a dependency fails.
    """

    def __init__(self, probes: Mapping[str, Callable[[], Awaitable[object]]], clock: Clock) -> None:
        self._probes = probes
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked = float("-inf")
        self._problems: list[str] = []

    async def problems(self) -> list[str]:
        """The dependencies that do not answer, with why; empty when all do."""
        async with self._lock:
            if self._clock.monotonic() - self._asked > _FRESH_SECONDS:
                answers = await asyncio.gather(*(self._ask(name) for name in self._probes))
                self._problems = [answer for answer in answers if answer]
                self._asked = self._clock.monotonic()
            return self._problems

    async def _ask(self, name: str) -> str | None:
        try:
            async with self._clock.timeout(_PROBE_SECONDS):
                await self._probes[name]()
        except TimeoutError:
            return f"{name}: no answer within {_PROBE_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 (whatever it is, the dependency is not ready)
            return f"{name}: {error or type(error).__name__}"
        return None
