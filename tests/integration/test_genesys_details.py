"""Details over the network, from the simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.fakes import RecordingMetrics
from tests.support.genesys_details import details_of_worker
from tests.support.genesys_fleet import assert_failed, open_fleet, settings_for
from tests.support.stack import StartSimulator
from worker.clock import SystemClock
from worker.errors import (
    AttemptError,
    InteractionUnavailable,
    Invalid,
    NotReady,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from worker.fleet.memory import MemoryCache
from worker.fleet.outage_rule import ENOUGH_FAILURES
from worker.genesys.service import GenesysDetails
from worker.local.simulator.conversations import conversation
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options, Simulator
from worker.ports import Details

PLENTY = 100_000

OpenDetails = Callable[..., AbstractAsyncContextManager[tuple[GenesysDetails, Simulator, RecordingMetrics]]]


@pytest.fixture
def opened(start_simulator: StartSimulator) -> OpenDetails:
    """A worker and the simulator that it asks."""

    @asynccontextmanager
    async def opened(
        plan: FaultPlan | None = None, requests: int = PLENTY, **changes: Any
    ) -> AsyncIterator[tuple[GenesysDetails, Simulator, RecordingMetrics]]:
        simulator = await start_simulator(Options(requests=requests, plan=plan or FaultPlan()))
        recorder = RecordingMetrics()
        async with open_fleet(settings_for(simulator, **changes), [MemoryCache(SystemClock())], recorder) as (details,):
            yield details, simulator, recorder

    return opened


async def _fetch_all(details: GenesysDetails, ids: list[str]) -> dict[str, Details | AttemptError]:
    return dict(zip(ids, await asyncio.gather(*(details.fetch(one) for one in ids)), strict=True))


@pytest.mark.parametrize(
    "path",
    [
        None,
        "/api/v2/analytics/conversations/{interactionId}/details",
        "/api/v2/conversations/{interactionId}",
        "/api/v2/interactions/events/details/{interactionId}",
    ],
)
async def test_every_endpoint_gives_the_same_start_time_and_channels(opened: OpenDetails, path: str | None) -> None:
    async with opened(genesys_details_path=path) as (details, _, _):
        for number in range(20):
            expected = conversation(f"conversation-{number}")
            found = await details.fetch(expected.interaction_id)
            assert isinstance(found, Details)
            assert found.start_time == expected.start
            assert found.channels == expected.channels


async def test_a_thousand_calls_at_once_are_ten_requests_and_one_login(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, recorder):
        results = await _fetch_all(details, [f"id-{number}" for number in range(1000)])
        assert all(isinstance(result, Details) for result in results.values())
        assert simulator.stats.batch_sizes == {100: 10}
        assert simulator.stats.logins == 1
        assert recorder.calls.count(("token_fetch", "login")) == 1
        assert recorder.calls.count(("genesys_request", "details", 200)) == 10
        assert recorder.of("batch") == [100] * 10


async def test_an_event_in_the_middle_of_a_request_is_answered_by_the_next_one(opened: OpenDetails) -> None:
    async with opened(FaultPlan(slow_share=1.0, slow_seconds=0.5)) as (details, simulator, _):
        early = asyncio.create_task(details.fetch("same"))
        async with asyncio.timeout(20):
            while not simulator.stats.requests["batch"]:
                await asyncio.sleep(0.01)
        called_at = datetime.now(UTC)
        late = await details.fetch("same")
        assert isinstance(late, Details)
        assert late.asked_at >= called_at
        assert isinstance(await early, Details)
        assert simulator.stats.batch_sizes == {1: 2}


async def test_details_are_no_younger_than_their_answer_though_our_clock_is_ahead(
    start_simulator: StartSimulator,
) -> None:
    class Ahead(SystemClock):
        def time(self) -> float:
            return super().time() + 3600

    settings = settings_for(await start_simulator(Options(requests=PLENTY)))
    async with details_of_worker(settings, MemoryCache(SystemClock()), RecordingMetrics(), clock=Ahead()) as details:
        found = await details.fetch("id-1")
    assert isinstance(found, Details)
    assert found.asked_at <= datetime.now(UTC) + timedelta(seconds=1)


async def test_an_id_outside_the_alphabet_never_reaches_a_url(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, _):
        for bad in ("../../oauth", "a b", "", "x" * 65, "a&id=b", "ü"):
            assert isinstance(await details.fetch(bad), Invalid)
        assert simulator.stats.requests.total() == 0


async def test_a_missing_id_is_not_ready_and_harms_no_other(opened: OpenDetails) -> None:
    async with opened(FaultPlan(missing_prefix="gone-")) as (details, _, _):
        results = await _fetch_all(details, ["gone-1", *(f"id-{number}" for number in range(98)), "gone-2"])
        for name, result in results.items():
            assert isinstance(result, NotReady if name.startswith("gone-") else Details)


async def test_a_missing_id_in_template_mode_is_not_ready(opened: OpenDetails) -> None:
    plan = FaultPlan(missing_prefix="gone-")
    async with opened(plan, genesys_details_path="/api/v2/conversations/{interactionId}") as (details, _, _):
        assert_failed(await details.fetch("gone-1"), NotReady, r"404 not\.found, ININ-Correlation-Id ")


@pytest.mark.parametrize("bad", [1, 2, 3])
async def test_ids_that_make_any_request_fail_are_found_and_take_nobody_with_them(
    opened: OpenDetails, bad: int
) -> None:
    async with opened(FaultPlan(poison_prefix="poison-")) as (details, simulator, _):
        ids = [f"id-{number}" for number in range(100 - bad)]
        for number in range(bad):
            ids.insert(7 + number * 30, f"poison-{number}")
        results = await _fetch_all(details, ids)
        for name, result in results.items():
            assert isinstance(result, InteractionUnavailable if name.startswith("poison-") else Details), name
        assert simulator.stats.requests["batch"] <= 15 * bad


async def test_an_outage_costs_a_batch_no_more_requests_than_it_takes_to_notice(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, _):
        await details.check()
        simulator.faults.plan = simulator.faults.plan.changed({"error_share": 1.0})
        results = await _fetch_all(details, [f"id-{number}" for number in range(100)])
        assert all(isinstance(result, Unavailable | InteractionUnavailable) for result in results.values())
        assert simulator.stats.requests["batch"] <= ENOUGH_FAILURES
        simulator.faults.plan = FaultPlan()
        assert isinstance(await details.fetch("id-1"), Details)


async def test_an_answer_that_is_cut_off_is_asked_for_again_in_parts(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, recorder):
        await details.check()
        simulator.faults.plan = FaultPlan(cut_off_share=1.0)
        waiting = asyncio.create_task(_fetch_all(details, [f"id-{number}" for number in range(100)]))
        async with asyncio.timeout(20):
            while not simulator.stats.statuses[0]:
                await asyncio.sleep(0)
        simulator.faults.plan = FaultPlan()
        assert all(isinstance(result, Details) for result in (await waiting).values())
        assert recorder.calls.count(("genesys_request", "details", 200)) >= 2


async def test_a_refused_connection_is_unavailable(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, recorder):
        await details.check()
        await simulator.__aexit__(None, None, None)
        assert_failed(await details.fetch("id-1"), Unavailable, "no connection")
        assert recorder.calls.count(("genesys_request", "details", None)) == 1


async def test_a_revoked_token_costs_one_login_and_no_attempt(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, _):
        await details.fetch("before")
        simulator.tokens.revoke_all()
        results = await _fetch_all(details, [f"id-{number}" for number in range(1000)])
        assert all(isinstance(result, Details) for result in results.values())
        assert simulator.stats.logins == 2


async def test_a_wrong_secret_is_reported_as_one_and_not_tried_again_and_again(opened: OpenDetails) -> None:
    async with opened(genesys_client_secret="wrong") as (details, simulator, _):
        for _ in range(50):
            with pytest.raises(Unauthorized, match=r"401 \(invalid_client\).*GENESYS_CLIENT_ID"):
                await details.check()
        assert_failed(await details.fetch("id-1"), Unauthorized, r"401 \(invalid_client\)")
        assert simulator.stats.logins_refused == 1


async def test_a_login_that_does_not_answer_is_unavailable_until_it_does(opened: OpenDetails) -> None:
    async with opened(FaultPlan(login_outage=True)) as (details, simulator, _):
        assert_failed(await details.fetch("id-1"), Unavailable, "login answered 503")
        simulator.faults.plan = FaultPlan()
        async with asyncio.timeout(20):
            while True:
                try:
                    await details.check()
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)
        assert isinstance(await details.fetch("id-1"), Details)
        assert simulator.stats.logins == 1


async def test_a_429_is_waited_out_in_the_slot(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, recorder):
        await details.check()
        simulator.throttle(1.2)
        results = await _fetch_all(details, [f"id-{number}" for number in range(250)])
        assert all(isinstance(result, Details) for result in results.values())
        assert simulator.stats.during_throttle == 0
        assert recorder.calls.count(("genesys_request", "details", 429)) >= 1
        assert recorder.of("paused_until")


async def test_a_pause_longer_than_a_slot_should_wait_hands_the_work_back(opened: OpenDetails) -> None:
    async with opened(allowance_wait_seconds=0.5) as (details, simulator, _):
        await details.check()
        simulator.throttle(3600)
        assert_failed(await details.fetch("id-1"), RateLimited, r"no request allowance within 0\.5 s")
        assert isinstance(await details.fetch("id-2"), RateLimited)
        assert simulator.stats.requests["batch"] == 1


async def test_leaving_cancels_who_still_waits(opened: OpenDetails) -> None:
    async with opened() as (details, simulator, _):
        await details.check()
        simulator.throttle(3600)
        waiting = asyncio.create_task(details.fetch("id-1"))
        async with asyncio.timeout(20):
            while not simulator.stats.statuses[429]:
                await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await waiting
