"""The JSON of answers, of any size, parsed without holding up the event loop.

A JSON parser keeps the interpreter to itself, also in a thread, so a large answer is parsed piece by piece: one
conversation at a time, with the loop running in between.
"""

import asyncio
import json
import re
import time
from collections.abc import Generator
from typing import Any

from worker import lenient_json
from worker.genesys.responses import parse_json

WHOLE_BYTES = 256 * 1024
"""Up to here an answer is parsed at once, which takes a few milliseconds."""

_PIECE_SECONDS = 0.005
"""How long the event loop is held up at a time. This is CPU time, which no clock that is handed in knows."""

_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


async def read_conversations(body: bytes) -> list[Any]:
    """The conversations in an answer of the batched endpoint, of any JSON type.

    Raises ValueError when the body is malformed or cut off.
    """
    if len(body) <= WHOLE_BYTES:
        return _list(parse(body))
    found = []
    pause_at = time.perf_counter() + _PIECE_SECONDS
    try:
        for conversation in _pieces(body.decode()):
            found.append(conversation)
            if time.perf_counter() > pause_at:
                await asyncio.sleep(0)
                pause_at = time.perf_counter() + _PIECE_SECONDS
    except (IndexError, RecursionError) as error:
        raise ValueError("cut off, or nested too deep") from error
    return found


def parse(body: bytes) -> Any:
    """One JSON document. Raises ValueError."""
    try:
        return parse_json(body)
    except ValueError:
        return parse_json(lenient_json.replace_lone_surrogates(body))


def _list(document: Any) -> list[Any]:
    """The list in a parsed answer; an answer that found nothing may leave it out."""
    conversations = (document.get("conversations") or []) if isinstance(document, dict) else None
    if isinstance(conversations, list):
        return conversations
    raise ValueError("not an object with a list of conversations")


def _pieces(text: str) -> Generator[Any, None, None]:
    """The elements of `conversations`, each parsed when it is asked for."""
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


def _elements(text: str, at: int) -> Generator[Any, None, int]:
    at = _after(text, at, "[")
    while text[at] != "]":
        element, at = _value(text, at)
        yield element
        at = _next(text, at, "]")
    return _skip(text, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    value, at = _decoder.raw_decode(text, at)
    return value, _skip(text, at)


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
