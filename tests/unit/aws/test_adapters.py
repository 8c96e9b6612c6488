"""What the adapters make of AWS's answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from worker.aws.activity import StepFunctionsActivity
from worker.aws.clients import Clients, new_session, open_clients
from worker.aws.executions import StepFunctionsExecutions
from worker.aws.letters import SqsDeadLetters
from worker.aws.queue import SqsEventQueue
from worker.aws.records import DynamoDbStore
from worker.errors import Invalid, NotConfirmedError, StoreUnavailable, TaskGoneError
from worker.events import InteractionEvent, InvalidEventError
from worker.ports import Details
from worker.telemetry.metrics import PrometheusMetrics

EVENT = InteractionEvent("a1", "end", datetime(2026, 3, 1, tzinfo=UTC), "e1")
DETAILS = Details(EVENT.time, ("voice",), asked_at=EVENT.time)


@dataclass
class Endpoint:
    """Answers each call with the next of `codes`, and without one with success."""

    codes: list[str] = field(default_factory=list)
    seen: list[tuple[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.headers["X-Amz-Target"].partition(".")[2], await request.json()))
        if not self.codes:
            return web.json_response({})
        return web.json_response({"__type": f"com.amazon#{self.codes.pop(0)}"}, status=400)


@pytest.fixture
async def endpoint(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:  # noqa: ARG001
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
    async with open_clients(new_session(), PrometheusMetrics(), slots=1, receivers=1, attempts=1) as clients:
        yield clients


async def test_an_execution_that_exists_already_is_a_duplicate(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["ExecutionAlreadyExists"]
    assert await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT) == "duplicate"


@pytest.mark.parametrize("code", ["InvalidExecutionInput", "InvalidName"])
async def test_an_event_that_step_functions_can_never_take_is_invalid(
    code: str, clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.codes = [code]
    with pytest.raises(InvalidEventError) as caught:
        await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT)
    assert caught.value.reason == code


@pytest.mark.parametrize("code", ["ThrottlingException", "StateMachineDoesNotExist", "AccessDeniedException"])
async def test_what_is_not_the_events_fault_is_not_confirmed(code: str, clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = [code]
    with pytest.raises(NotConfirmedError) as caught:
        await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("TaskTimedOut", TaskGoneError),
        ("TaskDoesNotExist", TaskGoneError),
        ("InvalidToken", TaskGoneError),
        ("ThrottlingException", NotConfirmedError),
    ],
)
async def test_a_report_says_whether_the_task_is_gone(
    code: str, error: type[Exception], clients: Clients, endpoint: Endpoint
) -> None:
    activity = StepFunctionsActivity(clients.sfn_poll, clients.sfn, arn="arn", worker_name="worker")
    endpoint.codes = [code] * 3
    for report in (activity.heartbeat("t"), activity.succeed("t", "{}"), activity.fail("t", "Worker.Draining", "")):
        with pytest.raises(error):
            await report


async def test_a_body_without_room_for_a_reason_is_quarantined_without_it(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["InvalidParameterValue"]
    await SqsDeadLetters(clients.sqs, "http://made.up/dead").send("body", "invalid_json")
    assert [(name, "reason" in request["MessageAttributes"]) for name, request in endpoint.seen] == [
        ("SendMessage", True),
        ("SendMessage", False),
    ]
    assert {request["MessageBody"] for _, request in endpoint.seen} == {"body"}


async def test_a_throttled_quarantine_keeps_its_reason_and_is_not_confirmed(
    clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.codes = ["RequestThrottled"]
    with pytest.raises(NotConfirmedError):
        await SqsDeadLetters(clients.sqs, "http://made.up/dead").send("body", "invalid_json")
    assert len(endpoint.seen) == 1


async def test_the_store_tells_an_older_event_a_wrong_table_and_an_outage_apart(
    clients: Clients, endpoint: Endpoint
) -> None:
    store = DynamoDbStore(clients.dynamodb, "table")
    endpoint.codes = ["ConditionalCheckFailedException"]
    assert await store.put(EVENT, DETAILS) is False
    endpoint.codes = ["ValidationException"]
    with pytest.raises(Invalid):
        await store.put(EVENT, DETAILS)
    endpoint.codes = ["AccessDeniedException"]
    with pytest.raises(StoreUnavailable, match="AccessDeniedException"):
        await store.put(EVENT, DETAILS)


async def test_each_adapter_has_a_probe_that_tells_why_its_resource_does_not_answer(
    clients: Clients, endpoint: Endpoint
) -> None:
    letters = SqsDeadLetters(clients.sqs, "http://made.up/dead")
    queue = SqsEventQueue(
        clients.sqs_poll, clients.sqs, url="http://made.up/q", dead_letters=letters, visibility_seconds=60
    )
    activity = StepFunctionsActivity(clients.sfn_poll, clients.sfn, arn="arn", worker_name="worker")
    for probe in (
        letters.probe,
        queue.probe,
        StepFunctionsExecutions(clients.sfn, "arn").probe,
        activity.probe,
        DynamoDbStore(clients.dynamodb, "table").probe,
    ):
        endpoint.codes = ["AccessDeniedException"]
        with pytest.raises(NotConfirmedError, match="AccessDeniedException"):
            await probe()
    assert [name for name, _ in endpoint.seen] == [
        "GetQueueAttributes",
        "GetQueueAttributes",
        "DescribeStateMachine",
        "DescribeActivity",
        "DescribeTable",
    ]
