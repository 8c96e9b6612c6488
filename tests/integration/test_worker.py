"""The main job over the network: a worker process between the AWS emulator and the Genesys simulator."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.support.samples import partner, seed
from tests.support.stack import Item, Stack, dead_letters, executions, item_of, new_id, send, stored
from tests.support.worker_process import StartWorker, until
from worker.events import parse_event, parse_time, utc_text
from worker.local.simulator.conversations import conversation, make_conversation
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Simulator

NOTHING_IS_COVERED = "100000000"
"""DETAILS_LAG_SECONDS of three years: every event starts an execution of its own."""


async def test_both_event_shapes_land_with_start_time_channels_and_end(
    stack: Stack, simulator: Simulator, start_worker: StartWorker
) -> None:
    await start_worker()
    ids = {"seed": new_id(), "partner": new_id()}
    events = {"seed": seed(ids["seed"]) | {"id": "event-a"}, "partner": partner(ids["partner"]) | {"id": "event-b"}}
    await send(stack, *events.values())
    for shape, interaction_id in ids.items():
        item = await stored(stack, interaction_id)
        known = conversation(interaction_id)
        event = parse_event(json.dumps(events[shape]))
        assert item.pop("processedAt")["S"].endswith("Z")
        (asked,) = simulator.stats.asked[interaction_id]
        details_at = parse_time(item.pop("detailsAt")["S"])
        assert asked - timedelta(seconds=1) <= details_at <= asked
        assert known.end is not None
        assert item == {
            "endTime": {"S": utc_text(known.end)},
            "complete": {"BOOL": True},
            "interactionId": {"S": interaction_id},
            "startTime": {"S": utc_text(known.start)},
            "channels": {"L": [{"S": channel} for channel in known.channels]},
            "eventType": {"S": "customer.end"},
            "eventTime": {"S": utc_text(event.time)},
            "eventId": {"S": event.event_id},
        }


async def test_a_duplicate_has_one_execution_and_one_item(stack: Stack, start_worker: StartWorker) -> None:
    worker = await start_worker()
    interaction_id = new_id()
    await send(stack, *[seed(interaction_id, timestamp=utc_text(datetime.now(UTC)))] * 3)
    await stored(stack, interaction_id)

    async def counted() -> bool:
        return await worker.metric("worker_events_total", outcome="duplicate") == 2

    await until(counted)
    assert await worker.metric("worker_events_total", outcome="started") == 1
    assert len(await executions(stack)) == 1


async def test_an_older_event_changes_no_event_fields_and_a_newer_one_does(
    stack: Stack, start_worker: StartWorker
) -> None:
    worker = await start_worker(DETAILS_LAG_SECONDS=NOTHING_IS_COVERED)
    interaction_id = new_id()

    async def publish_and_wait(event_id: str, timestamp: str, number: int) -> Item:
        await send(stack, seed(interaction_id, timestamp=timestamp) | {"id": event_id})

        async def done() -> bool:
            return await worker.metric("worker_interactions_total", outcome="succeeded") == number

        await until(done)
        item = await item_of(stack, interaction_id)
        assert item is not None
        return item

    await publish_and_wait("middle", "2026-03-01T10:00:00+00:00", 1)
    # Later as a text, earlier as an instant.
    older = await publish_and_wait("older", "2026-03-01T12:00:00+05:00", 2)
    assert older["eventId"] == {"S": "middle"}
    # The same instant, written in another way: on a tie the stored item stays.
    tie = await publish_and_wait("tie", "2026-03-01T05:00:00-05:00", 3)
    assert tie["eventId"] == {"S": "middle"}
    newest = await publish_and_wait("newer", "2026-03-01T10:00:00.001Z", 4)
    assert newest["eventId"] == {"S": "newer"}
    assert older["detailsAt"]["S"] < tie["detailsAt"]["S"] < newest["detailsAt"]["S"]


async def test_poison_is_quarantined_untouched_and_nothing_beside_it_waits(
    stack: Stack, start_worker: StartWorker
) -> None:
    await start_worker()
    poison = {
        "{ no json \u00e9 ": "invalid_json",
        json.dumps(seed(None), indent=3): "missing_interaction_id",
        json.dumps(seed("../../oauth")): "invalid_interaction_id",
        json.dumps(seed(timestamp="yesterday")): "invalid_time",
    }
    interaction_id = new_id()
    await send(stack, *poison, seed(interaction_id))
    await stored(stack, interaction_id)
    found: dict[str, str] = {}

    async def all_found() -> bool:
        found.update(dict(await dead_letters(stack)))
        return len(found) >= len(poison)

    await until(all_found)
    assert found == poison


async def test_letters_that_the_dead_letter_queue_refuses_stay_in_the_event_queue_and_hold_up_nothing(
    stack: Stack, start_worker: StartWorker
) -> None:
    """A smaller largest message than the event queue's is what SQS refuses for good."""
    dead_letter_queue = stack.settings["DEAD_LETTER_QUEUE_URL"]
    await stack.clients.sqs.set_queue_attributes(
        QueueUrl=dead_letter_queue, Attributes={"MaximumMessageSize": str(1024)}
    )
    worker = await start_worker(INTAKE_CONCURRENCY="1")
    large = [f"poison {number} {'x' * 2000}" for number in range(20)]
    await send(stack, *large)
    await until(lambda: len(worker.lines("quarantine_refused")) == len(large))
    interaction_id = new_id()
    await send(stack, "small poison", seed(interaction_id))
    assert await stored(stack, interaction_id)
    assert dict(await dead_letters(stack)) == {"small poison": "invalid_json"}
    assert await worker.metric("worker_quarantine_refused_total") == len(large)
    assert {line["error"] for line in worker.lines("quarantine_refused")} == {"InvalidParameterValue"}


