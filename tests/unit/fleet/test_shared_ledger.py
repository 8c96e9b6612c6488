"""One worker's view of the ledger in the shared cache: whose time counts, and what got lost."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from tests.support.virtual_fleet import DistantCache, ForgetfulCache
from tests.support.virtual_time import EPOCH, VirtualClock, run_virtually
from worker.errors import SharedCacheError
from worker.fleet.ledger import LONGEST_PAUSE_SECONDS, Ledger, Pace
from worker.fleet.shared_ledger import IDLE_LEASE_SECONDS, SharedLedger

PACE = Pace(300)


class World:
    """Workers with clocks of their own, that share a cache."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cache = ForgetfulCache(self.clock)
        self._workers = 0

    def worker(self, skew: float = 0.0) -> SharedLedger:
        """One more."""
        self._workers += 1
        clock = VirtualClock(skew=skew, seed=self._workers)
        self.distant = DistantCache(self.cache, clock)
        return SharedLedger(self.distant, "ledger", PACE, clock)

    async def old_version_writes(self, **fields: Any) -> None:
        """Write what a worker of 0.1.0 makes of the ledger: its own fields alone."""
        entry = await self.cache.get("ledger")
        known = json.loads(entry.content) if entry else Ledger().to_fields()
        content = {name: known[name] for name in Ledger().to_fields()} | fields
        assert await self.cache.put(
            "ledger", json.dumps(content), expected=entry.version if entry else None, seconds=1e5
        )


def virtually(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the test in virtual time."""

    def run() -> None:
        async def main() -> None:
            await test(World())

        run_virtually(main())

    return run


async def take(worker: SharedLedger, permits: int, clock: VirtualClock) -> list[float]:
    """Take so many permits that are due soon, and return the moments at which they are."""
    while True:
        await worker.read()
        now = worker.fleet_time(clock.monotonic())
        ledger, due = worker.ledger.take(PACE, now, permits, now + 60, burst=True)
        if await worker.write(ledger, permits=permits):
            return [worker.moment(time) for time in due]


@virtually
async def test_a_worker_whose_clock_is_behind_follows_the_time_of_the_others(world: World) -> None:
    ahead, behind = world.worker(skew=0.4), world.worker(skew=-0.5)
    await take(ahead, 1, world.clock)
    await behind.read()
    assert abs(ahead.fleet_time(0) - behind.fleet_time(0)) < 0.05


@virtually
async def test_a_worker_whose_clock_is_hours_ahead_waits_for_no_longer_than_the_others(world: World) -> None:
    first, ahead = world.worker(), world.worker(skew=7200)
    await take(first, 20, world.clock)
    one, other = await take(ahead, 1, world.clock), await take(first, 1, world.clock)
    assert world.clock.monotonic() < one[0] < other[0] < world.clock.monotonic() + 10


@virtually
async def test_a_ledger_that_went_back_is_taken_as_written_now(world: World) -> None:
    worker, other = world.worker(), world.worker()
    await take(other, 10, world.clock)
    await worker.read()
    await world.clock.sleep(1)
    await take(other, 1, world.clock)
    await worker.read()
    next_free = worker.ledger.next_free
    world.cache.lose(0.5)
    await worker.read()
    assert worker.ledger.next_free > next_free


@virtually
async def test_permits_that_the_cache_lost_are_charged_again_by_the_worker_that_took_them(world: World) -> None:
    worker, other = world.worker(), world.worker()
    await take(worker, 1, world.clock)
    await world.clock.sleep(20)
    await take(worker, 6, world.clock)
    world.cache.lose(0.5)
    await take(other, 6, world.clock)  # it cannot know
    await worker.read()
    assert worker.must_write
    assert worker.ledger.next_free == pytest.approx(
        worker.fleet_time(world.clock.monotonic()) + 12 * PACE.interval, abs=0.2
    )
    assert await worker.write(worker.ledger)
    await worker.read()
    assert not worker.must_write


@virtually
async def test_a_ledger_that_the_cache_lost_is_put_back(world: World) -> None:
    worker = world.worker()
    await take(worker, 10, world.clock)
    next_free = worker.ledger.next_free
    world.cache.lose(1000)
    await worker.read()
    assert worker.must_write
    assert await worker.write(worker.ledger)
    reader = world.worker()
    await reader.read()
    assert reader.ledger.next_free >= next_free
    assert set(reader.ledger.members) == {worker.member}


@virtually
async def test_requests_that_are_owed_are_charged_with_the_next_write_once(world: World) -> None:
    worker = world.worker()
    await worker.read()
    worker.owe(5)
    for _ in range(2):
        assert await worker.write(worker.ledger)
        assert worker.ledger.next_free == pytest.approx(worker.fleet_time(0) + 5 * PACE.interval, abs=0.1)


@virtually
async def test_leases_outlive_a_write_of_0_1_0_and_its_times_are_taken_as_they_are(world: World) -> None:
    worker, other = world.worker(), world.worker()
    for one in (worker, other, worker, other, worker):
        await take(one, 1, world.clock)
    leases = worker.ledger.leases
    await world.old_version_writes(paused=EPOCH + 100.0)
    await worker.read()
    assert {name: lease.share for name, lease in worker.ledger.leases.items()} == {
        name: lease.share for name, lease in leases.items()
    }
    assert worker.ledger.paused_until == EPOCH + 100.0
    assert await worker.write(worker.ledger)
    assert set(worker.ledger.leases) == {worker.member, other.member}


@virtually
async def test_what_0_1_0_leaves_out_is_not_taken_for_lost(world: World) -> None:
    worker, other = world.worker(), world.worker()
    for one in (worker, other, worker, other):
        await take(one, 1, world.clock)
    await take(worker, 5, world.clock)  # the other one does not see it
    await world.old_version_writes()
    await take(other, 1, world.clock)
    await worker.read()
    assert not worker.must_write
    await world.old_version_writes()
    await take(world.worker(), 1, world.clock)  # it remembers no leases
    await worker.read()
    assert not worker.must_write


@virtually
async def test_no_time_of_0_1_0_with_a_clock_far_ahead_holds_for_longer_than_its_bound(world: World) -> None:
    await world.old_version_writes(next=EPOCH + 1e7, paused=EPOCH + 1e7)
    worker = world.worker()
    await worker.read()
    assert worker.ledger.paused_until == pytest.approx(EPOCH + LONGEST_PAUSE_SECONDS, abs=1)
    await world.clock.sleep(600)
    await worker.read()  # seen before
    assert worker.ledger.paused_until == pytest.approx(EPOCH + LONGEST_PAUSE_SECONDS, abs=1)


@virtually
async def test_a_worker_that_leaves_keeps_no_share(world: World) -> None:
    worker, other = world.worker(), world.worker()
    for one in (worker, other, worker, other):
        await take(one, 1, world.clock)
    assert other.share == pytest.approx(0.375)
    await worker.leave()
    await take(other, 1, world.clock)
    assert other.share == pytest.approx(0.75)
    assert set(other.ledger.members) == {other.member}


@virtually
async def test_a_write_without_an_answer_counts_for_the_lease_as_if_it_was_written(world: World) -> None:
    worker = world.worker()
    await worker.read()
    assert await worker.write(worker.ledger)
    await world.clock.sleep(10)
    world.distant.reachable = False
    with pytest.raises(SharedCacheError):
        await worker.write(replace(worker.ledger))
    assert worker.lease_until == pytest.approx(world.clock.monotonic() + IDLE_LEASE_SECONDS, abs=0.1)
    world.distant.reachable = True
    await worker.read()
