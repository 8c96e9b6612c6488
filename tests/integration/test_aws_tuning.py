"""What the service's AWS clients send over the network, once they are relieved of what their calls never need."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore import handlers
from botocore.exceptions import ClientError

from worker.aws.clients import Clients, new_session, open_clients
from worker.aws.tuning import _IDLE_HANDLERS
from worker.telemetry.metrics import PrometheusMetrics


@dataclass
class Endpoint:
    """An AWS endpoint that answers every call with `status` and keeps the requests' headers."""

    status: int = 200
    seen: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(dict(request.headers))
        return web.json_response({"__type": "InternalFailure"} if self.status >= 300 else {}, status=self.status)


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/{anything:.*}", endpoint.answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")))
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        yield endpoint


@pytest.fixture
async def clients(endpoint: Endpoint) -> AsyncIterator[Clients]:  # noqa: ARG001
    async with open_clients(new_session(), PrometheusMetrics(), slots=1, receivers=1) as clients:
        yield clients


async def test_a_call_is_signed_and_carries_no_retry_headers(clients: Clients, endpoint: Endpoint) -> None:
    await clients.sfn.send_task_success(taskToken="t", output="{}")
    headers = {name.lower(): value for name, value in endpoint.seen[0].items()}
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=made-up/")
    assert headers["user-agent"].startswith("interaction-worker/")
    assert not [name for name in headers if name.startswith("amz-sdk-")]


async def test_a_client_of_one_attempt_does_not_try_again(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.status = 500
    with pytest.raises(ClientError):
        await clients.sfn.send_task_success(taskToken="t", output="{}")
    assert len(endpoint.seen) == 1


async def test_a_client_of_several_attempts_still_tries_again(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.status = 500
    with pytest.raises(ClientError):
        await clients.dynamodb.put_item(TableName="table", Item={"interactionId": {"S": "i"}})
    assert len(endpoint.seen) == 3


def test_every_handler_that_is_left_out_is_one_that_botocore_has() -> None:
    assert [name for _, name in _IDLE_HANDLERS if not hasattr(handlers, name)] == []
