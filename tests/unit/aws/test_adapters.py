"""What the adapters make of AWS's answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.support.aws_endpoint import aws_endpoint
from worker.aws.activity import StepFunctionsActivity
from worker.aws.clients import Clients, new_session, open_clients
from worker.aws.executions import StepFunctionsExecutions
from worker.aws.letters import SqsDeadLetters
from worker.aws.queue import SqsEventQueue
from worker.aws.records import Records
from worker.clock import SystemClock
from worker.errors import (
    NotConfirmedError,
    RefusedError,
    StoreRefused,
    StoreThrottled,
    StoreUnavailable,
    TaskGoneError,
)
from worker.events import InteractionEvent, InvalidEventError
from worker.ports import Details, Execution, Kept
from worker.record import Freshness, Known
from worker.telemetry.metrics import PrometheusMetrics

EVENT = InteractionEvent("a1", "end", datetime(2026, 3, 1, tzinfo=UTC), "e1")
DETAILS = Details(EVENT.time, ("voice",), asked_at=EVENT.time)
FRESH = Freshness(timedelta(seconds=90), frozenset({"customer.end"}), timedelta(seconds=900))
ITEM = {
    "interactionId": {"S": "a1"},
    "eventTime": {"S": "2026-03-01T00:00:00.000Z"},
    "eventType": {"S": "end"},
    "detailsAt": {"S": "2026-03-01T00:01:30.000Z"},
    "processedAt": {"S": "2026-03-01T00:01:31.000Z"},
}


@dataclass
class Endpoint:
    """Answers each call with the next of `codes`, and without one with success."""

    codes: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    """What every answer has, a refusal as well."""
    seen: list[tuple[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.headers["X-Amz-Target"].partition(".")[2], await request.json()))
        if not self.codes:
            return web.json_response(self.fields)
        return web.json_response({"__type": f"com.amazon#{self.codes.pop(0)}", **self.fields}, status=400)


@pytest.fixture
async def endpoint(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:  # noqa: ARG001
    endpoint = Endpoint()
    async with aws_endpoint(endpoint.answer, monkeypatch):
        yield endpoint


@pytest.fixture
async def clients(endpoint: Endpoint) -> AsyncIterator[Clients]:  # noqa: ARG001
    async with open_clients(new_session(), PrometheusMetrics(), slots=1, receivers=1, attempts=1) as clients:
        yield clients


MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:machine"


async def test_a_name_that_exists_already_is_taken(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["ExecutionAlreadyExists"]
    assert await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT, "name") == "taken"


async def test_a_name_that_exists_already_is_a_duplicate_for_the_event_that_started_it_here(
    clients: Clients, endpoint: Endpoint
) -> None:
    executions = StepFunctionsExecutions(clients.sfn, "arn")
    endpoint.fields = {"startDate": 4e9}
    assert await executions.start(EVENT, "name") == "started"
    assert await executions.start(EVENT, "name") == "duplicate", "while it runs"
    endpoint.codes = ["ExecutionAlreadyExists"] * 2
    assert await executions.start(EVENT, "name") == "duplicate", "when it has ended"
    assert await executions.start(replace(EVENT, event_id="e2"), "name") == "taken"


async def test_an_execution_of_the_same_event_that_started_before_is_a_duplicate(
    clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.fields = {"startDate": 1.0}
    assert await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT, "name") == "duplicate"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"status": "RUNNING", "input": '{"eventId": "e1"}'}, Execution(running=True, event_id="e1")),
        ({"status": "FAILED", "input": '{"eventId": "e1"}'}, Execution(running=False, event_id="e1")),
        ({"status": "SUCCEEDED", "input": "[]"}, Execution(running=False, event_id="")),
        ({"status": "SUCCEEDED", "input": "{"}, Execution(running=False, event_id="")),
        ({"status": "SUCCEEDED"}, Execution(running=False, event_id="")),
    ],
)
async def test_an_execution_says_whether_it_runs_and_whose_it_is(
    answer: dict[str, str], found: Execution, clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.fields = answer
    assert await StepFunctionsExecutions(clients.sfn, MACHINE).look("name") == found
    ((_, request),) = endpoint.seen
    assert request["executionArn"] == "arn:aws:states:us-east-1:000000000000:execution:machine:name"


@pytest.mark.parametrize("code", ["ExecutionDoesNotExist", "AccessDeniedException"])
async def test_an_execution_that_is_missing_or_may_not_be_looked_at_is_none(
    code: str, clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.codes = [code]
    assert await StepFunctionsExecutions(clients.sfn, MACHINE).look("name") is None


async def test_an_execution_that_cannot_be_looked_at_now_is_not_confirmed(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["ThrottlingException"]
    with pytest.raises(NotConfirmedError):
        await StepFunctionsExecutions(clients.sfn, MACHINE).look("name")


@pytest.mark.parametrize("code", ["InvalidExecutionInput", "InvalidName"])
async def test_an_event_that_step_functions_can_never_take_is_invalid(
    code: str, clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.codes = [code]
    with pytest.raises(InvalidEventError) as caught:
        await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT, "name")
    assert caught.value.reason == code


@pytest.mark.parametrize("code", ["ThrottlingException", "StateMachineDoesNotExist", "AccessDeniedException"])
async def test_what_is_not_the_events_fault_is_not_confirmed(code: str, clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = [code]
    with pytest.raises(NotConfirmedError) as caught:
        await StepFunctionsExecutions(clients.sfn, "arn").start(EVENT, "name")
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


async def test_a_body_that_is_refused_without_a_reason_too_is_refused_for_good(
    clients: Clients, endpoint: Endpoint
) -> None:
    letters = SqsDeadLetters(clients.sqs, "http://made.up/dead")
    endpoint.codes = ["InvalidMessageContents"] * 2
    with pytest.raises(RefusedError, match="InvalidMessageContents"):
        await letters.send("body", "invalid_json")
    endpoint.codes = ["InvalidParameterValue", "RequestThrottled"]
    with pytest.raises(NotConfirmedError, match="RequestThrottled"):
        await letters.send("body", "invalid_json")


def records(clients: Clients) -> Records:
    return Records(clients.dynamodb, "table", FRESH, SystemClock())


async def test_a_put_that_is_older_in_both_orders_changes_nothing(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes, endpoint.fields = ["ConditionalCheckFailedException"], {"Item": ITEM}
    known = Known(EVENT.time, "end", EVENT.time + timedelta(seconds=90))
    assert await records(clients).put(EVENT, DETAILS) == Kept(known, details=False, event=False)
    assert len(endpoint.seen) == 1


async def test_a_put_tells_a_wrong_table_and_an_outage_apart(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["ValidationException"]
    with pytest.raises(StoreRefused):
        await records(clients).put(EVENT, DETAILS)
    endpoint.codes = ["ProvisionedThroughputExceededException"] * 9  # the client tries again by itself
    with pytest.raises(StoreThrottled):
        await records(clients).put(EVENT, DETAILS)
    endpoint.codes.clear()
    endpoint.codes = ["AccessDeniedException"]
    with pytest.raises(StoreUnavailable, match="AccessDeniedException"):
        await records(clients).put(EVENT, DETAILS)


async def test_a_lookup_has_each_id_once_and_finds_what_is_there(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.fields = {"Responses": {"table": [ITEM]}}
    found = await records(clients).look(["a1", "a2", "a1"])
    assert found == {"a1": Known(EVENT.time, "end", EVENT.time + timedelta(seconds=90))}
    ((_, request),) = endpoint.seen
    assert request["RequestItems"]["table"]["Keys"] == [{"interactionId": {"S": one}} for one in ("a1", "a2")]


async def test_keys_that_dynamodb_leaves_unprocessed_are_not_found(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.fields = {"Responses": {}, "UnprocessedKeys": {"table": {"Keys": [{"interactionId": {"S": "a1"}}]}}}
    assert await records(clients).look(["a1"]) == {}


async def test_a_lookup_that_is_refused_is_not_confirmed(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["AccessDeniedException"]
    with pytest.raises(NotConfirmedError, match="AccessDeniedException"):
        await records(clients).look(["a1"])


@pytest.mark.parametrize(
    ("stored", "covered"),
    [
        ({"Item": ITEM}, True),
        ({"Item": ITEM | {"detailsAt": {"S": "2026-03-01T00:01:29.999Z"}}}, False),
        ({"Item": {"interactionId": {"S": "a1"}}}, False),
        ({}, False),
    ],
    ids=["another event is newer", "asked too early", "no details", "gone"],
)
async def test_a_refused_update_settles_only_what_the_item_covers(
    stored: dict[str, Any], covered: bool, clients: Clients, endpoint: Endpoint
) -> None:
    endpoint.codes, endpoint.fields = ["ConditionalCheckFailedException"], stored
    assert await records(clients).settle(EVENT) is covered


async def test_an_update_without_an_answer_settles_nothing(clients: Clients, endpoint: Endpoint) -> None:
    endpoint.codes = ["ValidationException"]
    with pytest.raises(NotConfirmedError, match="ValidationException"):
        await records(clients).settle(EVENT)


async def test_a_denied_update_leaves_the_event_to_an_execution_and_says_so_once(
    clients: Clients, endpoint: Endpoint
) -> None:
    table = records(clients)
    with capture_logs() as lines:
        for _ in range(2):
            endpoint.codes = ["AccessDeniedException"]
            assert await table.settle(EVENT) is False
    assert [line["event"] for line in lines] == ["update_item_denied"]


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
        records(clients).probe,
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
