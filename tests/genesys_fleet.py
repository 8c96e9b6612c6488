"""Workers of a fleet in one process: each with its own connections and its own view of the shared cache."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from worker.errors import AttemptError
from worker.genesys.service import GenesysDetails, open_details
from worker.local.simulator.server import Simulator
from worker.ports import Details, SharedCache
from worker.settings import Settings

ELSEWHERE = {
    "event_queue_url": "http://127.0.0.1/queue",
    "state_machine_arn": "arn:aws:states:us-east-1:123456789012:stateMachine:unused",
    "activity_arn": "arn:aws:states:us-east-1:123456789012:activity:unused",
    "dead_letter_queue_url": "http://127.0.0.1/dead-letters",
    "interaction_table_name": "unused",
}


@dataclass
class Recorder:
    """A ports.Metrics that counts calls by name and labels, and keeps measured numbers."""

    counts: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        def record(*values: Any) -> None:
            self.counts[(name, *(value for value in values if not isinstance(value, float)))] += 1
            self.numbers.setdefault(name, []).extend(value for value in values if isinstance(value, int | float))

        return record


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
    settings: Settings, caches: list[SharedCache], recorder: Recorder
) -> AsyncIterator[list[GenesysDetails]]:
    """A worker for each of `caches`."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_details(settings, cache, recorder)) for cache in caches]
