"""One request for details, over the network: which Answer it gets."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from worker.clock import SystemClock
from worker.errors import InteractionUnavailable, Invalid, NotReady
from worker.genesys import responses
from worker.genesys.answer import Answer, Answered, Suspect, Throttled, TokenRefused, Unreachable
from worker.genesys.client import TIMEOUT, Client
from worker.ports import Details

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]
Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Asks an API that replies in the given way for two ids."""
    servers = []

    async def ask(reply: Reply, limits: aiohttp.ClientTimeout = TIMEOUT) -> Answer:
        application = web.Application()
        application.add_routes([web.get("/{rest:.*}", reply)])
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        async with aiohttp.ClientSession() as session:
            client = Client(session, str(server.make_url("")).rstrip("/"), None, SystemClock(), timeout=limits)
            return await client.ask(["id-1", "id-2"], "token")

    yield ask
    for server in servers:
        await server.close()


def status(number: int, code: str = "", **headers: str) -> Reply:
    async def reply(_: web.Request) -> web.Response:
        return web.json_response({"code": code}, status=number, headers=headers)

    return reply


async def known(_: web.Request) -> web.Response:
    return web.json_response({"conversations": [{"conversationId": "id-1", "conversationStart": "2026-03-01T10:00Z"}]})


async def cut_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"conversations": [')
    assert request.transport is not None
    request.transport.abort()
    return response


async def still(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"conversations": [')
    return response


async def html(_: web.Request) -> web.Response:
    return web.Response(text="<html>")


async def test_each_id_gets_details_or_an_error_of_its_own(ask: Ask) -> None:
    before = datetime.now(UTC)
    answer = await ask(known)
    assert isinstance(answer, Answered)
    assert isinstance(answer.results["id-2"], NotReady)
    found = answer.results["id-1"]
    assert isinstance(found, Details)
    assert before <= found.asked_at <= datetime.now(UTC)


async def test_a_429_says_how_long_to_pause(ask: Ask) -> None:
    answer = await ask(status(429, "too.many.requests", **{"Retry-After": "7"}))
    assert answer == Throttled(7, "Genesys Cloud answered 429 too.many.requests")


async def test_a_401_is_the_tokens_fault_and_a_403_somebodys(ask: Ask) -> None:
    assert isinstance(await ask(status(401, "bad.credentials")), TokenRefused)
    answer = await ask(status(403, "missing.permissions"))
    assert isinstance(answer, Suspect)
    assert answer.is_refusal


@pytest.mark.parametrize(("reply", "number"), [(status(500), 500), (status(404), 404), (html, 200)])
async def test_a_failure_that_is_an_answer_has_a_status(ask: Ask, reply: Reply, number: int) -> None:
    answer = await ask(reply)
    assert isinstance(answer, Suspect)
    assert answer.status == number


async def test_an_answer_that_is_too_large_is_an_answer(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "BODY_LIMIT", 10)
    answer = await ask(known)
    assert isinstance(answer, Suspect)
    assert isinstance(answer.error, Invalid)
    assert answer.status == 200


@pytest.mark.parametrize("reply", [cut_off, still])
async def test_an_answer_that_does_not_come_whole_has_no_status(ask: Ask, reply: Reply) -> None:
    answer = await ask(reply, aiohttp.ClientTimeout(sock_read=0.2))
    assert isinstance(answer, Suspect)
    assert isinstance(answer.error, InteractionUnavailable)
    assert answer.status is None


@pytest.fixture
def ports() -> Iterator[dict[str, int]]:
    """Ports of loopback that give no connection: one refuses it, the other never answers."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # more than the backlog holds, so that the next one is not even refused
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            refused = closed.getsockname()[1]
        yield {"refused": refused, "silent": listener.getsockname()[1]}


@pytest.mark.parametrize("way", ["refused", "silent"])
async def test_without_a_connection_nothing_was_asked(ports: dict[str, int], way: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{ports[way]}"
        client = Client(session, url, None, SystemClock(), timeout=aiohttp.ClientTimeout(sock_connect=0.2))
        answer = await client.ask(["id-1"], "token")
    assert isinstance(answer, Unreachable)
    assert str(answer.error).startswith(f"no connection to {url}")
