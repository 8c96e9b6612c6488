"""Several tasks under one strict limit, with a window short enough for a few of them to pass in a test."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.conftest import Stack, StartSimulator
from tests.genesys_fleet import Recorder, open_fleet, settings_for
from tests.redis_server import RedisServer
from worker.fleet.shared_cache import open_shared_cache
from worker.genesys.service import GenesysDetails
from worker.local.simulator.server import Options
from worker.ports import SharedCache

TEMPLATE = "/api/v2/conversations/{interactionId}"
TASKS = 4
WINDOW = 6.0

OpenCaches = Callable[[], AbstractAsyncContextManager[list[SharedCache]]]


@pytest.fixture
def dynamodb_caches(stack: Stack) -> OpenCaches:
    @asynccontextmanager
    async def opened() -> AsyncIterator[list[SharedCache]]:
        async with open_shared_cache(stack.settings["SHARED_CACHE_URL"], stack.clients.dynamodb) as cache:
            yield [cache] * TASKS

    return opened


@pytest.fixture
def redis_caches() -> OpenCaches:
    @asynccontextmanager
    async def opened() -> AsyncIterator[list[SharedCache]]:
        async with RedisServer() as server, AsyncExitStack() as stack:
            yield [await stack.enter_async_context(open_shared_cache(server.url, None)) for _ in range(TASKS)]

    return opened


@pytest.fixture(params=["dynamodb", "redis"])
def open_caches(request: pytest.FixtureRequest) -> OpenCaches:
    """A connection to one shared cache for each task of a fleet."""
    source: OpenCaches = request.getfixturevalue(f"{request.param}_caches")
    return source


async def work(fleet: list[GenesysDetails], interactions: int, *, slots: int) -> int:
    """Fetch so many interactions, each task in its own slots; any error fails the test."""
    waiting = iter(range(interactions))
    fetched = 0

    async def slot(details: GenesysDetails) -> None:
        nonlocal fetched
        for number in waiting:
            await details.fetch(f"id-{number}")
            fetched += 1

    async with asyncio.TaskGroup() as group:
        for details in fleet:
            for _ in range(slots):
                group.create_task(slot(details))
    return fetched


async def test_a_backlog_is_worked_off_by_all_without_one_refusal_and_with_one_login(
    open_caches: OpenCaches, start_simulator: StartSimulator
) -> None:
    simulator = await start_simulator(Options(requests=60, window_seconds=WINDOW))
    settings = settings_for(simulator, genesys_details_path=TEMPLATE)
    recorder = Recorder()
    async with open_caches() as caches, open_fleet(settings, caches, recorder, window=WINDOW) as fleet:
        assert await work(fleet, 75, slots=10) == 75
    assert simulator.stats.statuses == {200: 75}
    assert simulator.limiter.peak <= 60
    assert simulator.stats.logins == 1
    assert recorder.counts["token_fetch", "login"] == 1
    assert recorder.counts["token_fetch", "shared"] == TASKS - 1


async def test_a_burst_of_ten_thousand_interactions_needs_at_most_105_requests(
    open_caches: OpenCaches, start_simulator: StartSimulator
) -> None:
    simulator = await start_simulator(Options(requests=100, window_seconds=WINDOW))
    async with open_caches() as caches, open_fleet(settings_for(simulator), caches, Recorder(), window=WINDOW) as fleet:
        assert await work(fleet, 10_000, slots=500) == 10_000
    assert simulator.stats.requests.total() <= 105
    assert simulator.stats.statuses[429] == 0


async def test_a_429_seen_by_one_task_stops_all_of_them_until_it_is_over(
    open_caches: OpenCaches, start_simulator: StartSimulator
) -> None:
    simulator = await start_simulator(Options(requests=300, window_seconds=WINDOW))
    settings = settings_for(simulator, genesys_details_path=TEMPLATE)
    async with open_caches() as caches, open_fleet(settings, caches, Recorder(), window=WINDOW) as fleet:
        working = asyncio.create_task(work(fleet, 150, slots=10))
        await _until(lambda: simulator.stats.requests.total() >= 40)
        simulator.throttle(2.0)
        assert await working == 150
    assert simulator.stats.statuses[429] >= 1
    assert simulator.stats.during_throttle == 0


async def test_a_token_revoked_under_load_costs_the_fleet_one_login_and_no_attempt(
    open_caches: OpenCaches, start_simulator: StartSimulator
) -> None:
    simulator = await start_simulator(Options(requests=300, window_seconds=WINDOW))
    settings = settings_for(simulator, genesys_details_path=TEMPLATE)
    async with open_caches() as caches, open_fleet(settings, caches, Recorder(), window=WINDOW) as fleet:
        working = asyncio.create_task(work(fleet, 150, slots=10))
        await _until(lambda: simulator.stats.requests.total() >= 60)
        simulator.tokens.revoke_all()
        assert await working == 150
    assert simulator.stats.logins == 2
    assert simulator.stats.statuses[401] >= 1


async def test_a_shared_cache_that_is_away_is_one_warning_a_task_and_no_refusal(
    start_simulator: StartSimulator,
) -> None:
    simulator = await start_simulator(Options(requests=60, window_seconds=WINDOW))
    settings = settings_for(simulator, genesys_details_path=TEMPLATE)
    recorder = Recorder()
    async with RedisServer() as server, AsyncExitStack() as stack:
        caches = [await stack.enter_async_context(open_shared_cache(server.url, None)) for _ in range(TASKS)]
        fleet = await stack.enter_async_context(open_fleet(settings, caches, recorder, window=WINDOW))
        with capture_logs() as logs:
            working = asyncio.create_task(work(fleet, 100, slots=10))
            await _until(lambda: simulator.stats.requests.total() >= 30)
            await server.stop()
            await _until(lambda: _count(logs, "shared_cache_unavailable") == TASKS)
            seen = simulator.stats.requests.total()
            await _until(lambda: simulator.stats.requests.total() >= seen + 2 * TASKS)
            await server.start()
            await _until(lambda: _count(logs, "shared_cache_available") == TASKS)
            assert await working == 100
    assert _count(logs, "shared_cache_unavailable") == TASKS
    assert simulator.stats.statuses == {200: 100}
    assert simulator.stats.logins == 1


async def test_a_task_that_never_reached_the_shared_cache_takes_a_small_share(start_simulator: StartSimulator) -> None:
    simulator = await start_simulator(Options(requests=60, window_seconds=2.0))
    settings = settings_for(simulator, genesys_details_path=TEMPLATE)
    async with (
        open_shared_cache("redis://127.0.0.1:1/0", None) as cache,
        open_fleet(settings, [cache] * TASKS, Recorder(), window=2.0) as fleet,
    ):
        assert await work(fleet, 24, slots=5) == 24
    assert simulator.limiter.peak <= TASKS * 60 / 10
    assert simulator.stats.logins == TASKS


def _count(logs: list[MutableMapping[str, Any]], event: str) -> int:
    return sum(entry["event"] == event for entry in logs)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
