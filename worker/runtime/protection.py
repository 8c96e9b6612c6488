"""ECS scale-in protection: on while there is work, off when idle, so that scaling in takes idle tasks first."""

import time
from collections.abc import Awaitable, Callable

import structlog

from worker.errors import NotConfirmedError
from worker.ports import TaskProtection

_INTERVAL_SECONDS = 5.0

EXPIRES_MINUTES = 5
"""Bounded, so that a task that can no longer take the protection off does not keep it for the two hours of ECS."""

_RENEW_SECONDS = EXPIRES_MINUTES * 60 / 2

log = structlog.get_logger()


class ScaleInProtection:
    """Follows whether there is work."""

    def __init__(self, agent: TaskProtection, busy: Callable[[], int]) -> None:
        self._agent = agent
        self._busy = busy
        self._protected_at: float | None = None
        self._failing = False

    async def run(self, wait: Callable[[float], Awaitable[None]]) -> None:
        """One look every 5 s; `wait` sleeps between them."""
        while True:
            await self.look()
            await wait(_INTERVAL_SECONDS)

    async def look(self) -> None:
        """Set, renew or take off the protection as the work demands."""
        now = time.monotonic()
        if self._busy():
            if self._protected_at is None or now - self._protected_at > _RENEW_SECONDS:
                await self._set(EXPIRES_MINUTES, now)
        elif self._protected_at is not None:
            await self._set(None, None)

    async def _set(self, minutes: int | None, then: float | None) -> None:
        try:
            await self._agent.protect(minutes)
        except NotConfirmedError as error:
            if not self._failing:
                log.warning("task_protection_failing", error=str(error))
            self._failing = True
        else:
            self._failing = False
            self._protected_at = then
