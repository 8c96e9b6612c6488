"""Several workers under one strict limit, over the network: what virtual time cannot show.

The rule itself, over minutes and through outages, is tested in tests/unit/fleet/test_allowance.py; that the backends
are alike, in tests/contract/shared_cache.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.fakes import RecordingMetrics
from tests.support.genesys_fleet import open_fleet, settings_for
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack, StartSimulator
from worker.fleet.shared_cache import open_shared_cache
from worker.genesys.service import GenesysDetails
from worker.local.simulator.server import Options
from worker.ports import SharedCache

TEMPLATE = "/api/v2/conversations/{interactionId}"
WORKERS = 4


@asynccontextmanager
async def redis_caches(server: RedisServer) -> AsyncIterator[list[SharedCache]]:
    """A connection for each worker."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_shared_cache(server.url, None)) for _ in range(WORKERS)]


async def work(fleet: list[GenesysDetails], interactions: int, *, slots: int) -> int:
    """Fetch so many interactions, each worker in its own slots; any error fails the test."""
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


async def test_a_burst_of_ten_thousand_interactions_needs_at_most_105_requests_and_one_login(
    stack: Stack, start_simulator: StartSimulator
) -> None:
    simulator = await start_simulator(Options(requests=1000))
    recorder = RecordingMetrics()
    async with (
        open_shared_cache(stack.settings["SHARED_CACHE_URL"], stack.clients.dynamodb) as cache,
        open_fleet(settings_for(simulator), [cache] * WORKERS, recorder) as fleet,
    ):
        assert await work(fleet, 10_000, slots=500) == 10_000
    assert simulator.stats.requests.total() <= 105
    assert simulator.stats.statuses[429] == 0
    assert simulator.stats.logins == 1
    assert recorder.calls.count(("token_fetch", "login")) == 1
    assert recorder.calls.count(("token_fetch", "shared")) == WORKERS - 1


async def test_a_429_seen_by_one_worker_stops_all_of_them_until_it_is_over(start_simulator: StartSimulator) -> None:
    simulator = await start_simulator(Options(requests=3000))
    settings = settings_for(simulator, genesys_details_path=TEMPLATE)
    async with (
        RedisServer() as server,
        redis_caches(server) as caches,
        open_fleet(settings, caches, RecordingMetrics()) as fleet,
    ):
        working = asyncio.create_task(work(fleet, 150, slots=10))
        await _until(lambda: simulator.stats.requests.total() >= 100)
        simulator.throttle(2.0)
        assert await working == 150
    assert simulator.stats.statuses[429] >= 1
    assert simulator.stats.during_throttle == 0


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
