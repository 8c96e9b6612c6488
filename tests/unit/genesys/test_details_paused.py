"""Calls for details while the fleet is paused: nothing is sent, nothing fails, nothing is forgotten."""

import asyncio

from tests.unit.genesys.rig import Rig, details_of, virtually
from worker.commands.pause import REACHES_SECONDS, pause, resume
from worker.errors import InteractionUnavailable
from worker.genesys.answer import Suspect, Throttled, TokenRefused

HOUR = 3600.0


async def paused(rig: Rig) -> None:
    await pause(rig.gate._document, rig.clock, None)
    await rig.clock.sleep(REACHES_SECONDS)


async def resumed(rig: Rig) -> None:
    await resume(rig.gate._document, rig.clock)


@virtually
async def test_calls_wait_out_a_pause_however_long_and_are_sent_after_it(rig: Rig) -> None:
    await paused(rig)
    waiting = rig.start_held(*(f"id-{number}" for number in range(30)))
    await rig.clock.sleep(HOUR)
    assert not rig.asked
    assert not rig.logins
    assert not any(task.done() for task in waiting)
    await resumed(rig)
    assert all(map(details_of, await asyncio.gather(*waiting)))
    assert [len(ids) for ids in rig.asked] == [10, 10, 10]


@virtually
async def test_a_request_that_is_under_way_is_answered_in_the_pause(rig: Rig) -> None:
    (call,) = rig.start_held("id")
    await rig.requests(1)
    await paused(rig)
    assert details_of(await call)
    await resumed(rig)


@virtually
async def test_what_has_to_be_asked_again_waits_for_the_end_of_the_pause(rig: Rig) -> None:
    for answer in (Throttled(5, "429"), TokenRefused("401")):
        rig.once(answer)
        before = len(rig.asked)
        (call,) = rig.start_held("id")
        await rig.requests(before + 1)
        await paused(rig)
        await rig.clock.sleep(HOUR)
        assert len(rig.asked) == before + 1
        await resumed(rig)
        assert details_of(await call)


@virtually
async def test_a_batch_that_fails_in_a_pause_is_held_and_harms_nobody(rig: Rig) -> None:
    rig.once(Suspect(InteractionUnavailable("503"), 503))
    calls = rig.start_held(*"abcdefghij")
    await rig.requests(1)
    await paused(rig)
    await rig.clock.sleep(HOUR)
    assert len(rig.asked) == 1
    assert not any(task.done() for task in calls)
    await resumed(rig)
    assert all(map(details_of, await asyncio.gather(*calls)))


@virtually
async def test_a_probe_that_waits_for_the_allowance_is_not_sent_in_a_pause(rig: Rig) -> None:
    rig.once(Throttled(30, "429"))
    (call,) = rig.start_held("id")
    await rig.requests(1)
    await rig.clock.sleep(4)
    probe = asyncio.create_task(rig.batching.probe())
    await paused(rig)
    await rig.clock.sleep(HOUR)
    assert len(rig.asked) == 1
    await resumed(rig)
    await probe
    assert details_of(await call)


@virtually
async def test_a_call_whose_task_is_handed_back_in_a_pause_leaves_nothing_behind(rig: Rig) -> None:
    await paused(rig)
    (call,) = rig.start_held("id")
    await rig.clock.sleep(10)
    call.cancel()
    await asyncio.wait([call])
    await resumed(rig)
    await rig.clock.sleep(10)
    assert not rig.asked
