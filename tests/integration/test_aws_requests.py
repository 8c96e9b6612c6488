"""What the service's AWS clients send over the network."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from botocore import handlers
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import ClientError

from tests.support.aws_endpoint import aws_endpoint
from tests.support.signatures import expected_authorization, parts
from worker import __version__
from worker.aws.clients import Clients, new_session, open_clients
from worker.aws.tuning import _IDLE_HANDLERS
from worker.telemetry.metrics import PrometheusMetrics


@dataclass
class Endpoint:
    """An AWS endpoint that answers every call with `status` and keeps the requests."""

    status: int = 200
    seen: list[AWSRequest] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(AWSRequest(request.method, str(request.url), request.headers, await request.read()))
        return web.json_response({"__type": "InternalFailure"} if self.status >= 300 else {}, status=self.status)


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint()
    async with aws_endpoint(endpoint.answer, monkeypatch):
        yield endpoint


@pytest.fixture
async def clients(endpoint: Endpoint) -> AsyncIterator[Clients]:  # noqa: ARG001
    async with open_clients(new_session(), PrometheusMetrics(), slots=1, receivers=1) as clients:
        yield clients


async def test_a_call_carries_a_constant_user_agent(clients: Clients, endpoint: Endpoint) -> None:
    await clients.sfn.send_task_success(taskToken="t", output="{}")
    assert endpoint.seen[0].headers["User-Agent"].split()[0] == f"interaction-worker/{__version__}"


@pytest.mark.parametrize("token", [None, "made-up/session+token=="])
async def test_what_arrives_is_signed_as_botocore_signs_it(
    token: str | None, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call of the running service, with a user's keys and with those of a role; all take the short way."""
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    async with open_clients(new_session(), PrometheusMetrics(), slots=1, receivers=1) as clients:
        monkeypatch.setattr(SigV4Auth, "add_auth", None)
        queue = "https://sqs.us-east-1.amazonaws.com/000000000000/events"
        await clients.sqs_poll.receive_message(QueueUrl=queue)
        await clients.sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": "0", "ReceiptHandle": "r"}])
        await clients.sfn.start_execution(stateMachineArn="arn", name="é", input="{}")
        await clients.sfn_poll.get_activity_task(activityArn="arn")
        await clients.dynamodb.put_item(TableName="table", Item={"interactionId": {"S": "i"}})
    services = ("sqs", "sqs", "states", "states", "dynamodb")
    for request, service in zip(endpoint.seen, services, strict=True):
        assert parts(request.headers["Authorization"]) == expected_authorization(
            request,
            ReadOnlyCredentials("made-up", "made-up", token),
            service=service,
            region="us-east-1",
            ignored={"accept", "accept-encoding", "content-length", "amz-sdk-invocation-id", "amz-sdk-request"},
        )
        assert request.headers.get("X-Amz-Security-Token") == token


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


async def test_a_call_carries_nothing_of_the_handlers_that_are_left_out(clients: Clients, endpoint: Endpoint) -> None:
    await clients.sfn.send_task_success(taskToken="t", output="{}")
    assert not [name for name in endpoint.seen[0].headers if name.lower().startswith("amz-sdk-")]


def test_every_handler_that_is_left_out_is_one_that_botocore_has() -> None:
    assert [name for _, name in _IDLE_HANDLERS if not hasattr(handlers, name)] == []
