"""Calls gathered into requests, whoever leaves and whatever fails; nothing is left over. In virtual time."""

import asyncio
import random
from datetime import UTC, datetime

from tests.support.virtual_time import EPOCH
from tests.unit.genesys.rig import Rig, details_of, virtually
from worker.errors import (
    AttemptError,
    InteractionUnavailable,
    Invalid,
    NotReady,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unexpected,
)
from worker.events import MADE_UP_PREFIX
from worker.fleet.allowance import Permit
from worker.fleet.token import LoginFailed
from worker.genesys.answer import Answer, Answered, Refused, Suspect, Throttled, TokenRefused, Unreachable
from worker.ports import Details

FAILS = InteractionUnavailable("fails")


@virtually
async def test_calls_gather_up_to_the_size_of_a_batch(rig: Rig) -> None:
    await asyncio.gather(*rig.start(*(f"id-{number}" for number in range(25))))
    assert [len(ids) for ids in rig.asked] == [10, 10, 5]


@virtually
async def test_a_call_joins_one_that_waits(rig: Rig) -> None:
    one, other = await asyncio.gather(*rig.start("same", "same"))
    assert one is other
    assert rig.asked == [["same"]]


@virtually
async def test_a_call_never_joins_a_request_that_was_sent_already(rig: Rig) -> None:
    early = rig.start("same")
    await rig.requests(1)
    await rig.clock.sleep(1)
    called_at = datetime.fromtimestamp(rig.clock.time(), UTC)
    late = rig.start("same", "same")
    assert details_of(await early[0]).asked_at < called_at
    for task in late:
        assert details_of(await task).asked_at >= called_at
    assert rig.asked == [["same"], ["same"]]


@virtually
async def test_a_call_does_not_join_one_whose_request_failed(rig: Rig) -> None:
    rig.once(Throttled(30, "429"))
    first = rig.start("same")
    await rig.requests(1)
    await rig.clock.sleep(5)
    second = rig.start("same")
    assert details_of(await first[0])
    assert details_of(await second[0])
    assert rig.asked == [["same"]] * 3


@virtually
async def test_a_call_that_nobody_waits_for_any_more_is_not_asked_for(rig: Rig) -> None:
    rig.once(Throttled(10, "429"))
    first = rig.start("first")
    await rig.requests(1)
    await rig.clock.sleep(5)
    leaving, staying = rig.start(*(f"leaving-{number}" for number in range(5))), rig.start("staying")
    await asyncio.sleep(0)
    for task in [*first, *leaving]:
        task.cancel()
    assert details_of(await staying[0])
    assert rig.asked == [["first"], ["staying"]]


@virtually
async def test_a_caller_that_leaves_takes_no_other_one_along(rig: Rig) -> None:
    leaving, staying = rig.start("same", "same")
    await rig.requests(1)
    leaving.cancel()
    assert details_of(await staying)
    assert leaving.cancelled()


@virtually
async def test_an_id_asked_for_again_after_its_answer_is_asked_for_again(rig: Rig) -> None:
    for _ in range(2):
        await rig.batching.fetch("id")
    assert rig.asked == [["id"], ["id"]]


@virtually
async def test_all_callers_get_the_same_error_as_a_value(rig: Rig) -> None:
    error = NotReady("not yet")
    rig.answer = lambda _: Answered({"same": error})
    assert await asyncio.gather(*rig.start("same", "same")) == [error, error]


@virtually
async def test_a_fault_of_our_own_fails_the_batch_and_no_later_one(rig: Rig) -> None:
    def fault(_: list[str]) -> Answer:
        rig.answer = rig.good
        raise KeyError("oops")

    rig.answer = fault
    result = await rig.batching.fetch("id-1")
    assert isinstance(result, Unexpected)
    assert "KeyError" in str(result)
    assert details_of(await rig.batching.fetch("id-1"))


@virtually
async def test_a_refusal_for_everybody_is_asked_about_once(rig: Rig) -> None:
    error = Unauthorized("403")
    for answer in (Refused(error, 403), Unreachable(error)):
        rig.asked.clear()
        rig.once(answer)
        assert set(await asyncio.gather(*rig.start(*"abcdefghij"))) == {error}
        assert len(rig.asked) == 1


