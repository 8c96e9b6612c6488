"""The same cache behind each of the backends."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from worker.fleet.shared_cache import open_shared_cache
from worker.ports import SharedCache

OpenCache = Callable[[], AbstractAsyncContextManager[SharedCache]]


@pytest.fixture(params=["memory", "dynamodb", "redis"])
def backend(request: pytest.FixtureRequest) -> OpenCache:
    source: OpenCache = request.getfixturevalue(f"{request.param}_cache")
    return source


@pytest.fixture
async def cache(backend: OpenCache) -> AsyncIterator[SharedCache]:
    """A cache with nothing in it."""
    async with backend() as opened:
        yield opened


@pytest.fixture
def memory_cache() -> OpenCache:
    return lambda: open_shared_cache("memory://", None)


@pytest.fixture
def dynamodb_cache(stack: Stack) -> OpenCache:
    return lambda: open_shared_cache(stack.settings["SHARED_CACHE_URL"], stack.clients.dynamodb)


@pytest.fixture
def redis_cache() -> OpenCache:
    @asynccontextmanager
    async def opened() -> AsyncIterator[SharedCache]:
        async with RedisServer() as server, open_shared_cache(server.url, None) as cache:
            yield cache

    return opened
