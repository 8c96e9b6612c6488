"""What every test of `doctor` starts from: an environment in which nothing is wrong."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.doctor.front import Front
from worker.local.emulator import Emulator


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
