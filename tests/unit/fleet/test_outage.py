"""An outage costs nothing, and one bad id is one bad id: the whole service in virtual time."""

import pytest

from tests.support.outage_scenarios import (
    FORBIDDEN,
    MINUTE,
    SERVER_ERROR,
    fault_until_cured,
    outage_of_forty_minutes,
    virtually,
)
from tests.support.virtual_service import Service
from worker.errors import StoreRefused, StoreThrottled, StoreUnavailable, Unauthorized
from worker.fleet.token import LoginFailed
from worker.genesys.answer import Answer

INTERACTIONS = 500


@pytest.mark.parametrize("rollout", [False, True])
def test_an_outage_of_forty_minutes_costs_nothing(*, rollout: bool) -> None:
    async def main() -> None:
        await outage_of_forty_minutes(3 * INTERACTIONS, rollout=rollout, slots=25)

    virtually(main)


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("DynamoDB did not confirm the item: EndpointConnectionError"),
        StoreUnavailable("DynamoDB did not confirm the item: AccessDeniedException"),
        StoreRefused("DynamoDB refuses the item"),
    ],
    ids=["an outage", "a lost permission", "a wrong key"],
)
def test_a_store_that_takes_no_writes_costs_nothing(error: StoreUnavailable) -> None:
    def begin(service: Service) -> None:
        service.table.failure = lambda: error

    def cure(service: Service) -> None:
        service.table.failure = lambda: None

    async def main() -> None:
        service = await fault_until_cured(INTERACTIONS, begin, cure)
        assert len(service.table.probes) <= 4 * 10 + 2 * 42

    virtually(main)


def test_without_a_shared_cache_each_worker_finds_out_and_probes_for_itself() -> None:
    """As when both are tables of one DynamoDB that is down."""

    def begin(service: Service) -> None:
        service.table.failure = lambda: StoreUnavailable("EndpointConnectionError")
        for worker in service.workers:
            worker.cache.reachable = False

    def cure(service: Service) -> None:
        service.table.failure = lambda: None
        for worker in service.workers:
            worker.cache.reachable = True

    async def main() -> None:
        service = await fault_until_cured(INTERACTIONS, begin, cure)
        assert len(service.table.probes) <= 4 * (10 + 2 * 42)

    virtually(main)


def test_a_closed_gate_stays_closed_when_the_shared_cache_goes_away() -> None:
    async def main() -> None:
        service = Service(workers=2)
        service.start(500)
        service.genesys.answer = lambda _: SERVER_ERROR
        await service.clock.sleep(5 * MINUTE)
        for worker in service.workers:
            worker.cache.reachable = False
        asked = len(service.genesys.arrivals)
        await service.clock.sleep(10 * MINUTE)
        assert len(service.genesys.arrivals) - asked <= 2 * 2 * 11, "each worker sends a probe every 30 s"
        service.genesys.answer = lambda _: None
        await service.clock.sleep(MINUTE)
        assert not any(worker.gate.closed for worker in service.workers)
        for worker in service.workers:
            worker.cache.reachable = True
        await service.clock.sleep(5)
        assert not any(worker.gate.closed for worker in service.workers), "the fleet's closure is removed"
        await service.until_done()
        await service.stop()
        assert service.machine.ends == {"stored": 500}

    virtually(main)


def test_a_secret_that_is_refused_is_cured_by_the_version_with_the_right_one() -> None:
    async def main() -> None:
        service = Service(size=100)
        service.start(INTERACTIONS)
        service.genesys.wrong_secret = "secret"
        service.genesys.login_failure = LoginFailed(Unauthorized("401"), None)
        await service.clock.sleep(30 * MINUTE)
        assert all(worker.gate.closed for worker in service.workers)
        assert service.genesys.logins <= 60
        service.secret = "rotated"
        assert max(await service.replace_workers()) < 10
        await service.until_done(seconds=10 * MINUTE)
        await service.stop()
        assert service.machine.ends == {"stored": INTERACTIONS}

    virtually(main)


def test_a_worker_that_alone_gets_no_answers_hands_back_and_polls_no_more() -> None:
    async def main() -> None:
        service = Service(workers=3, size=100)
        broken = service.workers[0]
        broken.reaches_genesys = False
        service.feed(per_second=2.0)
        await service.clock.sleep(10 * MINUTE)
        assert broken.gate.closed
        assert not any(worker.gate.closed for worker in service.workers[1:])
        assert broken.slots.busy == 0
        broken.reaches_genesys = True
        await service.clock.sleep(MINUTE)
        assert not broken.gate.closed
        service.stop_feeding()
        await service.until_done()
        await service.stop()
        assert set(service.machine.ends) == {"stored"}

    virtually(main)


@pytest.mark.parametrize("size", [1, 100])
def test_half_the_requests_failing_is_no_outage(size: int) -> None:
    async def main() -> None:
        service = Service(size=size, slots=25)
        service.genesys.answer = lambda _: SERVER_ERROR if service.chance.random() < 0.5 else None
        service.feed(per_second=1.5)
        await service.clock.sleep(20 * MINUTE)
        service.genesys.answer = lambda _: None
        service.stop_feeding()
        await service.until_done()
        await service.stop()
        assert set(service.machine.ends) == {"stored"}
        assert not service.closures, "no worker has declared an outage"

    virtually(main)


@pytest.mark.parametrize("size", [1, 100])
def test_ids_that_make_any_request_fail_harm_no_other_one(size: int) -> None:
    async def main() -> None:
        service = Service(size=size)
        poisoned = {f"id-{number}" for number in range(0, INTERACTIONS, 20)}
        service.genesys.answer = lambda ids: SERVER_ERROR if poisoned & set(ids) else None
        service.start(INTERACTIONS)
        await service.until_done()
        await service.stop()
        assert service.machine.ends == {
            "stored": INTERACTIONS - len(poisoned),
            "Interaction.Unavailable": len(poisoned),
        }
        assert len(service.genesys.arrivals) <= 2 * (INTERACTIONS - len(poisoned))
        assert not service.closures

    virtually(main)


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("others", [0, 197])
def test_ids_that_the_client_may_not_see_are_no_outage(size: int, others: int) -> None:
    def answer(ids: list[str]) -> Answer | None:
        return FORBIDDEN if any(one in {"id-0", "id-1", "id-2"} for one in ids) else None

    async def main() -> None:
        service = Service(size=size)
        service.genesys.answer = answer
        service.start(3 + others)
        await service.until_done()
        await service.stop()
        assert (
            service.machine.ends == {"stored": others, "Interaction.Unavailable": 3}
            if others
            else {"Interaction.Unavailable": 3}
        )
        assert not service.closures

    virtually(main)


def test_a_table_that_throttles_is_no_outage() -> None:
    async def main() -> None:
        service = Service(size=100)
        service.table.failure = lambda: StoreThrottled("throttled") if service.chance.random() < 0.7 else None
        service.start(INTERACTIONS)
        await service.until_done()
        await service.stop()
        assert service.machine.ends == {"stored": INTERACTIONS}
        assert not service.closures

    virtually(main)
