"""The module over the state that 0.1.0's left: nothing that holds data or that running tasks use goes away."""

import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session

from tests.infra.account import account
from tests.infra.terraform import DEPLOY, Terraform
from tests.support.tools import ROOT, missing
from worker.local.aws import open_clients
from worker.local.emulator import Emulator

RELEASED = "ad965a7"
"""The commit that was released as 0.1.0."""

MAY_GO = {"aws_appautoscaling_policy", "aws_cloudwatch_dashboard", "aws_cloudwatch_metric_alarm"}
"""Types that hold nothing and that no task uses: to make one anew leaves a gap of seconds in what is watched."""

NAME = f"upgrade-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """0.1.0 applied, and what this version plans over it."""

    terraform: Terraform
    revision: str
    """Of the task definition that the tasks of 0.1.0 run."""
    changes: list[dict[str, Any]]


@pytest.fixture(scope="module")
def upgrade(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    released = tmp_path_factory.mktemp("released")
    _extract(released)
    terraform = Terraform(tmp_path_factory.mktemp("terraform"), source=released / "deploy")
    with account(emulator.url) as there:
        terraform.write("provider.tf.json", there.provider)
        terraform.variables(
            {
                "name": NAME,
                "vpc_id": there.vpc_id,
                "subnet_ids": there.subnet_ids,
                "metrics_client_security_group_ids": ["sg-0123456789abcdef0"],
                "genesys_region": "us-east-1",
                "image": "registry.example.com/interaction-worker:0.1.0",
                "create_kms_key": True,
                "deletion_protection": False,
            }
        )
        terraform.initialize()
        try:
            terraform("apply", "-auto-approve", "-parallelism=30")
            revision = terraform.output("task_definition_arn")
            terraform.take(DEPLOY)
            yield Upgrade(terraform, revision, terraform.plan())
        finally:
            terraform("destroy", "-auto-approve", "-parallelism=30")


def test_the_plan_destroys_nothing_that_holds_data_or_that_running_tasks_use(upgrade: Upgrade) -> None:
    gone = {
        change["address"]
        for change in upgrade.changes
        if "delete" in change["change"]["actions"] and change["type"] not in MAY_GO
    }
    assert gone == set()


def test_the_plan_forgets_the_running_revision_and_makes_another(upgrade: Upgrade) -> None:
    actions = {change["address"]: change["change"]["actions"] for change in upgrade.changes}
    assert actions["aws_ecs_task_definition.this[0]"] == ["forget"]
    assert actions["aws_ecs_task_definition.worker[0]"] == ["create"]


async def test_what_0_1_0_stored_and_ran_is_there_after_the_upgrade(
    upgrade: Upgrade,
    aws_environment: None,  # noqa: ARG001 -- asked for its effect
    emulator: Emulator,
) -> None:
    settings = upgrade.terraform.output("settings")
    table = settings["INTERACTION_TABLE_NAME"]
    async with open_clients() as clients:
        await clients.dynamodb.put_item(TableName=table, Item={"interactionId": {"S": "before"}})
        await clients.sqs.send_message(QueueUrl=settings["DEAD_LETTER_QUEUE_URL"], MessageBody="before")
        upgrade.terraform("apply", "-auto-approve", "-parallelism=30")
        item = await clients.dynamodb.get_item(TableName=table, Key={"interactionId": {"S": "before"}})
        letter = await clients.sqs.receive_message(QueueUrl=settings["DEAD_LETTER_QUEUE_URL"], WaitTimeSeconds=5)
    assert "Item" in item
    assert [message["Body"] for message in letter["Messages"]] == ["before"]
    now = upgrade.terraform.output("task_definition_arn")
    assert now != upgrade.revision
    assert [_status(emulator, revision) for revision in (upgrade.revision, now)] == ["ACTIVE", "ACTIVE"]


def _status(emulator: Emulator, revision: str) -> str:
    ecs: Any = get_session().create_client("ecs", endpoint_url=emulator.url)
    with closing(ecs):
        return str(ecs.describe_task_definition(taskDefinition=revision)["taskDefinition"]["status"])


def _extract(directory: Path) -> None:
    """deploy/ as it was released."""
    found = subprocess.run(
        ["git", "-C", ROOT, "archive", "--format=tar", RELEASED, "deploy"], capture_output=True, check=False
    )
    if found.returncode:
        missing(f"this repository's history does not reach back to 0.1.0 ({RELEASED})")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(directory, filter="data")
