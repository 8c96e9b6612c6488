"""What every test of `doctor` starts from: an environment in which nothing is wrong."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from worker.local.emulator import Emulator


@dataclass
class Front:
    """Stands in front of the emulator, refuses what it is told to, and has a clock of its own."""

    target: str
    refused: dict[str, str] = field(default_factory=dict)
    """Error code by X-Amz-Target."""
    seconds_ahead: float = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        action = request.headers.get("X-Amz-Target", "sts")
        date = {"Date": formatdate(time.time() + self.seconds_ahead, usegmt=True)}
        if code := self.refused.get(action):
            body = {"__type": f"com.amazon.service#{code}", "message": "no identity-based policy allows it"}
            return web.json_response(body, status=400, headers=date, content_type="application/x-amz-json-1.0")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                self.target + request.path_qs,
                headers={k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}},
                data=await request.read(),
            ) as response,
        ):
            kept = {k: v for k, v in response.headers.items() if k.lower() in {"content-type", "x-amzn-query-error"}}
            return web.Response(status=response.status, body=await response.read(), headers=kept | date)


@pytest.fixture
async def front(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, healthy: None) -> AsyncIterator[Front]:  # noqa: ARG001
    front = Front(emulator.url)
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", front.answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")))
        yield front


@pytest.fixture
def healthy(worker_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing is wrong."""
    for name, value in worker_environment.items():
        monkeypatch.setenv(name, value)
