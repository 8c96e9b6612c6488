"""The shared cache of a fleet of one."""

import uuid

from worker.clock import Clock
from worker.ports import CacheEntry


class MemoryCache:
    """Entries in this process; right for one worker, and for tests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[CacheEntry, float]] = {}

    async def get(self, key: str) -> CacheEntry | None:
        """The latest entry that has not expired."""
        return self._current(key)

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        """Compare and swap."""
        current = self._current(key)
        if (current.version if current else None) != expected:
            return None
        entry = CacheEntry(content, uuid.uuid4().hex)
        self._entries[key] = (entry, self._clock.time() + seconds)
        return entry

    def _current(self, key: str) -> CacheEntry | None:
        entry, expires_at = self._entries.get(key, (None, 0.0))
        if entry is not None and expires_at <= self._clock.time():
            del self._entries[key]
            return None
        return entry
