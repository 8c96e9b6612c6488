"""ECS scale-in protection: on while there is work, off when idle, so that scaling in takes idle workers first."""

from collections.abc import Callable

from worker.clock import Clock
from worker.errors import NotConfirmedError
from worker.ports import TaskProtection
from worker.trouble import Trouble

_INTERVAL_SECONDS = 5.0

EXPIRES_MINUTES = 5
"""Bounded, so that a worker that can no longer take the protection off does not keep it for the two hours of ECS."""

_RENEW_SECONDS = EXPIRES_MINUTES * 60 / 2


class ScaleInProtection:
    """Follows whether there is work."""

    def __init__(self, agent: TaskProtection, busy: Callable[[], int], clock: Clock) -> None:
        self._agent = agent
        self._busy = busy
        self._clock = clock
        self._protected_at: float | None = None
        self._trouble = Trouble(clock, begins="task_protection_failing", ends="task_protection_back")

    async def run(self) -> None:
        """One look every 5 s."""
        while True:
            await self.look()
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def look(self) -> None:
        """Set, renew or take off the protection as the work demands."""
        now = self._clock.monotonic()
        if self._busy():
            if self._protected_at is None or now - self._protected_at > _RENEW_SECONDS:
                await self._set(EXPIRES_MINUTES, now)
        elif self._protected_at is not None:
            await self._set(None, None)

    async def _set(self, minutes: int | None, then: float | None) -> None:
        try:
            await self._agent.protect(minutes)
        except NotConfirmedError as error:
            self._trouble.failed(error.code)
        else:
            self._trouble.succeeded()
            self._protected_at = then
