"""A fleet under one limit, for minutes of virtual time."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.virtual_fleet import VirtualFleet, most_in_a_period
from tests.support.virtual_time import run_virtually
from worker.fleet.allowance import ALONE_AFTER_SECONDS
from worker.fleet.ledger import PERIOD_SECONDS, SHARES_TOGETHER
from worker.fleet.shared_ledger import lease_seconds


@pytest.mark.parametrize("workers", [1, 2, 4, 20])
@pytest.mark.parametrize("limit", [60, 300])
def test_a_backlog_takes_nearly_the_whole_allowance_and_no_60_seconds_hold_more(limit: int, workers: int) -> None:
    async def main() -> None:
        fleet = VirtualFleet(limit, workers)
        await fleet.work_off_a_backlog(4 * PERIOD_SECONDS)
        assert most_in_a_period(fleet.received) <= limit
        assert len(fleet.permits) >= 0.93 * 4 * limit

    run_virtually(main())


@settings(max_examples=25)
@given(
    limit=st.sampled_from([7, 60, 300]),
    workers=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    pause_at=st.floats(5, 90),
    pause=st.floats(1, 40),
    lost_at=st.floats(25, 90),  # each worker has seen the others: it looks every 20 s at the latest
    lost=st.floats(0.5, 40),
)
@example(limit=7, workers=1, seed=0, pause_at=5.0, pause=1.0, lost_at=5.0, lost=9.0)
@example(limit=1000, workers=1, seed=0, pause_at=90.0, pause=1.0, lost_at=0.5, lost=40.0)
def test_no_60_seconds_hold_too_many_whatever_pauses_and_outages_there_are(
    *, limit: int, workers: int, seed: int, pause_at: float, pause: float, lost_at: float, lost: float
) -> None:
    async def main() -> None:
        fleet = VirtualFleet(limit, workers, seed=seed)

        async def lose_the_cache() -> None:
            await fleet.clock.sleep(lost_at)
            for worker in fleet.workers:
                worker.cache.reachable = False
            await fleet.clock.sleep(lost)
            for worker in fleet.workers:
                worker.cache.reachable = True

        async def meet_a_429() -> None:
            await fleet.clock.sleep(pause_at)
            await fleet.workers[0].allowance.pause(pause)

        await asyncio.gather(fleet.work_off_a_backlog(200), lose_the_cache(), meet_a_429())
        assert most_in_a_period(fleet.received) <= limit

    run_virtually(main())


def test_a_429_that_one_worker_meets_stops_all_within_half_a_second_until_it_is_over() -> None:
    async def main() -> None:
        fleet = VirtualFleet(300, 4, skew=0.0)
        working = asyncio.create_task(fleet.work_off_a_backlog(60))
        await fleet.clock.sleep(20)
        await fleet.workers[2].allowance.pause(15)
        await working
        during = [time for time in fleet.permits if 20.5 < time < 35]
        after = [time for time in fleet.permits if 35 <= time < 36]
        assert during == []
        assert 1 <= len(after) <= 7  # evenly from its end on, without a burst
        assert all(max(worker.permits) > 20 for worker in fleet.workers)

    run_virtually(main())


def test_a_worker_that_never_reached_the_shared_cache_takes_a_small_share_after_a_minute() -> None:
    async def main() -> None:
        fleet = VirtualFleet(60, 4)
        for worker in fleet.workers:
            worker.cache.reachable = False
        await fleet.work_off_a_backlog(4 * PERIOD_SECONDS)
        assert min(fleet.permits) > PERIOD_SECONDS
        assert most_in_a_period(fleet.permits) <= 4 * 60 / 10
        assert all(len(worker.permits) >= 15 for worker in fleet.workers)

    run_virtually(main())


def test_without_the_shared_cache_a_fleet_goes_on_within_its_shares_and_each_worker_says_so_once() -> None:
    async def main() -> None:
        fleet = VirtualFleet(300, 4)
        working = asyncio.create_task(fleet.work_off_a_backlog(150))
        await fleet.clock.sleep(60)
        for worker in fleet.workers:
            worker.cache.reachable = False
        await fleet.clock.sleep(40)
        for worker in fleet.workers:
            worker.cache.reachable = True
        await working
        ledger = lease_seconds(4, busy=True) + ALONE_AFTER_SECONDS
        alone = [time for time in fleet.permits if 60 + ledger < time < 100]
        assert 0.9 * SHARES_TOGETHER <= len(alone) / ((40 - ledger) * 300 / 62.5) <= 1.05 * SHARES_TOGETHER
        assert len([time for time in fleet.permits if time > 104]) > 0.9 * (150 - 104) * 300 / 62.5

    with capture_logs() as logs:
        run_virtually(main())
    assert _count(logs, "shared_cache_unavailable") == 4
    assert _count(logs, "shared_cache_available") == 4


def test_workers_that_stop_leave_the_fleet() -> None:
    async def main() -> None:
        fleet = VirtualFleet(300, 3)
        await fleet.work_off_a_backlog(30)
        entry = await fleet.cache.get("allowance")
        assert entry is not None
        ledger = json.loads(entry.content)
        assert ledger["members"] == ledger["leases"] == {}

    run_virtually(main())


def test_every_worker_knows_until_when_a_pause_lasts_and_none_lasts_longer_than_an_hour() -> None:
    async def main() -> None:
        fleet = VirtualFleet(300, 3, skew=0.0)
        working = asyncio.create_task(fleet.work_off_a_backlog(20))
        await fleet.clock.sleep(10)
        now = fleet.clock.monotonic()
        assert all(worker.allowance.paused_until < now for worker in fleet.workers)
        await fleet.workers[0].allowance.pause(7200)
        await fleet.clock.sleep(1)
        for worker in fleet.workers:
            assert worker.allowance.paused_until == pytest.approx(now + 3600, abs=0.1)
        await working

    run_virtually(main())


def test_a_worker_with_little_work_is_not_left_behind_by_one_whose_batches_are_full() -> None:
    async def main() -> None:
        fleet = VirtualFleet(300, 2, size=100)
        little, much = fleet.workers
        much.add(1_000_000)
        fleet.start()
        for _ in range(100):
            little.add(1)
            await fleet.clock.sleep(1)
        await fleet.stop()
        assert max(little.waits) < 3 * little.allowance.gather_seconds
        assert most_in_a_period(fleet.received) <= 300

    run_virtually(main())


def test_a_worker_that_falls_idle_leaves_the_allowance_to_the_others() -> None:
    async def main() -> None:
        fleet = VirtualFleet(300, 2)
        idle, busy = fleet.workers
        busy.add(10_000)
        idle.add(20)
        fleet.start()
        await fleet.clock.sleep(120)
        await fleet.stop()
        assert len(idle.permits) == 20
        assert len(busy.permits) >= 0.93 * 600 - 20 - 5

    run_virtually(main())


def _count(logs: list[MutableMapping[str, Any]], event: str) -> int:
    return sum(entry["event"] == event for entry in logs)
