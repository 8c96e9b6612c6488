"""What a dead letter is told to be, by its content."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from worker.events import InteractionEvent, InvalidEventError
from worker.letter import FailedInteraction, read_letter

EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:interactions:process-interaction-a1-0011"
INPUT = {"interactionId": "a1", "eventType": "end", "timestamp": "2026-03-01T10:00:00.000Z", "eventId": "e1"}
ENVELOPE = {"id": "e1", "time": "2026-03-01T10:00:00Z", "detail-type": "x", "detail": {"interactionId": "a1"}}


def letter(body: Any, attributes: dict[str, str] | None = None, **system: str) -> Any:
    message: Any = {
        "MessageId": "m1",
        "ReceiptHandle": "r1",
        "Body": body if isinstance(body, str) else json.dumps(body),
        "Attributes": {"SentTimestamp": "1772359200000", "ApproximateReceiveCount": "1", **system},
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()
        },
    }
    return read_letter(message)


def failed(**change: Any) -> dict[str, Any]:
    facts = {"error": {"Error": "Genesys.Unavailable", "Cause": "503"}, "executionArn": EXECUTION}
    return INPUT | facts | change


def status_change(detail: dict[str, Any]) -> dict[str, Any]:
    kind = "Step Functions Execution Status Change"
    return {"id": "e9", "source": "aws.states", "detail-type": kind, "detail": detail}


ABORTED = status_change({"executionArn": EXECUTION, "status": "ABORTED", "input": json.dumps(INPUT)})


def test_the_state_machines_letter_is_a_failed_interaction_with_its_original_input() -> None:
    read = letter(failed(), {"reason": "Genesys.Unavailable"})
    assert (read.origin, read.error, read.interaction_id) == ("interaction", "Genesys.Unavailable", "a1")
    assert read.failure == FailedInteraction(EXECUTION, INPUT, "503")


@pytest.mark.parametrize("status", ["TIMED_OUT", "ABORTED"])
def test_an_execution_status_change_is_a_failed_interaction(status: str) -> None:
    detail = {"executionArn": EXECUTION, "status": status, "input": json.dumps(INPUT), "cause": None}
    read = letter(status_change(detail))
    assert (read.origin, read.error, read.interaction_id) == ("interaction", f"Execution.{status}", "a1")
    assert read.failure == FailedInteraction(EXECUTION, INPUT, "")


def test_an_execution_that_no_catch_saw_has_its_own_error_name() -> None:
    detail = {"executionArn": EXECUTION, "status": "FAILED", "input": json.dumps(INPUT), "error": "States.Runtime"}
    read = letter(status_change(detail))
    assert (read.origin, read.error) == ("interaction", "States.Runtime")


def test_a_status_change_without_its_input_is_no_failed_interaction() -> None:
    detail = {"executionArn": EXECUTION, "status": "ABORTED", "input": None}
    read = letter(status_change(detail))
    assert (read.origin, read.failure) == ("event", None)


@pytest.mark.parametrize(
    ("body", "attributes", "system", "error", "interaction"),
    [
        ("no json", {"reason": "invalid_json"}, {}, "invalid_json", "-"),
        (ENVELOPE, {"reason": "invalid_time"}, {}, "invalid_time", "a1"),
        (ENVELOPE, {}, {}, "-", "a1"),
        (ENVELOPE, {"ERROR_CODE": "NO_PERMISSIONS"}, {}, "EventBridge.NO_PERMISSIONS", "a1"),
        ("no json", {}, {"DeadLetterQueueSourceArn": "arn:q"}, "SQS.MaxReceives", "-"),
        ("x" * 262_144, {}, {}, "-", "-"),
    ],
    ids=["quarantined", "readable-again", "no-reason", "eventbridge", "sqs-redrive", "no-room-for-a-reason"],
)
def test_what_never_became_an_execution_is_an_event(
    body: Any, attributes: dict[str, str], system: dict[str, str], error: str, interaction: str
) -> None:
    read = letter(body, attributes, **system)
    assert (read.origin, read.error, read.interaction_id, read.failure) == ("event", error, interaction, None)


@pytest.mark.parametrize(
    ("body", "attributes", "system"),
    [
        (failed(), {"reason": "invalid_envelope"}, {}),
        (failed(error={"Error": "invalid_envelope"}), {"reason": "invalid_envelope"}, {}),
        (failed(error={"Error": "InvalidName"}), {"reason": "InvalidName"}, {}),
        (failed(error={"Error": "not_wanted"}), {"reason": "not_wanted"}, {}),
        (ABORTED, {"reason": "missing_interaction_id"}, {}),
        (ABORTED, {"reason": "States.Timeout"}, {}),
        (ABORTED | {"source": "genesys.cloud"}, {"ERROR_CODE": "NO_PERMISSIONS"}, {}),
        (ABORTED | {"padding": "x" * 262_144}, {}, {}),
        (failed(padding="x" * 262_144), {}, {}),
        (failed(), {"reason": "Genesys.Unavailable"}, {"DeadLetterQueueSourceArn": "arn:q"}),
        (ABORTED, {}, {"DeadLetterQueueSourceArn": "arn:q"}),
    ],
    ids=[
        "other-reason",
        "same-reason",
        "step-functions-code",
        "readers-reason",
        "status-change",
        "status-change-with-error-name",
        "not-of-aws",
        "status-change-without-room",
        "without-room",
        "redriven-by-sqs",
        "status-change-redriven-by-sqs",
    ],
)
def test_a_quarantined_body_that_imitates_a_failed_interaction_stays_an_event(
    body: dict[str, Any], attributes: dict[str, str], system: dict[str, str]
) -> None:
    read = letter(body, attributes, **system)
    assert (read.origin, read.failure) == ("event", None)


def test_the_state_machines_letter_always_has_its_reason() -> None:
    assert letter(failed()).origin == "foreign"


NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_the_input_of_a_failed_interaction_is_started_as_it_was() -> None:
    assert FailedInteraction(EXECUTION, INPUT | {"more": 1}, "").event(NOW).execution_input() == INPUT


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"interactionId": "../../oauth"}, "invalid_interaction_id"),
        ({"interactionId": 1}, "invalid_envelope"),
        ({"timestamp": "9999-01-01T00:00:00Z"}, "future_time"),
        ({"timestamp": "yesterday"}, "invalid_time"),
        ({"timestamp": None}, "missing_time"),
        ({"eventType": "x" * 257}, "invalid_envelope"),
        ({"eventId": None}, "invalid_envelope"),
    ],
)
def test_an_input_that_the_intake_would_not_start_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidEventError) as refused:
        FailedInteraction(EXECUTION, INPUT | change, "").event(NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "body",
    [
        "hello",
        "[" * 100_000,
        {"hello": 1},
        failed(executionArn="not an arn"),
        failed(interactionId="../../oauth"),
        failed(error="text"),
        {"error": {}, "executionArn": EXECUTION},
    ],
)
def test_what_is_in_neither_form_is_foreign(body: Any) -> None:
    assert letter(body).origin == "foreign"


def test_the_redrive_name_is_the_same_each_time_legal_and_differs_by_failed_execution() -> None:
    long_id = INPUT | {"interactionId": "x" * 64}
    one = FailedInteraction(EXECUTION, long_id, "")
    again = FailedInteraction(EXECUTION, dict(long_id), "other cause")
    other = FailedInteraction(EXECUTION + "2", long_id, "")
    assert one.redrive_name == again.redrive_name != other.redrive_name
    assert one.redrive_name.startswith("process-interaction-")
    assert len(one.redrive_name) <= 80


def test_names_of_executions_are_those_of_version_0_1_0() -> None:
    """Under another name an event or a redrive that was begun before an upgrade would start a second time."""
    event = InteractionEvent("a1", "end", datetime(2026, 3, 1, tzinfo=UTC), "e1")
    assert event.execution_name == "process-interaction-a1-7fd908cbdb3d49e65f0e4a"
    assert FailedInteraction(EXECUTION, INPUT, "").redrive_name == "process-interaction-a1-93e8e7d33b7e08fd08e9cf"
