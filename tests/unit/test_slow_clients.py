"""Clients of the port that are slow, many or no clients at all, on real sockets; good ones are served meanwhile."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from tests.support.worker_process import until
from worker.cancellation import cancel_and_wait
from worker.telemetry import connections
from worker.telemetry.connections import MOST_CONNECTIONS
from worker.telemetry.http import serve_http

PAGES = ("/livez", "/readyz", "/metrics")


@pytest.fixture
def large() -> CollectorRegistry:
    """Metrics of 8 MB, more than the buffers between two sockets hold."""
    registry = CollectorRegistry()
    Gauge("large", "So that an answer does not fit.", ["label"], registry=registry).labels("x" * 2**23).set(1)
    return registry


@pytest.fixture
async def port(large: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Of pages whose connections may last half a second; to end them takes no longer than two seconds."""

    async def ready() -> list[str]:
        return []

    monkeypatch.setattr(connections, "CONNECTION_SECONDS", 0.5)
    async with serve_http("127.0.0.1", 0, large, live=list, ready=ready) as port:
        yield port


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Keeps connections open until the test ends."""
    with ExitStack() as stack:
        yield stack


async def connect(clients: ExitStack, port: int, sent: bytes = b"") -> socket.socket:
    client = clients.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(client, sent)
    return client


async def answer(client: socket.socket) -> bytes:
    """All that still comes, until the server ends the connection."""
    found = b""
    async with asyncio.timeout(5):
        with suppress(ConnectionResetError):
            while part := await asyncio.get_running_loop().sock_recv(client, 2**16):
                found += part
    return found


async def drip(client: socket.socket, data: bytes) -> None:
    """Send a little now and then, until the server ends the connection."""
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            while True:
                await asyncio.get_running_loop().sock_sendall(client, data)
                await asyncio.sleep(0.02)


async def get(port: int, path: str) -> int:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.get(f"http://127.0.0.1:{port}{path}") as page,
    ):
        await page.read()
        return page.status


def served() -> int:
    """Connections that the server has open."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return names.count("RequestHandler.start")


def test_a_connection_has_15_seconds() -> None:
    assert connections.CONNECTION_SECONDS == 15


async def test_headers_that_do_not_end_end_the_connection(port: int, clients: ExitStack) -> None:
    client = await connect(clients, port, b"GET /livez HTTP/1.1\r\nHost: x\r\n")
    await drip(client, b"A: b\r\n")
    assert await answer(client) == b""


async def test_a_body_that_does_not_end_ends_the_connection(port: int, clients: ExitStack) -> None:
    client = await connect(clients, port, b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    await drip(client, b"x")


async def test_a_client_that_says_nothing_is_dropped(port: int, clients: ExitStack) -> None:
    assert await answer(await connect(clients, port)) == b""


async def test_a_client_that_does_not_read_its_answer_is_dropped(port: int, clients: ExitStack) -> None:
    await connect(clients, port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: served() == 1, 5)
    await until(lambda: served() == 0, 5)


async def test_a_second_request_needs_a_connection_of_its_own(port: int, clients: ExitStack) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    client = await connect(clients, port, request + request)
    assert (await answer(client)).count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\n"], ids=["idle", "headers"])
async def test_many_slow_clients_are_bounded_and_keep_no_good_one_away(
    sent: bytes, port: int, clients: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTION_SECONDS", 60)

    async def flood() -> None:
        while True:
            await connect(clients, port, sent)

    for _ in range(2 * MOST_CONNECTIONS):
        await connect(clients, port, sent)
    await until(lambda: 0 < served() <= MOST_CONNECTIONS, 5)
    flooding = asyncio.create_task(flood())
    for page in PAGES:
        assert await get(port, page) == 200
    await cancel_and_wait(flooding)
    await until(lambda: 0 < served() <= MOST_CONNECTIONS, 5)


async def test_many_clients_that_do_not_read_are_bounded_and_keep_no_good_one_away(
    port: int, clients: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CONNECTION_SECONDS", 60)
    for _ in range(MOST_CONNECTIONS + 5):
        await connect(clients, port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: served() == MOST_CONNECTIONS, 15)
    for page in PAGES:
        assert await get(port, page) == 200


async def test_whoever_waits_for_an_answer_is_not_dropped_for_somebody_who_has_not_asked(
    large: CollectorRegistry, clients: ExitStack
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def ready() -> list[str]:
        asked.set()
        await answered.wait()
        return []

    async with serve_http("127.0.0.1", 0, large, live=list, ready=ready) as port:
        waiting = asyncio.create_task(get(port, "/readyz"))
        await asked.wait()
        for _ in range(2 * MOST_CONNECTIONS):
            await connect(clients, port)
        answered.set()
        assert await waiting == 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /livez HTTP/1.1", 200),
        (b"GET /secret HTTP/1.1", 404),
        (b"POST /livez HTTP/1.1", 405),
        (b"GET /livez?\x1b[31m HTTP/1.1", 400),
        (b"\x16\x03\x01 secret", 400),
        (b"GET /" + b"a" * 10_000 + b" HTTP/1.1", 400),
    ],
    ids=["page", "unknown", "method", "malformed", "tls", "long"],
)
async def test_no_answer_tells_a_version_or_quotes_the_client(
    request_line: bytes, status: int, port: int, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    found = await answer(await connect(clients, port, request_line + b"\r\nHost: x\r\n\r\n"))
    head, _, body = found.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))
    assert b"\r\nServer: interaction-worker" in head
    assert b"aiohttp" not in head
    assert b"secret" not in body
    assert b"\x1b" not in body
    assert caplog.records == []


async def test_slow_clients_do_not_hold_up_the_end(large: CollectorRegistry, clients: ExitStack) -> None:
    async def ready() -> list[str]:
        await asyncio.Event().wait()
        return []

    async with asyncio.timeout(10):
        async with serve_http("127.0.0.1", 0, large, live=list, ready=ready) as own:
            for path in (b"/readyz", b"/metrics"):
                await connect(clients, own, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            await connect(clients, own)
            await until(lambda: served() == 3, 5)
        await until(lambda: served() == 0, 5)
