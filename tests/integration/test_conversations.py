"""Right for each conversation, over the network: as fresh as its last event, final when it ends, and paid for once."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from bench.executions import measure
from tests.support import stack as stack_support
from tests.support.environment import kept_environment
from tests.support.samples import seed
from tests.support.stack import Stack, executions, stored
from tests.support.worker_process import StartWorker, until
from worker.events import parse_time, utc_text
from worker.local.simulator.conversations import make_conversation
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Simulator


@pytest.fixture
def call_id() -> str:
    return f"call-{uuid.uuid4().hex[:8]}"


async def send(stack: Stack, interaction_id: str, event_type: str, time: datetime) -> None:
    body = seed(interaction_id, eventType=event_type, timestamp=utc_text(time)) | {"id": str(uuid.uuid4())}
    await stack_support.send(stack, body)


async def all_succeeded(stack: Stack, count: int) -> bool:
    return await executions(stack) == ["SUCCEEDED"] * count


async def queue_is_empty(stack: Stack) -> bool:
    answer = await stack.clients.sqs.get_queue_attributes(
        QueueUrl=stack.settings["EVENT_QUEUE_URL"],
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return not any(int(value) for value in answer["Attributes"].values())


async def test_an_event_amid_a_request_is_stored_with_details_asked_for_after_it(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    await start_worker()
    simulator.faults.plan = FaultPlan(slow_share=1.0, slow_seconds=3.0)
    await send(stack, call_id, "customer.start", datetime.now(UTC))
    await until(lambda: call_id in simulator.stats.asked)
    second = datetime.now(UTC)
    await send(stack, call_id, "acd.start", second)
    await until(lambda: all_succeeded(stack, 2))
    item = await stored(stack, call_id)
    assert item["eventType"] == {"S": "acd.start"}
    assert parse_time(item["detailsAt"]["S"]) >= second
    assert len(simulator.stats.asked[call_id]) == 2


async def test_a_conversation_whose_end_appears_late_ends_complete(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    worker = await start_worker(FINAL_WAIT_SECONDS="30")
    start = datetime.now(UTC) - timedelta(seconds=10)
    simulator.tell(make_conversation(call_id, start, 10, end_after=None, outcome="answered"))
    await send(stack, call_id, "customer.end", datetime.now(UTC))
    assert (await stored(stack, call_id))["complete"] == {"BOOL": False}
    call = make_conversation(call_id, start, 10, outcome="answered")
    simulator.tell(call)
    await until(lambda: all_succeeded(stack, 1))
    item = await stored(stack, call_id)
    assert call.end is not None
    assert (item["complete"], item["endTime"]) == ({"BOOL": True}, {"S": utc_text(call.end)})
    await until(lambda: worker.lines("attempt")[-1]["outcome"] == "succeeded")
    outcomes = [line["outcome"] for line in worker.lines("attempt")]
    assert set(outcomes[:-1]) == {"Interaction.Incomplete"}


async def test_a_conversation_that_never_ends_is_a_success_without_an_end(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    worker = await start_worker(FINAL_WAIT_SECONDS="3")
    simulator.tell(make_conversation(call_id, datetime.now(UTC) - timedelta(seconds=10), 5, end_after=None))
    await send(stack, call_id, "customer.end", datetime.now(UTC))
    await until(lambda: all_succeeded(stack, 1))
    item = await stored(stack, call_id)
    assert (item["complete"], "endTime" in item) == ({"BOOL": False}, False)
    assert await worker.metric("worker_interactions_total", outcome="succeeded") == 1
    assert 2 <= len(worker.lines("attempt")) <= 5


async def test_of_several_ends_only_the_last_one_is_waited_for(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    worker = await start_worker(FINAL_WAIT_SECONDS="6")
    simulator.tell(make_conversation(call_id, datetime.now(UTC) - timedelta(seconds=10), 5, end_after=None))
    for _ in range(3):
        await send(stack, call_id, "customer.end", datetime.now(UTC))
    await until(lambda: all_succeeded(stack, 3))
    # Three that wait would look three times as often.
    assert len(worker.lines("attempt")) <= 3 * 2 + 6


async def test_a_burst_over_two_workers_starts_one_execution(
    stack: Stack, start_worker: StartWorker, call_id: str
) -> None:
    workers = [await start_worker(DETAILS_LAG_SECONDS="9") for _ in range(2)]
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
    types = ("acd.end", "user.end", "customer.end", "wrapup")
    for number, event_type in enumerate(types):
        await send(stack, call_id, event_type, moment + timedelta(milliseconds=100 * number))
    await until(lambda: queue_is_empty(stack))
    assert await executions(stack) == ["SUCCEEDED"]
    outcomes = [await worker.metric("worker_events_total", outcome="covered") for worker in workers]
    assert sum(outcomes) == 3
    assert (await stored(stack, call_id))["eventType"] == {"S": "wrapup"}


async def test_a_covered_event_that_is_the_newest_costs_one_write_and_nothing_else(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    worker = await start_worker()
    moment = datetime.now(UTC) - timedelta(seconds=200)
    await send(stack, call_id, "customer.start", moment)
    before = await stored(stack, call_id)
    await until(lambda: queue_is_empty(stack))
    await send(stack, call_id, "acd.start", moment + timedelta(seconds=60))
    await until(lambda: queue_is_empty(stack))
    after = await stored(stack, call_id)
    assert {name for name in after if after[name] != before.get(name)} == {"eventTime", "eventType", "eventId"}
    assert await executions(stack) == ["SUCCEEDED"]
    assert simulator.stats.ids_asked == 1
    assert await worker.metric("worker_events_total", outcome="covered") == 1


async def test_a_reconcile_event_refreshes_the_details_and_leaves_the_event_fields_alone(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    await start_worker()
    await send(stack, call_id, "customer.end", datetime.now(UTC) - timedelta(seconds=2000))
    before = await stored(stack, call_id)
    await send(stack, call_id, "reconcile", datetime.now(UTC))
    await until(lambda: all_succeeded(stack, 2))
    after = await stored(stack, call_id)
    assert after["detailsAt"]["S"] > before["detailsAt"]["S"]
    assert all(after[name] == before[name] for name in ("eventTime", "eventType", "eventId"))
    assert len(simulator.stats.asked[call_id]) == 2


async def test_the_standard_record_is_stored_beside_the_basic_one(
    stack: Stack, simulator: Simulator, start_worker: StartWorker, call_id: str
) -> None:
    await start_worker(RECORD="standard")
    call = make_conversation(call_id, datetime.now(UTC) - timedelta(seconds=300), 300, outcome="answered")
    simulator.tell(call)
    await send(stack, call_id, "customer.end", datetime.now(UTC))
    item = await stored(stack, call_id)
    assert (item["direction"], item["abandoned"]) == ({"S": call.direction}, {"BOOL": False})
    assert item["queueIds"]["L"]
    assert float(item["talkSeconds"]["N"]) > 0
    assert float(item["durationSeconds"]["N"]) == pytest.approx(300, abs=1)


async def test_twelve_events_of_a_call_need_few_executions_and_all_are_covered() -> None:
    with kept_environment():  # what is measured brings its own
        result = await measure(conversations=12, delay=150, scale=30)
    assert result.covered_by_account == result.events == 12 * 12
    # The benchmark has the figure; this holds on any machine.
    assert result.executions <= 1.6 * result.optimum
    assert result.executions <= result.events / 2
