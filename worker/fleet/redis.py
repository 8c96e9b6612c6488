"""The shared cache in Redis or Valkey (extra `redis`)."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.ports import CacheEntry

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ImportError as error:
    raise ValueError(
        "SHARED_CACHE_URL names Redis and its library is not installed; in the project's folder: pip install '.[redis]'"
    ) from error

TIMEOUT_SECONDS = 1.0
"""A call usually takes about 1 ms; a worker that waits longer had better go on alone."""

_PREFIX = "interaction-worker:"

_COMPARE_AND_SWAP = """
local version = redis.call('HGET', KEYS[1], 'version')
if (version or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'content', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""


class RedisCache:
    """One hash per key; a script compares and swaps."""

    def __init__(self, client: "Redis", clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._swap = client.register_script(_COMPARE_AND_SWAP)

    async def get(self, key: str) -> CacheEntry | None:
        """The latest entry."""
        fields = await self._answer(self._client.hmget(_PREFIX + key, ["content", "version"]))
        content, version = fields
        return None if content is None or version is None else CacheEntry(content, version)

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        """Compare and swap."""
        entry = CacheEntry(content, uuid.uuid4().hex)
        swapped = await self._answer(
            self._swap(
                keys=[_PREFIX + key],
                args=[expected or "", entry.version, content, max(1, round(seconds * 1000))],
            )
        )
        return entry if swapped else None

    async def _answer(self, call: Any) -> Any:
        """The call's answer. The error text keeps neither keys nor values."""
        try:
            async with self._clock.timeout(TIMEOUT_SECONDS):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            raise SharedCacheError(f"Redis: {type(error).__name__}") from error


@asynccontextmanager
async def open_redis(url: str, clock: Clock) -> AsyncIterator[RedisCache]:
    """A cache on the server that `url` names; connections are made at first use and made again when lost."""
    client = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
    )
    try:
        yield RedisCache(client, clock)
    finally:
        await client.aclose()
