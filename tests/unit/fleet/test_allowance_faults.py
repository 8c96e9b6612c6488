"""The fault model of `worker/fleet/ledger.py`, fault by fault: whatever happens, no 60 s hold too many requests.

With the constants of production and 300 requests per minute, in minutes of virtual time. Clocks are wrong by up to
500 ms and requests travel for up to a second in all of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.virtual_fleet import VirtualFleet, VirtualWorker, most_in_a_period
from tests.support.virtual_time import run_virtually

LIMIT = 300
SECONDS = 200.0


async def network_stalls(fleet: VirtualFleet) -> None:
    for _ in range(5):
        await fleet.clock.sleep(fleet.chance.uniform(2, 30))
        for worker in some_of(fleet):
            worker.network.stall(fleet.chance.uniform(2, 15))


async def some_workers_lose_the_cache_for_five_seconds(fleet: VirtualFleet) -> None:
    for _ in range(8):
        await fleet.clock.sleep(fleet.chance.uniform(1, 20))
        with unreachable(some_of(fleet)):
            await fleet.clock.sleep(5)


async def some_workers_lose_the_cache_for_up_to_a_minute(fleet: VirtualFleet) -> None:
    for _ in range(3):
        await fleet.clock.sleep(fleet.chance.uniform(1, 20))
        with unreachable(some_of(fleet)):
            await fleet.clock.sleep(fleet.chance.uniform(5, 55))


async def some_workers_lose_the_cache_before_they_know_each_other(fleet: VirtualFleet) -> None:
    await fleet.clock.sleep(fleet.chance.uniform(0, 3))
    with unreachable(some_of(fleet)):
        await fleet.clock.sleep(fleet.chance.uniform(5, 55))


async def all_workers_lose_the_cache(fleet: VirtualFleet) -> None:
    await fleet.clock.sleep(fleet.chance.uniform(0, 60))
    with unreachable(fleet.workers):
        await fleet.clock.sleep(fleet.chance.uniform(1, 110))


async def the_cache_loses_its_last_second_again_and_again(fleet: VirtualFleet) -> None:
    while True:
        await fleet.clock.sleep(fleet.chance.uniform(3, 6))
        fleet.cache.lose(1.0)


async def the_cache_fails_over_and_loses_its_last_second(fleet: VirtualFleet) -> None:
    for _ in range(8):
        await fleet.clock.sleep(fleet.chance.uniform(1, 20))
        fleet.cache.lose(1.0)
        with unreachable(fleet.workers):
            await fleet.clock.sleep(fleet.chance.uniform(0, 6))


async def the_cache_loses_everything(fleet: VirtualFleet) -> None:
    for _ in range(8):
        await fleet.clock.sleep(fleet.chance.uniform(1, 20))
        fleet.cache.lose(SECONDS)


async def clocks_step(fleet: VirtualFleet) -> None:
    for _ in range(10):
        await fleet.clock.sleep(fleet.chance.uniform(1, 15))
        for worker in some_of(fleet):
            worker.clock.skew = fleet.chance.choice([-7200, -3, -0.5, 0.5, 3, 7200])


FAULTS = [
    network_stalls,
    some_workers_lose_the_cache_for_five_seconds,
    some_workers_lose_the_cache_for_up_to_a_minute,
    some_workers_lose_the_cache_before_they_know_each_other,
    all_workers_lose_the_cache,
    the_cache_loses_its_last_second_again_and_again,
    the_cache_fails_over_and_loses_its_last_second,
    the_cache_loses_everything,
    clocks_step,
]


def some_of(fleet: VirtualFleet) -> list[VirtualWorker]:
    """One worker or more, perhaps all."""
    return fleet.chance.sample(fleet.workers, fleet.chance.randint(1, len(fleet.workers)))


@contextmanager
def unreachable(workers: list[VirtualWorker]) -> Iterator[None]:
    """Take the shared cache away from them for a while."""
    for worker in workers:
        worker.cache.reachable = False
    yield
    for worker in workers:
        worker.cache.reachable = True


async def disturbed(fleet: VirtualFleet, fault: Callable[[VirtualFleet], Awaitable[None]]) -> None:
    """Work off a backlog while the fault comes and goes."""
    faults = asyncio.ensure_future(fault(fleet))
    await fleet.work_off_a_backlog(SECONDS)
    if not faults.cancel():
        await faults


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@settings(max_examples=10)
@given(workers=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_no_60_seconds_hold_too_many(fault: Callable[[VirtualFleet], Awaitable[None]], workers: int, seed: int) -> None:
    async def main() -> None:
        fleet = VirtualFleet(LIMIT, workers, seed=seed, travel=1.0)
        await disturbed(fleet, fault)
        assert most_in_a_period(fleet.received) <= LIMIT

    run_virtually(main())


@pytest.mark.parametrize("skews", [(0, -0.03, 0.1, -0.5), (0.5, -0.5), (-0.5, 0.5, 0.5), (0.5, *[-0.5] * 7)], ids=str)
def test_clocks_that_differ_make_no_order_among_workers(skews: tuple[float, ...]) -> None:
    async def main() -> None:
        fleet = VirtualFleet(LIMIT, len(skews), skews=skews)
        await fleet.work_off_a_backlog(120)
        assert most_in_a_period(fleet.received) <= LIMIT
        assert len(fleet.permits) >= 0.9 * 2 * LIMIT
        for worker in fleet.workers:
            assert len(worker.permits) >= len(fleet.permits) / len(skews) / 2

    run_virtually(main())


@settings(max_examples=20)
@given(workers=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_every_worker_gets_half_of_its_fair_share_or_more_whatever_its_clock_says(workers: int, seed: int) -> None:
    async def main() -> None:
        fleet = VirtualFleet(LIMIT, workers, seed=seed)
        await fleet.work_off_a_backlog(120)
        assert len(fleet.permits) >= 0.9 * 2 * LIMIT
        assert min(len(worker.permits) for worker in fleet.workers) >= len(fleet.permits) / workers / 2

    run_virtually(main())


@pytest.mark.parametrize("hours", [-30, -2, 2, 30])
def test_a_clock_that_is_wrong_by_hours_stops_nobody(hours: float) -> None:
    async def main() -> None:
        fleet = VirtualFleet(LIMIT, 4, skews=(0.0, 0.2, hours * 3600, -0.2))
        await fleet.work_off_a_backlog(120)
        assert most_in_a_period(fleet.received) <= LIMIT
        assert len(fleet.permits) >= 0.9 * 2 * LIMIT
        assert min(len(worker.permits) for worker in fleet.workers) >= len(fleet.permits) / 8

    run_virtually(main())


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_step_of_the_clock_keeps_no_permits_and_drops_none(hours: float) -> None:
    async def main() -> None:
        fleet = VirtualFleet(LIMIT, 2, skew=0.0)
        working = asyncio.create_task(fleet.work_off_a_backlog(60))
        await fleet.clock.sleep(30)
        fleet.workers[0].clock.skew = hours * 3600
        await working
        for worker in fleet.workers:
            assert len([time for time in worker.permits if 31 < time < 60]) >= 0.9 * 29 * 2.4

    run_virtually(main())


def test_writes_to_the_shared_cache_are_fewer_than_four_for_ten_requests() -> None:
    async def main() -> None:
        for workers in (1, 2, 4, 8):
            fleet = VirtualFleet(LIMIT, workers)
            await fleet.work_off_a_backlog(180)
            assert fleet.cache.calls["put"] <= 0.4 * len(fleet.permits)

    run_virtually(main())


def test_a_source_that_always_takes_two_seconds_costs_no_more_than_an_eighth() -> None:
    async def main() -> None:
        fleet = VirtualFleet(LIMIT, 4)
        for worker in fleet.workers:
            worker.network.answer_after = 2.0
        await fleet.work_off_a_backlog(180)
        assert len(fleet.permits) >= 0.94 * 7 / 8 * 3 * LIMIT

    run_virtually(main())
