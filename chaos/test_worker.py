"""The worker on an engine that enforces heartbeats."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chaos import stack
from chaos.accounting import Letters, look
from chaos.faults import FaultSource
from chaos.history import History
from chaos.proxy import Proxy
from tests.support.samples import seed
from tests.support.worker_process import until, worker_process
from worker.local.emulator import REGION
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Simulator

HEARTBEAT_SECONDS = 6
SLOTS = 20


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Endpoints]:
    with stack.emulators(tmp_path_factory.mktemp("emulators")) as running:
        yield running


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


class Site:
    """Resources, a proxy that sees every call, and the environment of a worker."""

    def __init__(self, made: stack.Stack, proxy: Proxy, history: History, environment: dict[str, str]) -> None:
        self.made = made
        self.proxy = proxy
        self.history = history
        self.environment = environment
        self.sent: set[str] = set()

    async def send(self, count: int) -> None:
        for number in range(len(self.sent), len(self.sent) + count):
            name = f"interaction-{number}"
            body = json.dumps(seed(name) | {"id": f"event-{number}"})
            await self.made.clients.sqs.send_message(QueueUrl=self.made.settings["EVENT_QUEUE_URL"], MessageBody=body)
            self.sent.add(name)

    async def all_stored(self) -> bool:
        found = await self.made.clients.dynamodb.scan(TableName=self.made.settings["INTERACTION_TABLE_NAME"])
        return {item["interactionId"]["S"] for item in found["Items"]} == self.sent

    async def all_succeeded(self) -> bool:
        statuses: Counter[str] = Counter()
        pages = self.made.clients.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.made.settings["STATE_MACHINE_ARN"]
        )
        async for page in pages:
            statuses.update(execution["status"] for execution in page["executions"])
        return statuses == Counter({"SUCCEEDED": len(self.sent)})

    def retries(self) -> int:
        """How many tasks were taken that were not an execution's first."""
        lines = (line for story in self.history.stories.values() for line in story)
        return sum("task taken" in line and "retry 0" not in line for line in lines)

    async def dead_letters(self) -> int:
        letters = Letters()
        await letters.collect(self.made)
        return len(letters.bodies)


@pytest.fixture
async def site(endpoints: stack.Endpoints, simulator: Simulator) -> AsyncIterator[Site]:
    history = History()
    async with (
        stack.create(endpoints, heartbeat_seconds=HEARTBEAT_SECONDS) as made,
        Proxy(
            queues=endpoints.queues, tables=endpoints.tables, faults=FaultSource(0, rates={}), witness=history
        ) as proxy,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "worker",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            **made.settings,
            **simulator.environment,
            "MAX_CONCURRENCY": str(SLOTS),
            "INTAKE_CONCURRENCY": "3",
            "HEARTBEAT_SECONDS": "2",
            "STATE_MACHINE_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
            "VISIBILITY_TIMEOUT_SECONDS": "10",
            "DRAIN_SECONDS": "0",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
        }
        yield Site(made, proxy, history, environment)


@pytest.mark.timeout(300)
async def test_work_longer_than_the_heartbeat_time_out_is_done_once(
    site: Site, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.faults.plan = FaultPlan(slow_share=1, slow_seconds=HEARTBEAT_SECONDS * 2.5)
    await site.send(SLOTS)
    async with worker_process(site.environment, tmp_path / "log"):
        await until(site.all_succeeded, 120)
    assert await site.all_stored()
    assert site.retries() == 0


@pytest.mark.timeout(300)
async def test_after_sigkill_the_heartbeats_bring_all_work_back(
    site: Site, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.faults.plan = FaultPlan(slow_share=1, slow_seconds=60)
    await site.send(100)
    async with worker_process(site.environment, tmp_path / "killed") as killed:

        async def busy() -> bool:
            return await killed.metric("worker_slots", state="busy") == SLOTS

        await until(busy, 60)
        killed.child.process.kill()
        await killed.ended()
    simulator.faults.plan = FaultPlan()
    async with worker_process(site.environment, tmp_path / "successor"):
        await until(site.all_succeeded, 120)
    assert await site.all_stored()
    assert site.retries() >= SLOTS
    assert await site.dead_letters() == 0
    assert not site.history.violations


@pytest.mark.timeout(300)
async def test_a_burst_that_two_workers_receive_starts_one_execution(
    site: Site, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.faults.plan = FaultPlan(slow_share=1, slow_seconds=3)
    names = ("user.end", "acd.end", "flow.end", "attributes")
    async with (
        worker_process(site.environment, tmp_path / "log-1"),
        worker_process(site.environment, tmp_path / "log-2"),
    ):
        # One message each, so that nobody has two of them in one batch.
        for number, name in enumerate(names):
            body = json.dumps(seed("interaction-0", eventType=name) | {"id": f"event-{number}"})
            await site.made.clients.sqs.send_message(QueueUrl=site.made.settings["EVENT_QUEUE_URL"], MessageBody=body)
        site.sent.add("interaction-0")

        async def none_waits() -> bool:
            return (await look(site.made, Letters())).waiting == 0

        await until(none_waits, 120)
    assert await site.all_succeeded()
    assert await site.all_stored()
    assert list(site.history.executions.values()) in [[f"event-{number}"] for number in range(len(names))]
    assert not site.history.violations


@pytest.mark.timeout(300)
async def test_a_start_throttled_for_a_minute_makes_no_dead_letter(site: Site, tmp_path: Path) -> None:
    site.proxy.faults.forced["StartExecution"] = "throttled"
    await site.send(100)
    async with worker_process(site.environment, tmp_path / "log"):
        await asyncio.sleep(60)  # the fault's length, not a wait for something
        assert await site.dead_letters() == 0
        site.proxy.faults.forced.clear()
        await until(site.all_succeeded, 120)
    assert await site.all_stored()
    assert await site.dead_letters() == 0
    assert not site.history.violations
