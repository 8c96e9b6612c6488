"""The source of details as a worker opens it, with its gate running."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.genesys.service import GenesysDetails, open_details, open_fleet
from worker.ports import Metrics, SharedCache
from worker.settings import Settings


@asynccontextmanager
async def details_of_worker(
    settings: Settings, cache: SharedCache, metrics: Metrics, *, clock: Clock | None = None
) -> AsyncIterator[GenesysDetails]:
    """`open_details` of a worker of its own."""
    fleet = open_fleet(settings, cache, metrics, clock)
    async with open_details(settings, fleet, metrics, clock=clock) as details:
        gate = asyncio.create_task(fleet.gate.run())
        try:
            yield details
        finally:
            await cancel_and_wait(gate)
