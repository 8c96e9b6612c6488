"""A backend that is unavailable is one kind of error, soon, and without secrets in its text."""

import socket
import sys

import pytest
from redis.asyncio import Redis

from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from worker.clock import SystemClock
from worker.errors import SharedCacheError
from worker.fleet.dynamodb import DynamoDBCache
from worker.fleet.shared_cache import open_shared_cache
from worker.ports import SharedCache

SECRET = "secret-content"


async def _fails(cache: SharedCache) -> None:
    with pytest.raises(SharedCacheError) as get_failed:
        await cache.get("key")
    with pytest.raises(SharedCacheError) as put_failed:
        await cache.put("key", SECRET, expected=None, seconds=60)
    for failed in (get_failed, put_failed):
        assert SECRET not in str(failed.value)


async def test_redis_that_stops_and_comes_back() -> None:
    async with RedisServer() as server, open_shared_cache(server.url, None) as cache:
        assert await cache.put("key", "before", expected=None, seconds=60)
        await server.stop()
        await _fails(cache)
        await server.start()
        assert await cache.get("key") is None
        assert await cache.put("key", "after", expected=None, seconds=60)


async def test_redis_that_takes_connections_and_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with open_shared_cache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", None) as cache:
            await _fails(cache)


async def test_redis_whose_entry_is_of_another_kind() -> None:
    async with RedisServer() as server, open_shared_cache(server.url, None) as cache:
        async with Redis.from_url(server.url) as client:
            await client.set("interaction-worker:key", "not a hash")
        await _fails(cache)


async def test_a_dynamodb_table_that_does_not_exist(stack: Stack) -> None:
    await _fails(DynamoDBCache(stack.clients.dynamodb, "no-such-table", SystemClock()))


async def test_without_the_redis_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    monkeypatch.delitem(sys.modules, "worker.fleet.redis", raising=False)
    with pytest.raises(ValueError, match=r"pip install '\.\[redis\]'"):
        async with open_shared_cache("redis://127.0.0.1:1/0", None):
            pass