@virtually
async def test_a_refused_token_is_replaced_and_the_batch_asked_for_again(rig: Rig) -> None:
    await rig.batching.fetch("before")
    rig.once(TokenRefused("401"))
    assert details_of(await rig.batching.fetch("id"))
    assert rig.tokens_used == ["token-1", "token-1", "token-2"]


@virtually
async def test_a_fresh_token_that_is_refused_too_is_unauthorized(rig: Rig) -> None:
    rig.answer = lambda _: TokenRefused("401")
    result = await rig.batching.fetch("id")
    assert isinstance(result, Unauthorized)
    assert str(result) == "401, with a fresh token too"
    assert len(rig.asked) == 2


@virtually
async def test_only_the_id_at_fault_suffers_for_a_failed_batch(rig: Rig) -> None:
    rig.answer = lambda ids: Suspect(Invalid("400"), 400) if "bad" in ids else rig.good(ids)
    results = await asyncio.gather(*rig.start(*"abcd", "bad", *"efghi"))
    assert [str(result) for result in results if isinstance(result, AttemptError)] == ["400"]
    assert isinstance(results[4], Invalid)


@virtually
async def test_three_ids_that_make_any_request_fail_harm_no_other_one(rig: Rig) -> None:
    bad = {"c", "f", "g"}
    rig.answer = lambda ids: Suspect(FAILS, 500) if bad & set(ids) else rig.good(ids)
    results = await asyncio.gather(*rig.start_held(*"abcdefghij"))
    found = {one for one, result in zip("abcdefghij", results, strict=True) if isinstance(result, AttemptError)}
    assert found == bad
    assert not rig.gate.closed


@virtually
async def test_ids_that_the_client_may_not_see_are_found_in_their_batch(rig: Rig) -> None:
    rig.answer = lambda ids: Suspect(FAILS, 403) if "c" in ids else rig.good(ids)
    results = await asyncio.gather(*rig.start_held(*"abcdefghij"))
    assert [result for result in results if isinstance(result, AttemptError)] == [FAILS]


@virtually
async def test_the_allowance_is_told_of_every_answer(rig: Rig) -> None:
    told: list[Permit] = []
    answered = rig.allowance.answered

    def remember(permit: Permit) -> None:
        told.append(permit)
        answered(permit)

    rig.allowance.answered = remember  # type: ignore[method-assign]
    rig.once(Unreachable(Unavailable("no connection")))
    await asyncio.gather(*rig.start("a"))
    await asyncio.gather(*rig.start("b"))
    assert len(told) == len(rig.asked) == 2


@virtually
async def test_one_id_that_fails_is_no_outage_also_when_it_is_all_there_is_to_do(rig: Rig) -> None:
    rig.answer = lambda ids: Suspect(FAILS, 500) if "bad" in ids else rig.good(ids)
    for _ in range(3):
        assert await rig.details.fetch("bad") is FAILS
    assert not rig.recorder.of("dependency_up")[1:]
    assert len(rig.asked) == 6, "one probe of a made-up id for each failure"


@virtually
async def test_a_suspect_never_shares_a_request(rig: Rig) -> None:
    fetching = [asyncio.create_task(rig.details.fetch(one, alone=one in "cd")) for one in "abcd"]
    await asyncio.gather(*fetching)
    assert sorted(rig.asked) == [["a", "b"], ["c"], ["d"]]


@virtually
async def test_an_outage_is_waited_out_and_costs_few_requests(rig: Rig) -> None:
    rig.answer = lambda _: Suspect(FAILS, 503)
    waiting = rig.start_held(*(f"id-{number}" for number in range(30)))
    await rig.clock.sleep(2400)
    assert not any(task.done() for task in waiting)
    asked = len(rig.asked)
    await rig.clock.sleep(600)
    assert len(rig.asked) - asked <= 20, "a probe each 30 s"
    rig.answer = rig.good
    assert all(map(details_of, await asyncio.gather(*waiting)))
    assert rig.recorder.of("dependency_up") == ["genesys"] * 3


