"""A pause as the workers of a fleet see it, in virtual time: clocks differ, and the cache comes and goes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from structlog.testing import capture_logs

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_fleet import DistantCache
from tests.support.virtual_time import VirtualClock, run_virtually
from worker.cancellation import cancel_and_wait
from worker.commands.pause import REACHES_SECONDS, pause, resume
from worker.fleet.gate import Gate, gate_document
from worker.fleet.gate_record import Closure, GateRecord
from worker.fleet.memory import MemoryCache


class Worker:
    """A gate with its two dependencies, whose probes only count."""

    def __init__(self, fleet: "Fleet", *, skew: float = 0.0) -> None:
        self.clock = VirtualClock(skew=skew, seed=len(fleet.workers))
        self.cache = DistantCache(fleet.cache, self.clock)
        self.recorder = RecordingMetrics()
        self.gate = Gate(self.cache, "client", self.recorder, self.clock)
        self.probes = {"genesys": 0, "store": 0}
        self.genesys = self.gate.dependency("genesys", "settings")
        self.store = self.gate.dependency("store", "table")
        for dependency in (self.genesys, self.store):
            dependency.probe = lambda name=dependency.name: self._probe(name)
        self.running = asyncio.create_task(self.gate.run())

    async def _probe(self, name: str) -> None:
        self.probes[name] += 1


class Fleet:
    """So many workers, and the operator's view of the document."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cache = MemoryCache(self.clock)
        self.document = gate_document(self.cache, "client")
        self.workers: list[Worker] = []

    def start(self, *, skew: float = 0.0) -> Worker:
        self.workers.append(Worker(self, skew=skew))
        return self.workers[-1]

    async def close(self, *keys: str) -> None:
        """An outage that some worker told of."""
        seen = await self.document.read()
        closed = {key: Closure("Genesys.Unavailable", "503", since=self.clock.time()) for key in keys}
        await self.document.replace(seen, GateRecord(closed=closed), seconds=86_400)


def virtually(test: Callable[[Fleet], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test with a fleet, in virtual time."""

    async def main() -> None:
        fleet = Fleet()
        await test(fleet)
        await cancel_and_wait(*(worker.running for worker in fleet.workers))

    return lambda: run_virtually(main())


@virtually
async def test_a_pause_reaches_every_worker_in_time_and_so_does_its_end(fleet: Fleet) -> None:
    workers = [fleet.start() for _ in range(20)]
    await fleet.clock.sleep(10)
    for _ in range(20):
        await pause(fleet.document, fleet.clock, None)
        await fleet.clock.sleep(REACHES_SECONDS)
        assert all(worker.gate.paused and not worker.gate.may_ask and not worker.gate.may_fetch for worker in workers)
        await fleet.clock.sleep(fleet.clock.uniform(0, 3))
        await resume(fleet.document, fleet.clock)
        await fleet.clock.sleep(REACHES_SECONDS)
        assert all(worker.gate.may_fetch for worker in workers)


@virtually
async def test_a_worker_that_has_looked_once_knows_of_the_pause_before_it_runs(fleet: Fleet) -> None:
    await pause(fleet.document, fleet.clock, None)
    worker = fleet.start()
    await worker.gate.look()
    assert worker.gate.paused
    assert set(worker.recorder.of("paused")) == {True}


def test_a_pause_is_told_at_its_beginning_and_when_it_ends_by_itself() -> None:
    @virtually
    async def scenario(fleet: Fleet) -> None:
        worker = fleet.start()
        await fleet.clock.sleep(5)
        await pause(fleet.document, fleet.clock, 30)
        await fleet.clock.sleep(60)
        assert worker.recorder.of("paused")[-1] is False
        await resume(fleet.document, fleet.clock)
        await fleet.clock.sleep(5)

    with capture_logs() as logs:
        scenario()
    assert [line["event"] for line in logs] == ["paused", "resumed"]


@virtually
async def test_a_pause_lasts_as_long_as_was_asked_for_whatever_the_workers_clocks_say(fleet: Fleet) -> None:
    workers = [fleet.start(skew=skew) for skew in (-3600.0, -30.0, 0.0, 30.0, 3600.0)]
    await fleet.clock.sleep(5)
    await pause(fleet.document, fleet.clock, 60)
    await fleet.clock.sleep(REACHES_SECONDS)
    assert all(worker.gate.paused for worker in workers)
    await fleet.clock.sleep(57)
    assert all(worker.gate.paused for worker in workers)
    await fleet.clock.sleep(2)
    assert not any(worker.gate.paused for worker in workers)


@virtually
async def test_a_worker_that_starts_in_a_pause_holds_for_what_is_left_of_it(fleet: Fleet) -> None:
    await pause(fleet.document, fleet.clock, 60)
    await fleet.clock.sleep(40)
    worker = fleet.start()
    await fleet.clock.sleep(18)
    assert worker.gate.paused
    await fleet.clock.sleep(4)
    assert not worker.gate.paused


@virtually
async def test_a_pause_outlives_a_cache_that_is_unreachable_and_one_that_loses_it(fleet: Fleet) -> None:
    worker, other = fleet.start(), fleet.start()
    await fleet.clock.sleep(5)
    await pause(fleet.document, fleet.clock, None)
    await fleet.clock.sleep(REACHES_SECONDS)
    worker.cache.reachable = other.cache.reachable = False
    fleet.cache._entries.clear()
    await fleet.clock.sleep(600)
    assert worker.gate.paused
    worker.cache.reachable = other.cache.reachable = True
    await fleet.clock.sleep(REACHES_SECONDS)
    assert worker.gate.paused
    assert other.gate.paused
    await resume(fleet.document, fleet.clock)
    await fleet.clock.sleep(REACHES_SECONDS)
    assert not worker.gate.paused
    assert not other.gate.paused


def test_in_a_pause_an_outage_of_genesys_cloud_is_not_probed_and_does_not_expire() -> None:
    @virtually
    async def scenario(fleet: Fleet) -> None:
        worker = fleet.start()
        await fleet.close(worker.genesys.key)
        await fleet.clock.sleep(10)
        await pause(fleet.document, fleet.clock, None)
        await fleet.clock.sleep(REACHES_SECONDS)
        probes = worker.probes["genesys"]
        assert probes
        await fleet.clock.sleep(3600)
        assert worker.probes["genesys"] == probes
        await resume(fleet.document, fleet.clock)
        await fleet.clock.sleep(REACHES_SECONDS)
        assert worker.genesys.closed
        assert worker.probes["genesys"] == probes + 1, "at once"

    with capture_logs() as logs:
        scenario()
    assert "outage_ended" not in [line["event"] for line in logs]


@virtually
async def test_a_pause_does_not_keep_the_store_from_being_probed(fleet: Fleet) -> None:
    worker = fleet.start()
    await pause(fleet.document, fleet.clock, None)
    await fleet.clock.sleep(REACHES_SECONDS)
    await fleet.close(worker.store.key)
    await pause(fleet.document, fleet.clock, None)
    await fleet.clock.sleep(60)
    assert worker.gate.paused
    assert worker.probes["store"] > 3
    worker.store.answered(fleet.clock.monotonic())
    await fleet.clock.sleep(REACHES_SECONDS)
    assert not worker.store.closed
