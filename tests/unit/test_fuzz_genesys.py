"""Whatever Genesys Cloud, or something in between, answers: details, or an error of the closed set."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit import strategies
from worker import lenient_json
from worker.clock import SystemClock
from worker.errors import AttemptError, Invalid
from worker.events import parse_time, utc_text
from worker.fleet.token import LoginAnswer, LoginFailed
from worker.genesys import large_json, login
from worker.genesys.answer import Answer, Answered, Throttled, TokenRefused
from worker.genesys.client import Client
from worker.genesys.reading import mapper_for
from worker.ports import Details

T = TypeVar("T")

ASKED = ["asked-1", "asked-2"]
ASKED_AT = datetime(2026, 3, 1, tzinfo=UTC)
TEMPLATES = [
    None,
    "/api/v2/analytics/conversations/{interactionId}/details",
    "/api/v2/conversations/{interactionId}",
    "/api/v2/interactions/events/details/{interactionId}",
]

conversations = st.fixed_dictionaries(
    {
        "conversationId": st.sampled_from([*ASKED, "another"]),
        "conversationStart": strategies.times,
        "startTime": strategies.times,
        "participants": st.lists(
            st.fixed_dictionaries(
                {
                    "purpose": st.just("customer"),
                    "sessions": st.lists(st.fixed_dictionaries({"mediaType": strategies.texts}), max_size=3),
                    "calls": st.lists(st.just({"id": "x"}), max_size=1),
                }
            ),
            max_size=3,
        ),
        "channels": st.lists(strategies.texts, max_size=3),
    }
)
batches = st.fixed_dictionaries(
    {"conversations": st.lists(conversations, max_size=4)}, optional={"more": strategies.json_values}
)


def check(details: Details) -> None:
    assert parse_time(utc_text(details.start_time)) == details.start_time
    assert len(set(details.channels)) == len(details.channels)
    assert all(isinstance(channel, str) and channel.isprintable() and channel for channel in details.channels)
    assert json.dumps(details.channels).isascii()


@given(st.sampled_from(TEMPLATES), st.one_of(conversations, strategies.damaged(conversations), strategies.json_values))
def test_any_document_is_details_or_invalid(template: str | None, document: Any) -> None:
    try:
        details = mapper_for(template)(document, ASKED_AT)
    except Invalid:
        return
    check(details)


@given(strategies.bodies(batches))
def test_an_answer_read_in_pieces_says_the_same_as_one_read_whole(body: bytes) -> None:
    async def read_pieces() -> list[Any]:
        return [conversation async for conversation, _ in large_json.each_conversation(body.decode())]

    whole = pieces = None
    with suppress(ValueError):
        whole = large_json.conversations_of(body)
    with suppress(ValueError):
        pieces = asyncio.run(read_pieces())
    # What only one of the two parsers refuses is tried again later; what both take must be the same.
    if whole is not None and pieces is not None:
        assert (
            lenient_json.replace_lone_surrogates(json.dumps(pieces)) == json.dumps(whole, ensure_ascii=False).encode()
        )


async def test_a_name_cut_in_the_middle_of_a_character_costs_no_interaction() -> None:
    body = rb'{"conversations": [{"conversationId": "a", "participants": [{"participantName": "Ada \ud83d"}]}]}'
    [whole] = large_json.conversations_of(body)
    [(piece, _)] = [found async for found in large_json.each_conversation(body.decode())]
    assert whole == piece
    assert piece["participants"] == [{"participantName": "Ada ?"}]


HTTP_HEADS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=nonsense\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n",
    b"HTTP/1.1 400 Bad Request\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n",
    b"HTTP/1.1 403 Forbidden\r\n",
    b"HTTP/1.1 404 Not Found\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 12\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: -1e9\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: \xff\xb2\r\n",
    b"HTTP/1.1 500 Oh\r\nININ-Correlation-Id: \xff\r\n",
    b"HTTP/1.1 999 ?\r\n",
    b"HTTP/1.1 200 OK\r\nDate: Sun, 01 Mar 99999999999999999999 12:00:00 GMT\r\n",
    b"HTTP/1.1 200 OK\r\nDate: \xff\r\nDate: 0\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"",
    b"\x16\x03\x01\x02",
    b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9_000 + b"\r\n",
]


@st.composite
def raw_answers(draw: st.DrawFn, documents: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """Bytes on the connection: an answer with a right, short, long or absent length, or none at all."""
    body = draw(strategies.bodies(documents))
    head = draw(st.sampled_from(HTTP_HEADS))
    length = draw(st.sampled_from([len(body), len(body) + 10, max(0, len(body) - 10), None]))
    lengths = b"" if length is None else b"Content-Length: %d\r\n" % length
    return draw(st.one_of(st.just(head + lengths + b"\r\n" + body), st.binary(max_size=50)))


class Rubbish:
    """A server on loopback that answers every request with the bytes it was given, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self.runner = asyncio.Runner()
        self.url = ""

    def ask(self, answer: bytes, call: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
        """What `call` returns when it is answered like this."""

        async def once() -> T:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
                return await call(session)

        self.answer = answer
        return self.runner.run(once())

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        writer.close()


@pytest.fixture(scope="module")
def rubbish() -> Iterator[Rubbish]:
    server = Rubbish()
    with server.runner:
        server.runner.run(server.start())
        yield server
        server.runner.run(server.stop())


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(st.sampled_from([None, TEMPLATES[2]]), st.booleans(), raw_answers(batches))
def test_any_answer_to_a_request_for_details_is_a_result_or_a_known_failure(
    rubbish: Rubbish, template: str | None, documents: bool, answer: bytes
) -> None:
    ids = ASKED if template is None else ASKED[:1]

    async def details(session: aiohttp.ClientSession) -> Answer:
        return await Client(session, rubbish.url, template, SystemClock(), documents=documents).ask(ids, "token")

    found = rubbish.ask(answer, details)
    match found:
        case Answered(results=results):
            assert set(results) == set(ids)
            for result in results.values():
                if isinstance(result, Details):
                    check(result)
                else:
                    assert isinstance(result, AttemptError)
        case Throttled(detail=detail) | TokenRefused(detail=detail):
            assert detail.isprintable()
        case _:
            assert str(found.error).isprintable()


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(
    raw_answers(
        st.fixed_dictionaries(
            {"access_token": strategies.texts, "token_type": st.just("bearer"), "expires_in": strategies.json_leaves}
        )
    )
)
def test_any_answer_to_a_login_is_a_token_or_a_known_error(rubbish: Rubbish, answer: bytes) -> None:
    async def log_in(session: aiohttp.ClientSession) -> LoginAnswer:
        return await login.log_in(session, rubbish.url, "client", "(the secret)", SystemClock())

    found = rubbish.ask(answer, log_in)
    if isinstance(found, LoginFailed):
        assert str(found.error).isprintable()
        assert "(the secret)" not in str(found.error)
    else:
        assert found.text.isprintable()
        assert found.expires_at > found.minted_at
