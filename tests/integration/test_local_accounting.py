"""The demo's accounting against a real table, queue and state machine: it calls nothing accounted for that is not."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.stack import Stack
from worker.events import InteractionEvent, utc_text
from worker.local.demo.accounting import Accounting
from worker.local.simulator.conversations import Conversations, conversation, make_conversation
from worker.local.traffic import Event, make_events


@pytest.fixture
def accounting(stack: Stack) -> Accounting:
    return Accounting(stack.clients, stack.settings, Conversations().seen)


def _sent(accounting: Accounting) -> tuple[Event, str]:
    event, event_id = make_events(1, "seed")[0], str(uuid.uuid4())
    accounting.sent(event, event_id, event.time)
    return event, event_id


async def _store(stack: Stack, event: Event, event_id: str, channels: tuple[str, ...] | None = None) -> None:
    told = conversation(event.interaction_id)
    await stack.clients.dynamodb.put_item(
        TableName=stack.settings["INTERACTION_TABLE_NAME"],
        Item={
            "interactionId": {"S": event.interaction_id},
            "eventId": {"S": event_id},
            "eventTime": {"S": utc_text(event.time)},
            "startTime": {"S": utc_text(told.start)},
            "channels": {"L": [{"S": channel} for channel in channels or told.channels]},
            "processedAt": {"S": utc_text(event.time)},
        },
    )


async def _dead_letter(stack: Stack, body: str, reason: str) -> None:
    await stack.clients.sqs.send_message(
        QueueUrl=stack.settings["DEAD_LETTER_QUEUE_URL"],
        MessageBody=body,
        MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
    )


async def _execution(stack: Stack, name: str) -> None:
    await stack.clients.stepfunctions.start_execution(
        stateMachineArn=stack.settings["STATE_MACHINE_ARN"],
        name=name,
        input=json.dumps({"interactionId": "x", "eventType": "x", "timestamp": "x", "eventId": "x"}),
    )


async def test_an_event_that_is_nowhere_is_lost(accounting: Accounting) -> None:
    _sent(accounting)
    account = await accounting.settle()
    assert (account.events, account.lost, account.accounted, account.complete) == (1, 1, 0, False)


async def test_an_older_item_of_the_interaction_does_not_count_and_a_newer_one_covers_the_event(
    stack: Stack, accounting: Accounting
) -> None:
    event, _ = _sent(accounting)
    await _store(stack, replace(event, time=event.time - timedelta(seconds=1)), "older-event")
    assert (await accounting.settle()).lost == 1
    await _store(stack, replace(event, time=event.time + timedelta(seconds=1)), "newer-event")
    assert (await accounting.settle()).stored == 1


async def test_events_that_share_an_execution_are_counted_as_covered(stack: Stack, accounting: Accounting) -> None:
    event, _ = _sent(accounting)
    later = [replace(event, time=event.time + timedelta(milliseconds=number)) for number in (1, 2)]
    for number, each in enumerate(later):
        accounting.sent(each, f"later-{number}", each.time)
    await _store(stack, later[-1], "later-1")
    await _execution(stack, "made-up")
    account = await accounting.settle()
    assert (account.events, account.interactions, account.stored) == (3, 1, 3)
    assert (account.executions, account.covered, account.complete) == (1, 2, True)
    assert len(account.latencies) == 1
    assert (await accounting.counts())["stored"] == 3


async def test_one_letter_holds_all_events_of_an_interaction_that_never_came_to_an_item(
    stack: Stack, accounting: Accounting
) -> None:
    event, event_id = _sent(accounting)
    accounting.sent(replace(event, time=event.time + timedelta(seconds=1)), "another", event.time)
    letter = {"eventId": event_id, "interactionId": event.interaction_id, "error": {}}
    await _dead_letter(stack, json.dumps(letter), "Interaction.NotFound")
    account = await accounting.settle()
    assert account.reasons == {"Interaction.NotFound": 2}
    assert account.complete


async def test_an_item_counts_as_stored_only_with_what_the_simulator_tells(
    stack: Stack, accounting: Accounting
) -> None:
    await _store(stack, *_sent(accounting))
    await _store(stack, *_sent(accounting), channels=("carrier pigeon",))
    account = await accounting.settle()
    assert (account.stored, account.wrong, account.lost, account.complete) == (1, 1, 0, False)
    assert account.latencies == [pytest.approx(0, abs=0.001)]


@pytest.mark.parametrize(
    ("asked", "channels", "end", "right"),
    [
        (0, ["voice"], False, True),
        (0, ["voice", "message"], True, True),
        (0, ["message"], False, False),
        (0, ["voice", "message", "chat"], False, False),
        (50, ["voice", "message"], False, True),
        (50, ["voice"], False, False),
        (100, ["voice", "message"], True, True),
        (100, ["voice", "message"], False, False),
    ],
)
async def test_an_item_has_at_least_what_was_known_when_its_details_were_asked_for(
    asked: int, channels: list[str], end: bool, right: bool, stack: Stack
) -> None:
    start = datetime.now(UTC).replace(microsecond=0)
    made = make_conversation("made-up", start, 100, outcome="answered", channels=["voice", "message"])
    conversations = Conversations()
    conversations.tell([made])
    accounting = Accounting(stack.clients, stack.settings, conversations.seen)
    accounting.sent(Event("made-up", "customer.start", start, "seed"), "made-up-event", start)
    item: dict[str, Any] = {
        "interactionId": {"S": "made-up"},
        "eventTime": {"S": utc_text(start)},
        "eventId": {"S": "made-up-event"},
        "startTime": {"S": utc_text(start)},
        "channels": {"L": [{"S": channel} for channel in channels]},
        "detailsAt": {"S": utc_text(start + timedelta(seconds=asked))},
        "processedAt": {"S": utc_text(start + timedelta(seconds=200))},
    }
    if end:
        item["endTime"] = {"S": utc_text(start + timedelta(seconds=100))}
    await stack.clients.dynamodb.put_item(TableName=stack.settings["INTERACTION_TABLE_NAME"], Item=item)
    account = await accounting.settle()
    assert (account.stored, account.wrong) == ((1, 0) if right else (0, 1))


async def test_a_running_execution_keeps_its_event_open(stack: Stack, accounting: Accounting) -> None:
    event, event_id = _sent(accounting)
    known = InteractionEvent(event.interaction_id, event.event_type, event.time, event_id)
    await _execution(stack, known.execution_name)
    account = await accounting.settle()
    assert (account.open, account.lost, account.extra_executions) == (1, 0, 0)


async def test_a_message_in_the_queue_keeps_one_event_open_and_no_more(stack: Stack, accounting: Accounting) -> None:
    event, event_id = _sent(accounting)
    _sent(accounting)
    await stack.clients.sqs.send_message(
        QueueUrl=stack.settings["EVENT_QUEUE_URL"], MessageBody=event.envelope(event_id)
    )
    account = await accounting.settle()
    assert (account.open, account.lost) == (1, 1)


async def test_both_kinds_of_dead_letter_count_once_by_reason_and_stay_in_the_queue(
    stack: Stack, accounting: Accounting
) -> None:
    _, event_id = _sent(accounting)
    accounting.sent_malformed("not JSON")
    await _dead_letter(stack, "not JSON", "invalid_json")
    for _ in range(2):
        await _dead_letter(stack, json.dumps({"eventId": event_id, "error": {}}), "Interaction.NotFound")
    for _ in range(2):
        account = await accounting.settle()
        assert account.reasons == {"invalid_json": 1, "Interaction.NotFound": 1}
        assert account.complete
        assert (await accounting.counts())["dead_lettered"] == 3


async def test_a_changed_body_is_not_the_letter_of_what_was_sent(stack: Stack, accounting: Accounting) -> None:
    accounting.sent_malformed("not JSON")
    await _dead_letter(stack, "not JSON ", "invalid_json")
    assert (await accounting.settle()).lost == 1


async def test_a_second_execution_of_a_redelivery_is_an_effect_and_makes_it_incomplete(
    stack: Stack, accounting: Accounting
) -> None:
    event, event_id = _sent(accounting)
    await _store(stack, event, event_id)
    accounting.redelivered = 1
    assert (await accounting.settle()).duplicates == 1
    for index in range(2):
        await _execution(stack, f"made-up-{index}")
    account = await accounting.settle()
    assert (account.stored, account.extra_executions, account.duplicates, account.complete) == (1, 1, 0, False)


async def test_the_example_is_an_item_as_plain_json(stack: Stack, accounting: Accounting) -> None:
    assert await accounting.example() is None
    await stack.clients.dynamodb.put_item(
        TableName=stack.settings["INTERACTION_TABLE_NAME"],
        Item={
            "interactionId": {"S": "made-up"},
            "channels": {"L": [{"S": "voice"}, {"NULL": True}]},
            "extra": {"M": {"whole": {"N": "3"}, "part": {"N": "2.5"}, "yes": {"BOOL": True}}},
        },
    )
    assert await accounting.example() == {
        "interactionId": "made-up",
        "channels": ["voice", None],
        "extra": {"whole": 3, "part": 2.5, "yes": True},
    }
