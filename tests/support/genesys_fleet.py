"""Workers of a fleet in one process: each with its own connections and its own view of the shared cache."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.support.genesys_details import details_of_worker
from worker.errors import AttemptError
from worker.genesys.service import GenesysDetails
from worker.local.simulator.server import Simulator
from worker.ports import Details, Metrics, SharedCache
from worker.settings import Settings

ELSEWHERE = {
    "event_queue_url": "http://127.0.0.1/queue",
    "state_machine_arn": "arn:aws:states:us-east-1:123456789012:stateMachine:unused",
    "activity_arn": "arn:aws:states:us-east-1:123456789012:activity:unused",
    "dead_letter_queue_url": "http://127.0.0.1/dead-letters",
    "interaction_table_name": "unused",
}


def assert_failed(result: Details | AttemptError, kind: type[AttemptError], pattern: str) -> None:
    """See that a call for details has failed like this."""
    assert isinstance(result, kind), result
    assert re.search(pattern, str(result))


def settings_for(simulator: Simulator, **changes: Any) -> Settings:
    """Settings of a worker that asks `simulator`."""
    values: dict[str, Any] = {
        **ELSEWHERE,
        "genesys_login_url": simulator.url,
        "genesys_api_url": simulator.url,
        "genesys_client_id": simulator.options.client_id,
        "genesys_client_secret": simulator.options.client_secret,
        "genesys_requests_per_minute": simulator.options.requests,
        **changes,
    }
    return Settings(**values)


@asynccontextmanager
async def open_fleet(
    settings: Settings, caches: list[SharedCache], metrics: Metrics
) -> AsyncIterator[list[GenesysDetails]]:
    """A worker for each of `caches`."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(details_of_worker(settings, cache, metrics)) for cache in caches]