@virtually
async def test_nothing_but_probes_is_sent_while_the_gate_is_closed(rig: Rig) -> None:
    rig.answer = lambda _: Suspect(FAILS, 503)
    waiting = rig.start_held(*"abc")
    await rig.clock.sleep(600)
    assert rig.gate.closed
    asked = len(rig.asked)
    waiting += rig.start_held(*"defg")
    await rig.clock.sleep(600)
    assert all(one.startswith(MADE_UP_PREFIX) for ids in rig.asked[asked:] for one in ids)
    rig.answer = rig.good
    assert all(map(details_of, await asyncio.gather(*waiting)))


@virtually
async def test_a_role_that_is_lost_closes_the_gate(rig: Rig) -> None:
    rig.answer = lambda _: Suspect(FAILS, 403)
    waiting = rig.start_held(*"abc")
    await rig.clock.sleep(600)
    assert rig.gate.closed
    assert not any(task.done() for task in waiting)
    rig.answer = rig.good
    assert all(map(details_of, await asyncio.gather(*waiting)))


@virtually
async def test_a_secret_that_is_refused_closes_the_gate(rig: Rig) -> None:
    rig.login_failure = LoginFailed(Unauthorized("401"), None)
    waiting = rig.start_held(*"abc")
    await rig.clock.sleep(600)
    assert rig.gate.closed
    assert not any(task.done() for task in waiting)
    rig.login_failure = None
    assert all(map(details_of, await asyncio.gather(*waiting)))


@virtually
async def test_a_pause_is_waited_out_and_a_longer_one_hands_the_call_back(rig: Rig) -> None:
    rig.once(Throttled(42, "429"))
    assert details_of(await rig.batching.fetch("id")).asked_at.timestamp() - EPOCH >= 42
    rig.once(Throttled(3600, "429"))
    result = await rig.batching.fetch("id")
    assert isinstance(result, RateLimited)
    assert str(result) == "no request allowance within 60 s"


@virtually
async def test_no_token_is_the_result_of_every_call(rig: Rig) -> None:
    rig.login_failure = LoginFailed(Unauthorized("wrong secret"), None)
    results = await asyncio.gather(*rig.start("one", "other"))
    assert [str(result) for result in results] == ["wrong secret"] * 2
    assert rig.asked == []


@virtually
async def test_a_login_that_is_throttled_is_waited_for(rig: Rig) -> None:
    rig.login_failure = LoginFailed(RateLimited("login answered 429"), 20)
    [waiting] = rig.start("id")
    async with rig.clock.timeout(600):
        while not rig.logins:
            await rig.clock.sleep(0.01)
    rig.login_failure = None
    assert details_of(await waiting).asked_at.timestamp() - EPOCH >= 20


@virtually
async def test_closing_cancels_every_call_and_starts_nothing_more(rig: Rig) -> None:
    rig.once(Throttled(3600, "429"))
    tasks = rig.start("refused")
    await rig.clock.sleep(1)
    tasks += rig.start("in-flight")
    await rig.clock.sleep(2.5)
    tasks += rig.start("waiting")
    await rig.clock.sleep(0.1)
    assert rig.asked == [["refused"], ["in-flight"]]
    await rig.batching.close()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("details-")] == []
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)


@virtually
async def test_chaos_leaves_nothing_behind(rig: Rig) -> None:
    chance = random.Random(7)
    failures: list[Answer] = [
        Throttled(0.1, "429"),
        TokenRefused("401"),
        Suspect(Unavailable("500"), 500),
        Unreachable(Unavailable("no connection")),
        Refused(Unauthorized("403"), 403),
    ]

    def answer(ids: list[str]) -> Answer:
        rig.seconds = chance.random()
        if chance.random() < 0.05:
            raise RuntimeError("fault")
        return chance.choice(failures) if chance.random() < 0.4 else rig.good(ids)

    async def call(number: int) -> None:
        await rig.clock.sleep(20 * chance.random())
        [task] = rig.start(f"id-{number % 300}")
        if chance.random() < 0.3:
            await rig.clock.sleep(chance.random())
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            assert isinstance(task.result(), Details | AttemptError)

    rig.answer = answer
    await asyncio.gather(*(call(number) for number in range(1000)))
    assert len(rig.asked) > 10
