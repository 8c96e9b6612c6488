"""The memory that answers take together: bounded, given back, and never waited for in a circle."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Awaitable
from typing import Any, cast

import pytest

from worker.genesys.answer_memory import FREE_BYTES, LARGEST_WEIGHT, AnswerMemory, HeldDocument, TooLargeError, weigh

MANY = 100_000


async def stands_still(*waiting: "asyncio.Task[Any]") -> bool:
    """Whether none of these goes on, however often the loop turns."""
    for _ in range(10):
        await asyncio.sleep(0)
    return not any(one.done() for one in waiting)


def start(one: Awaitable[Any]) -> "asyncio.Task[Any]":
    return asyncio.ensure_future(one)


def size_of(value: Any, seen: set[int]) -> int:
    """What a JSON value takes, as far as the interpreter knows, but for what was seen before."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    return sys.getsizeof(value) + sum(size_of(part, seen) for part in parts)


SEGMENT = {"segmentStart": "2026-01-02T03:04:05.678Z", "queueId": "3c5b1f7e-5b1f-4b1f-8b1f-3c5b1f7e5b1f", "number": 7}


@pytest.mark.parametrize(
    "text",
    [
        f"[{','.join(['{}'] * 1000)}]",
        f"[{','.join(['[]'] * 1000)}]",
        f"[{','.join(['[0]'] * 1000)}]",
        json.dumps([{"": 0}] * 1000, separators=(",", ":")),
        f"[{','.join(['[' * 50 + ']' * 50] * 100)}]",
        f"[{','.join(['1e9'] * 1000)}]",
        json.dumps([f"{number:x}" for number in range(1000)], separators=(",", ":")),
        json.dumps({f"{number:x}": 0 for number in range(5000)}, separators=(",", ":")),
        json.dumps("ä" * 1000, ensure_ascii=False),
        json.dumps("x" * 1000 + "\N{PILE OF POO}", ensure_ascii=False),
        json.dumps([SEGMENT] * 100),
    ],
)
def test_nothing_takes_more_than_it_weighs(text: str) -> None:
    assert sys.getsizeof(text) + size_of(json.loads(text), set()) <= weigh(text, 0, len(text))


async def test_what_is_small_is_read_while_large_answers_take_all_the_room() -> None:
    memory = AnswerMemory(reading=MANY)
    with memory.share() as one, memory.share() as other, memory.share() as small:
        await one.grow(FREE_BYTES + MANY)
        await other.grow(FREE_BYTES + MANY)
        await small.grow(FREE_BYTES)


async def test_beyond_the_budget_one_answer_after_the_other_is_read() -> None:
    memory = AnswerMemory(reading=MANY)
    shares = [memory.share() for _ in range(4)]
    await shares[0].grow(FREE_BYTES + MANY)
    await shares[1].grow(FREE_BYTES + MANY)  # beyond the budget
    third, fourth = (start(share.grow(FREE_BYTES + 1)) for share in shares[2:])
    assert await stands_still(third, fourth)
    await shares[1].grow(MANY)  # may go on
    with shares[1]:
        pass
    await third
    assert await stands_still(fourth)
    with shares[2]:
        pass
    await fourth
    for share in (shares[0], shares[3]):
        with share:
            pass
    assert memory.reading.free == MANY
    assert not memory.reading_turn.locked()


async def test_one_large_answer_is_parsed_at_a_time() -> None:
    memory = AnswerMemory()
    with memory.share() as other:
        with memory.share() as one:
            await one.reserve("[]")
            waiting = start(other.reserve("[]"))
            assert await stands_still(waiting)
        await waiting


async def test_an_answer_that_would_grow_too_much_is_too_large_however_short_it_is() -> None:
    memory = AnswerMemory()
    text = "{}," * (LARGEST_WEIGHT // 150)
    assert len(text) < 2.1 * 2**20
    with memory.share() as share, pytest.raises(TooLargeError):
        await share.reserve(text)
    with memory.share() as share:
        await share.reserve("[]")


async def test_room_is_held_until_nobody_refers_to_the_document() -> None:
    memory = AnswerMemory(parsing=MANY)
    text = '"' + "x" * 40_000 + '"'
    with memory.share() as share:
        await share.reserve(text)
        document: HeldDocument | None = HeldDocument()
        share.hold(cast("HeldDocument", document), 60_000)
        del share
    assert memory.parsing.free == MANY - 60_000
    with memory.share() as share:
        waiting = start(share.reserve(text))
        assert await stands_still(waiting)
        gc.disable()
        try:
            document = None
            await waiting
        finally:
            gc.enable()
    assert memory.parsing.free == MANY


async def test_a_document_may_be_let_go_by_another_thread() -> None:
    memory = AnswerMemory(parsing=MANY)
    with memory.share() as share:
        await share.reserve('"xxxx"')
        documents = [HeldDocument()]
        share.hold(documents[0], 10)
    thread = threading.Thread(target=documents.clear)
    thread.start()
    thread.join()
    assert memory.parsing.free == MANY - 10
    await asyncio.sleep(0)
    assert memory.parsing.free == MANY


async def test_who_gives_up_waiting_takes_nothing_and_holds_up_nobody() -> None:
    memory = AnswerMemory(parsing=MANY)
    budget = memory.parsing
    await budget.take(MANY - 10)
    large, small = start(budget.take(20)), start(budget.take(10))
    assert await stands_still(large, small)
    large.cancel()
    await small
    budget.give_back(10)
    given = start(budget.take(20))
    await asyncio.sleep(0)
    budget.give_back(10)  # given, and cancelled before it knows
    given.cancel()
    await asyncio.gather(given, return_exceptions=True)
    budget.give_back(MANY - 20)
    assert budget.free == MANY
