"""`dlq redrive`, also as a process of its own that is interrupted."""

import asyncio
import json
import signal
import time

import pytest

from tests.support.letters import Aws, event_body, failed_interaction


async def test_redrive_starts_failed_interactions_and_sends_back_quarantined_bodies(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    await aws.quarantined("somebody else's", reason=None)
    status, output, _ = await aws.dlq("redrive")
    assert status == 0
    assert "redriven 2 of 2 letters" in output
    assert "left 1 letter of other senders" in output
    assert await aws.executions() == {
        "a-1": {
            "interactionId": "a-1",
            "eventType": "end",
            "timestamp": "2026-03-01T10:00:00.000Z",
            "eventId": "event-a-1",
        }
    }
    assert await aws.event_bodies() == ["{broken"]
    assert await aws.waiting() == (1, 0)


async def test_redrive_of_an_aborted_execution_starts_it_again(aws: Aws) -> None:
    document = failed_interaction(aws.settings, "a-1", "x")
    original = {name: document[name] for name in ("interactionId", "eventType", "timestamp", "eventId")}
    detail = {"executionArn": document["executionArn"], "status": "ABORTED", "input": json.dumps(original)}
    kind = "Step Functions Execution Status Change"
    change = {"id": "e", "source": "aws.states", "detail-type": kind, "detail": detail}
    await aws.quarantined(json.dumps(change), reason=None)
    assert (await aws.dlq("redrive", "--error", "Execution.ABORTED"))[0] == 0
    assert await aws.executions() == {"a-1": original}
    assert await aws.waiting() == (0, 0)


async def test_two_letters_of_one_failed_execution_start_it_once(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.failed("a-1")
    assert (await aws.dlq("redrive"))[0] == 0
    assert list(await aws.executions()) == ["a-1"]
    assert await aws.waiting() == (0, 0)


@pytest.mark.parametrize(
    ("options", "started"),
    [
        (("--error", "Interaction.NotFound"), {"b-1"}),
        (("--id", "a-2"), {"a-2"}),
        (("--error", "invalid_json"), set()),
        ((), {"a-1", "a-2", "b-1"}),
    ],
)
async def test_redrive_takes_only_what_the_filter_selects(
    aws: Aws, options: tuple[str, ...], started: set[str]
) -> None:
    # More letters that do not match than one receive brings, and before those that do.
    await aws.many([(f"other {n}", "invalid_envelope") for n in range(30)] if options else [])
    await aws.failed("a-1")
    await aws.failed("a-2")
    await aws.failed("b-1", "Interaction.NotFound")
    assert (await aws.dlq("redrive", *options))[0] == 0
    assert set(await aws.executions()) == started
    assert await aws.waiting() == ((33 if options else 3) - len(started), 0)


async def test_redrive_stops_at_its_limit(aws: Aws) -> None:
    await aws.many([(f"{{broken {n}", "invalid_json") for n in range(40)])
    status, output, _ = await aws.dlq("redrive", "--limit", "7")
    assert status == 0
    assert "redriven 7 of 7 letters: 7 invalid_json" in output
    assert await aws.waiting() == (33, 0)
    assert len(await aws.event_bodies()) == 7


async def test_a_dry_run_changes_nothing(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    status, output, _ = await aws.dlq("redrive", "--dry-run")
    assert status == 0
    assert "would redrive 2 letters" in output
    assert await aws.executions() == {}
    assert await aws.waiting() == (2, 0)
    assert await aws.waiting("EVENT_QUEUE_URL") == (0, 0)


async def test_a_letter_that_fails_stays_and_the_others_go(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    aws.environment["STATE_MACHINE_ARN"] += "-gone"
    status, output, errors = await aws.dlq("redrive")
    assert status == 1
    assert "redriven 1 of 2 letters" in output
    assert "StateMachineDoesNotExist" in errors
    assert await aws.waiting() == (1, 0)


async def test_an_input_that_the_intake_would_refuse_is_not_started(aws: Aws) -> None:
    document = failed_interaction(aws.settings, "a-1", "Genesys.Unavailable") | {"timestamp": "9999-01-01T00:00:00Z"}
    await aws.quarantined(json.dumps(document), "Genesys.Unavailable")
    status, _, errors = await aws.dlq("redrive")
    assert status == 1
    assert "future_time" in errors
    assert await aws.executions() == {}
    assert await aws.waiting() == (1, 0)


async def test_a_body_that_imitates_a_failed_interaction_goes_back_to_the_event_queue(aws: Aws) -> None:
    forged = json.dumps(failed_interaction(aws.settings, "a-1", "invalid_envelope"))
    await aws.quarantined(forged, "invalid_envelope")
    assert (await aws.dlq("redrive"))[0] == 0
    assert await aws.executions() == {}
    assert await aws.event_bodies() == [forged]


async def test_letters_that_come_back_unreadable_are_left_for_the_next_run(aws: Aws) -> None:
    """Without a bound a redrive and an intake that quarantines again would chase each other for ever."""
    await aws.quarantined("{broken")
    process = aws.start("redrive")
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        for body in await aws.event_bodies():
            await aws.quarantined(body)
    assert process.poll() == 0, process.communicate()
    assert process.communicate()[0].startswith("redriven 1 of 1 letter")
    assert await aws.waiting() == (1, 0)


async def test_an_interrupted_redrive_gives_its_letters_back_at_once(aws: Aws) -> None:
    await aws.many([(event_body(f"i-{n}"), "invalid_time") for n in range(500)])
    process = aws.start("redrive", "--hold", "600")
    await aws.only_some_are_left(450)
    process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(process.wait, 20) == 130
    _, errors = process.communicate()
    assert "interrupted" in errors
    assert (await aws.waiting())[1] == 0
