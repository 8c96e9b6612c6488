"""Calls gathered into requests, whoever leaves and whatever fails; nothing is left over."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from tests.genesys_fleet import Recorder
from worker.clock import SystemClock
from worker.errors import Unavailable, Unexpected
from worker.fleet.allowance import Allowance
from worker.fleet.ledger import Pace
from worker.fleet.memory import MemoryCache
from worker.fleet.token import Token, Tokens
from worker.genesys.client import BlameError, Result, TokenRefusedError
from worker.genesys.details import MOST_REQUESTS, Batching
from worker.genesys.responses import PausedError
from worker.ports import Details

DETAILS = Details(datetime(2026, 1, 1, tzinfo=UTC), ("voice",))


class Api:
    """Answers every request after a turn of the loop, unless `failing` says otherwise."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.failing: Callable[[list[str]], Exception | None] = lambda _: None
        self.wait: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)

    async def __call__(self, ids: list[str], token: str) -> dict[str, Result]:
        assert token
        self.asked.append(ids)
        await self.wait()
        if (error := self.failing(ids)) is not None:
            raise error
        return dict.fromkeys(ids, DETAILS)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def batching(api: Api) -> AsyncIterator[Batching]:
    clock = SystemClock()
    cache = MemoryCache(clock)

    async def log_in() -> Token:
        return Token("token", time.time(), time.time() + 1000)

    tokens = Tokens(cache, "token", log_in, Recorder(), clock)
    allowance = Allowance(cache, "allowance", Pace(600_000), Recorder(), clock)
    opened = Batching(api, tokens, allowance, Recorder(), size=10, longest_wait=60)
    yield opened
    await _idle(opened)
    await opened.close()
    await tokens.close()


async def _idle(batching: Batching) -> None:
    """Wait until nothing is under way; then nothing may be kept either."""
    async with asyncio.timeout(20):
        while batching._dispatcher is not None or batching._requests:
            await asyncio.sleep(0.001)
    assert not batching._calls
    assert not batching._pending
    assert not batching._again
    assert batching._free._value == MOST_REQUESTS


async def test_calls_gather_up_to_the_size_of_a_batch(batching: Batching, api: Api) -> None:
    await asyncio.gather(*(batching.fetch(f"id-{number}") for number in range(25)))
    assert [len(ids) for ids in api.asked] == [10, 10, 5]


async def test_a_call_that_nobody_waits_for_any_more_is_not_asked_for(batching: Batching, api: Api) -> None:
    api.failing = lambda _: PausedError("429", 0.3) if len(api.asked) == 1 else None
    first = asyncio.create_task(batching.fetch("first"))
    async with asyncio.timeout(20):
        while not api.asked:
            await asyncio.sleep(0)
    leaving = [asyncio.create_task(batching.fetch(f"leaving-{number}")) for number in range(5)]
    staying = asyncio.create_task(batching.fetch("staying"))
    await asyncio.sleep(0)
    for task in [first, *leaving]:
        task.cancel()
    assert await staying == DETAILS
    assert api.asked == [["first"], ["staying"]]


async def test_an_id_asked_for_again_after_its_answer_is_asked_for_again(batching: Batching, api: Api) -> None:
    for _ in range(2):
        await batching.fetch("id")
    assert api.asked == [["id"], ["id"]]


async def test_a_fault_of_our_own_fails_the_batch_and_no_later_one(batching: Batching, api: Api) -> None:
    api.failing = lambda _: KeyError("oops") if len(api.asked) == 1 else None
    with pytest.raises(Unexpected, match="KeyError"):
        await batching.fetch("id-1")
    assert await batching.fetch("id-1") == DETAILS


async def test_every_caller_gets_an_error_of_its_own(batching: Batching, api: Api) -> None:
    api.failing = lambda _: Unavailable("away")
    one, other = await asyncio.gather(batching.fetch("same"), batching.fetch("same"), return_exceptions=True)
    assert isinstance(one, Unavailable)
    assert isinstance(other, Unavailable)
    assert one is not other


async def test_chaos_leaves_nothing_behind(batching: Batching, api: Api) -> None:
    chance = random.Random(7)
    failures: list[Callable[[], Exception]] = [
        lambda: PausedError("429", 0.01),
        lambda: TokenRefusedError("401"),
        lambda: BlameError(Unavailable("500")),
        lambda: Unavailable("no connection"),
        lambda: RuntimeError("fault"),
    ]
    api.failing = lambda _: chance.choice(failures)() if chance.random() < 0.4 else None
    api.wait = lambda: asyncio.sleep(chance.random() / 100)

    async def call(number: int) -> None:
        await asyncio.sleep(chance.random() / 5)
        task = asyncio.create_task(batching.fetch(f"id-{number % 300}"))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() / 50)
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            assert task.exception() is None or not isinstance(task.exception(), asyncio.CancelledError)

    await asyncio.gather(*(call(number) for number in range(1000)))
    assert len(api.asked) > 10