async def test_a_valid_envelope_of_300_kib_is_processed(stack: Stack, start_worker: StartWorker) -> None:
    await start_worker()
    interaction_id = new_id()
    body = json.dumps(seed(interaction_id, padding="x" * 300 * 1024))
    await send(stack, body)
    assert await stored(stack, interaction_id)


async def test_a_429_longer_than_a_slot_should_wait_is_handed_back_and_retried(
    stack: Stack, simulator: Simulator, start_worker: StartWorker
) -> None:
    worker = await start_worker(ALLOWANCE_WAIT_SECONDS="0.5")
    simulator.throttle(3)
    interaction_id = new_id()
    await send(stack, seed(interaction_id))
    await stored(stack, interaction_id)
    await until(lambda: any(line["outcome"] == "succeeded" for line in worker.lines("attempt")))
    outcomes = [line["outcome"] for line in worker.lines("attempt")]
    assert set(outcomes[:-1]) == {"Genesys.RateLimited"}
    assert outcomes[-1] == "succeeded"


async def test_an_outage_of_genesys_is_waited_out_in_one_attempt(
    stack: Stack, simulator: Simulator, start_worker: StartWorker
) -> None:
    worker = await start_worker()
    simulator.faults.plan = FaultPlan(outage=True)
    interaction_id = new_id()
    await send(stack, seed(interaction_id))
    await until(lambda: worker.lines("outage_began"))
    simulator.faults.plan = replace(simulator.faults.plan, outage=False)
    await stored(stack, interaction_id)
    await until(lambda: worker.lines("attempt"))
    assert [line["outcome"] for line in worker.lines("attempt")] == ["succeeded"]
    assert await dead_letters(stack) == []


async def test_an_unknown_interaction_ends_as_a_dead_letter_that_says_all(
    stack: Stack, simulator: Simulator, start_worker: StartWorker
) -> None:
    worker = await start_worker(NOT_FOUND_AFTER_SECONDS="0")
    simulator.faults.plan = FaultPlan(missing_prefix="interaction-")
    interaction_id = new_id()
    await send(stack, seed(interaction_id) | {"id": "event-7"})
    ((body, attribute),) = await until(lambda: dead_letters(stack))
    letter = json.loads(body)
    assert attribute == letter["error"]["Error"] == "Interaction.NotFound"
    assert letter["error"]["Cause"]
    (attempt,) = await until(lambda: worker.lines("attempt"))
    assert letter["executionArn"] == attempt["execution_arn"]
    assert {name: letter[name] for name in ("interactionId", "eventType", "timestamp", "eventId")} == {
        "interactionId": interaction_id,
        "eventType": "customer.end",
        "timestamp": "2026-03-01T09:00:00.000Z",
        "eventId": "event-7",
    }

    async def failed() -> bool:
        return await executions(stack) == ["FAILED"]

    await until(failed)
    assert await item_of(stack, interaction_id) is None


async def test_analytics_that_is_late_is_waited_for(
    stack: Stack, simulator: Simulator, start_worker: StartWorker
) -> None:
    worker = await start_worker()
    simulator.faults.plan = FaultPlan(analytics_lag_seconds=1.5)
    interaction_id = new_id()
    simulator.tell(make_conversation(interaction_id, datetime.now(UTC), 0))
    await send(stack, seed(interaction_id))
    await stored(stack, interaction_id)
    outcomes = [line["outcome"] for line in worker.lines("attempt")]
    assert set(outcomes[:-1]) == {"Interaction.NotReady"} or outcomes == ["Interaction.NotReady"]


async def test_roles_split_intake_and_activity_over_two_tasks(stack: Stack, start_worker: StartWorker) -> None:
    intake = await start_worker(ROLES="intake")
    interaction_id = new_id()
    await send(stack, seed(interaction_id))
    await until(lambda: intake.lines("intake_batch"))
    assert await item_of(stack, interaction_id) is None
    assert await intake.metric("worker_slots", state="polling") == 0
    activity = await start_worker(ROLES="activity")
    assert await stored(stack, interaction_id)
    assert activity.lines("intake_batch") == []
