"""Where the workers of a fleet share the access token and the request allowance: one interface, three backends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog

from worker.clock import Clock, SystemClock
from worker.fleet.dynamodb import DynamoDBCache
from worker.fleet.memory import MemoryCache
from worker.ports import SharedCache
from worker.setting_types import is_plain_redis_elsewhere

log = structlog.get_logger()


@asynccontextmanager
async def open_shared_cache(url: str, dynamodb: Any, clock: Clock | None = None) -> AsyncIterator[SharedCache]:
    """The shared cache that `url` names (`SHARED_CACHE_URL`), closed at the end.

    `dynamodb` is the process's aiobotocore client for DynamoDB; only `dynamodb://TABLE` uses it, and it stays the
    caller's to close. Nothing is asked of the backend here: whether it answers shows at the first use.

    Raises ValueError with what to do when the backend's library is not installed.
    """
    clock = clock or SystemClock()
    parts = urlsplit(url)
    if parts.scheme == "memory":
        yield MemoryCache(clock)
    elif parts.scheme == "dynamodb":
        yield DynamoDBCache(dynamodb, url.removeprefix("dynamodb://").rstrip("/"), clock)
    else:
        if is_plain_redis_elsewhere(url):
            log.warning("shared_cache_not_encrypted", detail="SHARED_CACHE_URL is redis://; use rediss:// for TLS")
        from worker.fleet.redis import open_redis  # noqa: PLC0415 - the library is an extra

        async with open_redis(url, clock) as cache:
            yield cache
