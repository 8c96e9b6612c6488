"""The checks of a chaos run, each shown a promise that was not kept."""

import json
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.accounting import Account, Expectation, Found, HandedOver, account
from chaos.history import History
from chaos.orders import END_TYPE, Rules
from chaos.proxy import Call
from chaos.traffic import Kind, Sent
from worker.events import utc_text
from worker.local.simulator.conversations import make_conversation
from worker.local.traffic import Event

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = Rules(lag=timedelta(seconds=4), final_wait=timedelta(seconds=45))
CONVERSATION = make_conversation("made-up", START, 20, end_after=None, outcome="answered", channels=["voice"])
EVENT = Event("made-up", END_TYPE, START + timedelta(seconds=18), "seed")
NAME = f"process-interaction-made-up-{'0' * 22}"


def item(event_seconds: float, details_seconds: float, *, event_id: str = "event-1") -> dict[str, Any]:
    """An item without an end; times in seconds after the conversation's start."""
    event_time, details_at = (START + timedelta(seconds=seconds) for seconds in (event_seconds, details_seconds))
    return {
        "interactionId": {"S": "made-up"},
        "eventId": {"S": event_id},
        "eventTime": {"S": utc_text(event_time)},
        "detailsAt": {"S": utc_text(details_at)},
        "complete": {"BOOL": False},
        "startTime": {"S": utc_text(START)},
        "channels": {"L": [{"S": "voice"}]},
        "processedAt": {"S": utc_text(details_at)},
    }


def settle(found: Found, kind: Kind = "ordinary", misled: Collection[str] = ()) -> Account:
    sent = HandedOver(Sent(kind, EVENT.envelope("event-1"), 18, EVENT), EVENT.time)
    return account([sent], found, Expectation(RULES, lambda _, moment: CONVERSATION.at(moment), misled))


@pytest.mark.parametrize(
    ("stored", "fate", "wrong"),
    [
        (item(18, 70), "stored", []),
        (item(18, 17.9), "LOST", ["event-1 is nowhere"]),
        (item(17, 70), "LOST", ["event-1 is nowhere"]),
        (item(18, 30), "stored", ["the item of made-up has no end, and nobody looked for it long enough"]),
        (
            item(18, 70, event_id="event-2"),
            "covered",
            ["the item of made-up names event-2, and its newest processed event is event-1"],
        ),
        (
            item(18, 70) | {"channels": {"L": [{"S": "email"}]}},
            "stored",
            ["the item of made-up is not what Genesys Cloud showed when it was asked"],
        ),
    ],
)
def test_an_event_needs_an_item_that_is_fresh_and_right(stored: dict[str, Any], fate: str, wrong: list[str]) -> None:
    result = settle(Found(items={"made-up": stored}))
    assert (result.fates, result.wrong) == ({"event-1": fate}, wrong)


def test_an_event_may_wait_in_a_running_execution_and_not_in_a_failed_one() -> None:
    assert settle(Found(executions={NAME: "RUNNING"})).fates == {"event-1": "running"}
    failed = settle(Found(executions={NAME: "FAILED"}))
    assert failed.wrong == ["event-1 is nowhere", f"{NAME} failed without a dead letter"]


@pytest.mark.parametrize(
    ("kind", "reason", "wrong"),
    [
        ("ordinary", "Genesys.Unavailable", 1),
        ("poisoned", "Interaction.Unavailable", 0),
        ("poisoned", "Genesys.Unavailable", 1),
        ("reader hangs", "event_reader_timed_out", 0),
        ("reader is odd", "event_reader_timed_out", 1),
    ],
)
def test_a_dead_letter_needs_the_reason_of_its_event(kind: Kind, reason: str, wrong: int) -> None:
    found = Found(letters=Counter({"event-1": 1}), untouched={EVENT.envelope("event-1")})
    found.reasons_of["event-1"].add(reason)
    result = settle(found, kind)
    assert result.fates == {"event-1": "dead-lettered"}
    assert [sentence.rpartition(" ")[2] for sentence in result.wrong] == [reason] * wrong


def test_after_a_clock_that_was_hours_wrong_there_is_still_an_item() -> None:
    found = Found(items={"made-up": item(18, 17.9)})
    assert settle(found, misled=["made-up"]).fates == {"event-1": "misdated"}
    assert settle(Found(), misled=["made-up"]).wrong == ["event-1 is nowhere"]


class Passed:
    """Calls that pass the proxy, all of one worker."""

    def __init__(self) -> None:
        self.history = History(RULES)

    def __call__(self, operation: str, request: dict[str, Any], answer: dict[str, Any] | None = None) -> None:
        call = Call(operation, "worker-1", request)
        call.status, call.answer = 200, answer or {}
        self.history(call)

    def receive(self) -> None:
        message = {"Body": EVENT.envelope("event-1"), "ReceiptHandle": "receipt"}
        self("ReceiveMessage", {}, {"Messages": [message]})

    def start(self, name: str) -> None:
        self("StartExecution", {"name": name, "input": json.dumps({"eventId": "event-1"})})


def test_a_covered_event_starts_nothing_and_a_receive_starts_one_execution() -> None:
    passed = Passed()
    passed.receive()
    keys = {"RequestItems": {"table": {"Keys": [{"interactionId": {"S": "made-up"}}]}}}
    passed("BatchGetItem", keys, {"Responses": {"table": [item(17, 70)]}})
    passed.start("first")
    assert passed.history.violations == ["event-1 was covered, and started an execution"]
    passed.start("second")
    assert "event-1 started more executions than its message was received" in passed.history.violations


def test_a_message_is_deleted_only_after_its_start_or_when_its_item_covers_it() -> None:
    passed = Passed()
    passed.receive()
    passed("PutItem", {"Item": item(17, 30)})
    passed("DeleteMessageBatch", {"Entries": [{"ReceiptHandle": "receipt"}]})
    assert len(passed.history.violations) == 1
    passed("PutItem", {"Item": item(17, 70)})
    passed("DeleteMessageBatch", {"Entries": [{"ReceiptHandle": "receipt"}]})
    assert len(passed.history.violations) == 1


def test_a_probe_of_the_table_writes_nothing() -> None:
    passed = Passed()
    passed("PutItem", {"Item": {"interactionId": {"S": "nobody"}}})
    assert passed.history.violations == ["a probe of the table wrote the item nobody"]


def test_no_order_goes_back_and_no_update_makes_an_item() -> None:
    passed = Passed()
    passed("PutItem", {"Item": item(17, 70)})
    passed("PutItem", {"Item": item(18, 60)})
    passed("PutItem", {"Item": item(16, 60)})
    values = {":eventId": {"S": "event-1"}, ":eventTime": {"S": utc_text(START)}}
    passed("UpdateItem", {"Key": {"interactionId": {"S": "another"}}, "ExpressionAttributeValues": values})
    assert [violation.split(" from ")[0] for violation in passed.history.violations] == [
        "detailsAt of made-up went back",
        "eventTime of made-up went back",
        "an update made an item for another that has no details",
    ]
