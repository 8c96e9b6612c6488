"""The JSON of answers, of any size, parsed without holding up the event loop.

A JSON parser keeps the interpreter to itself, also in a thread, so a large answer is parsed piece by piece: one
conversation at a time, with the loop running in between.
"""

import asyncio
import gc
import json
import re
import time
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from worker import lenient_json
from worker.genesys.answer_memory import weigh
from worker.genesys.responses import parse_json

WHOLE_BYTES = 256 * 1024
"""Up to here an answer is parsed at once, which takes a few milliseconds."""

_PIECE_SECONDS = 0.005
"""How long the event loop is held up at a time. This is CPU time, which no clock that is handed in knows."""

_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


def conversations_of(body: bytes) -> list[Any]:
    """The conversations in a small answer of the batched endpoint, of any JSON type.

    Raises ValueError when the body is malformed or cut off.
    """
    document = parse(body)
    # An answer that found nothing may leave them out.
    conversations = (document.get("conversations") or []) if isinstance(document, dict) else None
    if isinstance(conversations, list):
        return conversations
    raise ValueError("not an object with a list of conversations")


async def each_conversation(text: str) -> AsyncIterator[tuple[Any, int]]:
    """As `conversations_of`, for an answer of any size, one after the other and each with its weight.

    Raises ValueError, at the end of what is well-formed.
    """
    pause_at = time.perf_counter() + _PIECE_SECONDS
    try:
        for conversation, start, end in _pieces(text):
            yield _without_half_characters(conversation, text, start, end), weigh(text, start, end)
            if time.perf_counter() > pause_at:
                await asyncio.sleep(0)
                pause_at = time.perf_counter() + _PIECE_SECONDS
    except (IndexError, RecursionError) as error:
        raise ValueError("cut off, or nested too deep") from error


def parse(body: bytes) -> Any:
    """One small JSON document. Raises ValueError."""
    try:
        return parse_json(body)
    except ValueError:
        return parse_json(lenient_json.replace_lone_surrogates(body))


def parse_large(text: str) -> Any:
    """One JSON document of any size, in the least memory. Raises ValueError."""
    try:
        with _no_collection():
            return _decoder.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _without_half_characters(value: Any, text: str, start: int, end: int) -> Any:
    """The value, parsed again as `parse` does where its text may have escapes of half characters and is small."""
    if end - start > WHOLE_BYTES or not any(text.find(half, start, end) >= 0 for half in ("\\ud", "\\uD")):
        return value
    return parse(text[start:end].encode())


def _pieces(text: str) -> Generator[tuple[Any, int, int], None, None]:
    """The elements of `conversations`, each parsed when it is asked for, and where its text begins and ends."""
    at = _after(text, 0, "{")
    while text[at] != "}":
        key, at = _value(text, at)
        at = _after(text, at, ":")
        if key == "conversations" and text[at] == "[":
            at = yield from _elements(text, at)
        else:
            value, at = _value(text, at)
            if key == "conversations" and value:
                raise ValueError("conversations is not a list")
        at = _next(text, at, "}")
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the answer")


def _elements(text: str, at: int) -> Generator[tuple[Any, int, int], None, int]:
    at = _after(text, at, "[")
    while text[at] != "]":
        start = at
        element, at = _value(text, at)
        yield element, start, at
        at = _next(text, at, "]")
    return _skip(text, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    with _no_collection():
        value, at = _decoder.raw_decode(text, at)
    return value, _skip(text, at)


@contextmanager
def _no_collection() -> Iterator[None]:
    """JSON makes no cycles, and rounds of the garbage collector in the midst of a large value double its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _next(text: str, at: int, end: str) -> int:
    """Where the next element begins, or where `end` is."""
    return at if text[at] == end else _after(text, at, ",")


def _after(text: str, at: int, mark: str) -> int:
    """Where the text goes on after `mark`, which must come next."""
    at = _skip(text, at)
    if text[at] != mark:
        raise ValueError(f"no {mark} where one must be")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    """Where the text goes on after white space."""
    match = _SPACE.match(text, at)
    return match.end() if match else at
