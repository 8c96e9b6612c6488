"""The shared cache as seen from here: may be away, says so once, and is asked again soon."""

import time

import structlog

from worker.errors import SharedCacheError
from worker.ports import CacheEntry, Metrics, SharedCache

RETRY_SECONDS = 1.0
"""How long the cache counts as away after a failed call, so that not every request waits for a time-out."""

log = structlog.get_logger()


class GuardedCache:
    """A SharedCache that fails at once while it is known to be away; one warning an outage."""

    def __init__(self, cache: SharedCache, metrics: Metrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._away = False
        self._retry_at = 0.0

    async def get(self, key: str) -> CacheEntry | None:
        """As SharedCache.get."""
        self._check()
        try:
            entry = await self._cache.get(key)
        except SharedCacheError as error:
            self._failed(error)
            raise
        self._worked()
        return entry

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        """As SharedCache.put."""
        self._check()
        try:
            entry = await self._cache.put(key, content, expected=expected, seconds=seconds)
        except SharedCacheError as error:
            self._failed(error)
            raise
        self._worked()
        return entry

    def _check(self) -> None:
        if self._away and time.monotonic() < self._retry_at:
            raise SharedCacheError("the shared cache was away a moment ago")

    def _failed(self, error: SharedCacheError) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if not self._away:
            self._away = True
            self._metrics.shared_cache_up(False)
            log.warning(
                "shared_cache_unavailable",
                problem=str(error),
                meaning="this task goes on alone within its share of the request allowance",
            )

    def _worked(self) -> None:
        if self._away:
            self._away = False
            self._metrics.shared_cache_up(True)
            log.info("shared_cache_available")
