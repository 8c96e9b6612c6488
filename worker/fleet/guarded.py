"""The shared cache as seen from here: when it is unavailable it says so once, and is asked again soon."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.ports import CacheEntry, Metrics, SharedCache
from worker.trouble import Trouble

RETRY_SECONDS = 1.0
"""How long the cache counts as unavailable after a failed call, so that not every request waits for a timeout."""

_CONSEQUENCE = "this worker goes on alone within its share of the request allowance"


class GuardedCache:
    """A SharedCache that fails at once while it is known to be unavailable. All documents of a worker share one."""

    def __init__(self, cache: SharedCache, metrics: Metrics, clock: Clock) -> None:
        self._cache = cache
        self._metrics = metrics
        self._clock = clock
        self._trouble = Trouble(clock, begins="shared_cache_unavailable", ends="shared_cache_available")
        self._retry_at = 0.0

    async def get(self, key: str) -> CacheEntry | None:
        """As SharedCache.get."""
        async with self._call():
            return await self._cache.get(key)

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        """As SharedCache.put."""
        async with self._call():
            return await self._cache.put(key, content, expected=expected, seconds=seconds)

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        if self._trouble.lasts and self._clock.monotonic() < self._retry_at:
            raise SharedCacheError("the shared cache was unavailable a moment ago")
        try:
            yield
        except SharedCacheError as error:
            self._retry_at = self._clock.monotonic() + RETRY_SECONDS
            self._metrics.shared_cache_up(False)
            self._trouble.failed("SharedCacheError", f"{error}; {_CONSEQUENCE}")
            raise
        if self._trouble.lasts:
            self._metrics.shared_cache_up(True)
        self._trouble.succeeded()
