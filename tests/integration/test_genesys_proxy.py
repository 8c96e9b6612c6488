"""Genesys Cloud behind a proxy: where the requests go, and what is said of it."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import structlog

from tests.support.fakes import RecordingMetrics
from tests.support.genesys_details import details_of_worker
from tests.support.genesys_fleet import settings_for
from tests.support.stack import StartSimulator
from worker.clock import SystemClock
from worker.errors import Unavailable
from worker.fleet.memory import MemoryCache
from worker.genesys.proxy import proxy_middlewares
from worker.local.simulator.server import Options

LOGIN, API = "https://login.example.com", "https://api.example.com"


@asynccontextmanager
async def _refusing_proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that opens no tunnel: its host and port, and what it is asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_the_login_asks_the_proxy_for_a_tunnel_and_its_password_stays_there(
    monkeypatch: pytest.MonkeyPatch, start_simulator: StartSimulator
) -> None:
    settings = settings_for(await start_simulator(Options()), genesys_login_url=LOGIN, genesys_api_url=API)
    async with _refusing_proxy() as (address, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@{address}")
        monkeypatch.setenv("NO_PROXY", "localhost")
        with structlog.testing.capture_logs() as logs:
            async with details_of_worker(settings, MemoryCache(SystemClock()), RecordingMetrics()) as details:
                with pytest.raises(Unavailable) as failed:
                    await details.check()
    assert asked[0].startswith("CONNECT login.example.com:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {b64encode(b'user:hunter2').decode()}\r\n" in asked[0]
    assert "hunter2" not in f"{failed.value} {logs}"


async def test_a_netrc_file_gives_nothing_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login user password hunter2\nmachine api.example.com login user password hunter2\n"
    )
    monkeypatch.setenv("NETRC", str(netrc))
    async with _refusing_proxy() as (address, asked):
        monkeypatch.setenv("HTTPS_PROXY", address)
        async with aiohttp.ClientSession(middlewares=proxy_middlewares(API)) as session:
            with pytest.raises(aiohttp.ClientHttpProxyError):
                await session.get(f"{API}/api/v2/conversations/1")
    assert asked[0].startswith("CONNECT api.example.com:443 HTTP/1.1\r\n")
    assert "authorization" not in asked[0].lower()
