"""The JSON of answers, parsed whole or piece by piece to the same effect."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from worker.genesys.large_json import conversations_of, each_conversation

FILLING = [{"number": number, "text": 'a "quoted" text'} for number in range(200)]


Read = Callable[[bytes], Awaitable[list[Any]]]


async def whole(body: bytes) -> list[Any]:
    return conversations_of(body)


async def piece_by_piece(body: bytes) -> list[Any]:
    return [conversation async for conversation, _ in each_conversation(body.decode())]


ways = pytest.mark.parametrize("read", [whole, piece_by_piece])


@ways
@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('{"conversations": []}', []),
        ("{}", []),
        (' { "conversations" : [ 1 , {"a": [2]} , null ] , "x" : {"conversations": [9]} } \n', [1, {"a": [2]}, None]),
        ('{"x": [1, 2], "conversations": [{"a": "]}"}]}', [{"a": "]}"}]),
        ('{"conversations": null}', []),
    ],
)
async def test_conversations_are_found_wherever_they_stand(read: Read, body: str, found: list[Any]) -> None:
    assert await read(body.encode()) == found


@ways
@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "[]",
        "5",
        "{",
        '{"conversations"',
        '{"conversations": [',
        '{"conversations": [1',
        '{"conversations": [1,',
        '{"conversations": [1}',
        '{"conversations": [1 2]}',
        '{"conversations": []',
        '{"conversations": []} x',
        '{"conversations": 5}',
        '{"conversations": "text"}',
        "{conversations: []}",
        '{"conversations": [' + "[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_a_malformed_answer_is_a_value_error(read: Read, body: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any
        await read(body if isinstance(body, bytes) else body.encode())


async def test_the_loop_runs_while_a_large_answer_is_read() -> None:
    body = json.dumps({"conversations": [{"conversationId": str(n), "filling": FILLING} for n in range(1000)]}).encode()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    assert len(await piece_by_piece(body)) == 1000
    counting.cancel()
    assert turns > 5
