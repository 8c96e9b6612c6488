"""Stops in the middle of real work: nothing is lost, and nothing becomes a dead letter for it.

The emulator enforces no heartbeat, so what a stop does not hand back never comes back, and shows as missing. Kills are
proven on LocalStack by `make chaos`.
"""

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.samples import seed
from tests.support.stack import Stack, dead_letters, items_of, new_id, send_many
from tests.support.worker_process import until, worker_process
from worker.events import parse_event
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Simulator


@pytest.mark.parametrize(
    ("drain_seconds", "slow_seconds"),
    [pytest.param("60", 0.5, id="work ends within the drain"), pytest.param("1", 15.0, id="work is handed back")],
)
async def test_sigterm_in_the_middle_of_400_interactions_loses_none(  # noqa: PLR0917 -- four fixtures and two cases
    stack: Stack,
    simulator: Simulator,
    worker_environment: dict[str, str],
    tmp_path: Path,
    drain_seconds: str,
    slow_seconds: float,
) -> None:
    simulator.faults.plan = FaultPlan(slow_share=1, slow_seconds=slow_seconds)
    environment = worker_environment | {"DRAIN_SECONDS": drain_seconds, "MAX_CONCURRENCY": "25"}
    sent = await send_many(stack, 400)
    async with worker_process(environment, tmp_path / "first") as first:

        async def in_the_middle() -> bool:
            return await first.metric("worker_slots", state="busy") == 25

        await until(in_the_middle)
        async with asyncio.timeout(float(drain_seconds) + 15):
            assert await first.drain() == 0
        assert len(await items_of(stack)) < 400
        attempts = first.lines("attempt")
        assert {attempt["report"] for attempt in attempts} == {"accepted"}
        handed_back = sum(attempt["outcome"] == "Worker.Draining" for attempt in attempts)
        assert handed_back == 25 if drain_seconds == "1" else handed_back < 25
    simulator.faults.plan = FaultPlan()
    async with worker_process(environment | {"DRAIN_SECONDS": "0"}, tmp_path / "second"):

        async def all_stored() -> bool:
            return set(await items_of(stack)) == sent

        await until(all_stored, 90)
    assert await dead_letters(stack) == []


async def test_what_open_polls_bring_after_sigterm_is_handed_back(
    stack: Stack, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    slots = 10
    environment = worker_environment | {"ROLES": "activity", "MAX_CONCURRENCY": str(slots)}
    async with worker_process(environment | {"DRAIN_SECONDS": "90"}, tmp_path / "first") as first:

        async def polling() -> bool:
            return await first.metric("worker_slots", state="polling") == slots

        await until(polling)
        first.child.terminate()
        await until(lambda: first.lines("draining"))
        # The emulator hands a task to a poll whose client is gone, and then it is lost for good.
        events = [parse_event(json.dumps(seed(new_id()))) for _ in range(slots // 2)]
        for event in events:
            await stack.clients.stepfunctions.start_execution(
                stateMachineArn=stack.settings["STATE_MACHINE_ARN"],
                name=event.execution_name,
                input=json.dumps(event.execution_input()),
            )
        # Handed back, they come again to the polls that are still open, until none is.
        assert await first.ended() == 0
        attempts = first.lines("attempt")
        assert {(a["outcome"], a["report"]) for a in attempts} == {("Worker.Draining", "accepted")}
        assert len(attempts) == slots
    async with worker_process(environment | {"DRAIN_SECONDS": "0"}, tmp_path / "second"):

        async def all_stored() -> bool:
            return set(await items_of(stack)) == {event.interaction_id for event in events}

        await until(all_stored, 60)
