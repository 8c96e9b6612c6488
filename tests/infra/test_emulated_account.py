"""Terraform makes the account, a worker with its outputs as settings stores events, Terraform takes it all away."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra.account import account
from tests.infra.terraform import Terraform
from tests.support.stack import StartSimulator
from worker.letter import Letter, read_letter
from worker.local.aws import Clients, open_clients
from worker.local.child_process import Child
from worker.local.emulator import Emulator
from worker.local.simulator.conversations import conversation
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options
from worker.local.traffic import Pace, make_events, put_events

FORGOTTEN = {
    "aws_ecs_service.this[0]": {"availability_zone_rebalancing"},
    "aws_sfn_state_machine.this": {"tracing_configuration"},
}
"""What a second plan still wants to change, because the emulator does not keep it."""

EVENTS = 20


@dataclass(frozen=True, slots=True)
class Deployed:
    """The module, applied."""

    terraform: Terraform
    settings: dict[str, str]


@pytest.fixture(scope="module")
def deployed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    terraform = Terraform(tmp_path_factory.mktemp("terraform"))
    with account(emulator.url) as there:
        terraform.write("provider.tf.json", there.provider)
        terraform.variables(there.variables("infra"))
        terraform.initialize()
        try:
            terraform("apply", "-auto-approve", "-parallelism=30")
            yield Deployed(terraform, terraform.output("settings"))
        finally:
            gone = terraform("destroy", "-auto-approve", "-parallelism=30")
        assert "Destroy complete!" in gone
        assert json.loads((terraform.directory / "terraform.tfstate").read_text())["resources"] == []


def test_a_second_plan_changes_only_what_the_emulator_forgets(deployed: Deployed) -> None:
    left = {change["address"]: _changed(change) for change in deployed.terraform.plan()}
    assert left == FORGOTTEN


async def test_events_go_through_what_terraform_made(
    deployed: Deployed,
    aws_environment: None,  # noqa: ARG001 -- asked for its effect
    emulator: Emulator,
    start_simulator: StartSimulator,
    tmp_path: Path,
) -> None:
    simulator = await start_simulator(Options(plan=FaultPlan(poison_prefix="poison-")))
    good, poisoned = make_events(EVENTS, "seed"), make_events(3, "seed", id_prefix="poison-")
    environment = {
        "PATH": os.environ["PATH"],
        **emulator.environment,
        **deployed.settings,
        **simulator.environment,
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "MAX_CONCURRENCY": "10",
        "DRAIN_SECONDS": "5",
    }
    async with open_clients() as clients:
        with Child("worker", ["run"], environment=environment, output=tmp_path / "worker.log"):
            await put_events(clients, [*good, *poisoned], Pace(0))
            items = await _items(clients, deployed.settings["INTERACTION_TABLE_NAME"], EVENTS)
            letters = await _letters(clients, deployed.settings["DEAD_LETTER_QUEUE_URL"], len(poisoned))
    assert set(items) == {event.interaction_id for event in good}
    for interaction_id, item in items.items():
        assert item["channels"] == {"L": [{"S": name} for name in conversation(interaction_id).channels]}
        assert int(item["expiresAt"]["N"]) > time.time()
    assert {letter.interaction_id for letter in letters} == {event.interaction_id for event in poisoned}
    assert {letter.origin for letter in letters} == {"interaction"}


@pytest.mark.parametrize(
    ("rule", "detail", "routed"),
    [
        ("unfinished", {"status": "TIMED_OUT"}, True),
        ("unfinished", {"status": "ABORTED"}, True),
        ("unfinished", {"status": "SUCCEEDED"}, False),
        (
            "unfinished",
            {"status": "ABORTED", "stateMachineArn": "arn:aws:states:us-east-1:1:stateMachine:other"},
            False,
        ),
        ("broken", {"status": "FAILED", "error": "States.Runtime"}, True),
        ("broken", {"status": "FAILED", "error": "States.DataLimitExceeded"}, True),
        ("broken", {"status": "FAILED"}, True),
        ("broken", {"status": "FAILED", "error": "Interaction.NotFound"}, False),
        ("broken", {"status": "FAILED", "error": "States.HeartbeatTimeout"}, False),
    ],
)
async def test_an_end_without_a_letter_is_routed_to_the_dead_letters(
    deployed: Deployed,
    aws_environment: None,  # noqa: ARG001 -- asked for its effect
    rule: str,
    detail: dict[str, str],
    routed: bool,
) -> None:
    machine = deployed.settings["STATE_MACHINE_ARN"]
    name = machine.rsplit(":", 1)[1]
    event = {
        "id": str(uuid.uuid4()),
        "source": "aws.states",
        "account": "000000000000",
        "time": "2026-01-05T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"stateMachineArn": machine, **detail},
    }
    async with open_clients() as clients:
        pattern = (await clients.events.describe_rule(Name=f"{name}-{rule}"))["EventPattern"]
        answer = await clients.events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    assert answer["Result"] is routed


async def _items(clients: Clients, table: str, count: int) -> dict[str, dict[str, Any]]:
    """The stored items by their id, once there are so many."""
    while True:
        items = (await clients.dynamodb.scan(TableName=table))["Items"]
        if len(items) >= count:
            return {item["interactionId"]["S"]: dict(item) for item in items}
        await asyncio.sleep(0.2)


async def _letters(clients: Clients, queue_url: str, count: int) -> list[Letter]:
    """So many dead letters, taken out of the queue."""
    letters: list[Letter] = []
    while len(letters) < count:
        answer = await clients.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"]
        )
        letters.extend(read_letter(message) for message in answer.get("Messages", []))
    return letters


def _changed(change: dict[str, Any]) -> set[str]:
    """Names of the attributes that a change wants to be different."""
    before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
    return {name for name in before | after if before.get(name) != after.get(name)}
