"""An unavailable shared cache is one trouble, and is not waited for by every request."""

import pytest
from structlog.testing import capture_logs

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_fleet import DistantCache
from tests.support.virtual_time import VirtualClock, run_virtually
from worker.errors import SharedCacheError
from worker.fleet.guarded import RETRY_SECONDS, GuardedCache
from worker.fleet.memory import MemoryCache


def test_an_outage_is_two_lines_and_asks_the_backend_once_a_second() -> None:
    recorder = RecordingMetrics()

    async def main() -> None:
        clock = VirtualClock()
        distant = DistantCache(MemoryCache(clock), clock)
        guarded = GuardedCache(distant, recorder, clock)
        distant.reachable = False
        with pytest.raises(SharedCacheError, match="unreachable"):
            await guarded.get("key")
        distant.reachable = True
        with pytest.raises(SharedCacheError, match="a moment ago"):
            await guarded.put("key", "text", expected=None, seconds=60)
        await clock.sleep(RETRY_SECONDS)
        distant.reachable = False
        with pytest.raises(SharedCacheError, match="unreachable"):
            await guarded.put("key", "text", expected=None, seconds=60)
        distant.reachable = True
        await clock.sleep(RETRY_SECONDS)
        assert await guarded.put("key", "text", expected=None, seconds=60)
        assert await guarded.get("key")

    with capture_logs() as logs:
        run_virtually(main())
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("shared_cache_unavailable", "warning"),
        ("shared_cache_available", "info"),
    ]
    assert logs[0]["error"] == "SharedCacheError"
    assert logs[0]["detail"].startswith("unreachable; ")
    assert recorder.calls.count(("shared_cache_up", True)) == 1
