"""The policies that Terraform made against what is really sent: each call allowed, each permission used."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.infra.account import account
from tests.infra.recorded_calls import ACCOUNT, Call, Enforcer, allowing
from tests.infra.terraform import Terraform
from tests.support.samples import seed
from tests.support.stack import StartSimulator
from tests.support.worker_process import until, worker_process
from worker.aws.clients import call_config, new_session, s3_addresses
from worker.events import utc_text
from worker.local.aws import open_clients
from worker.local.emulator import Emulator
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options

WORKER, LOOK, ACT = "worker", "look", "act"
"""Access key ids, by which the calls of the three are told apart."""

POLICIES = {
    WORKER: "aws_iam_role_policy.task",
    LOOK: "aws_iam_policy.look",
    ACT: "aws_iam_policy.operator",
}

CALLED = (
    *POLICIES.values(),
    "aws_sqs_queue_policy.this",
    "aws_cloudwatch_event_target.events",
    "aws_cloudwatch_event_target.dead_letters",
)
"""All that commands call, without what watches and scales them."""

BY_SERVICES = {"UseTheKey"}
"""What the services do with a caller's rights, and no caller asks for."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The module, applied, with an archive."""

    settings: dict[str, str]
    policies: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def deployed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    terraform = Terraform(tmp_path_factory.mktemp("terraform"))
    with account(emulator.url) as there:
        terraform.write("provider.tf.json", there.provider)
        variables = there.variables("calls")
        name = variables["name"]
        terraform.variables({**variables, "archive_url": f"s3://{name}/details"})
        terraform.initialize()
        try:
            terraform("apply", "-auto-approve", "-parallelism=30", *(f"-target={address}" for address in CALLED))
            resources = json.loads(terraform("show", "-json"))["values"]["root_module"]["resources"]
            texts = {resource["address"]: resource["values"].get("policy") for resource in resources}
            policies = {who: json.loads(texts[address])["Statement"] for who, address in POLICIES.items()}
            yield Deployed(terraform.output("settings"), policies)
        finally:
            terraform("destroy", "-auto-approve", "-parallelism=30")


@pytest.fixture
async def bucket(deployed: Deployed, aws_environment: None) -> AsyncIterator[None]:  # noqa: ARG001
    """The archive's, which the module expects to be there."""
    name = deployed.settings["ARCHIVE_URL"].split("/")[2]
    async with new_session().create_client("s3", config=call_config(1).merge(s3_addresses())) as s3:
        await s3.create_bucket(Bucket=name)
        yield
        for entry in (await s3.list_objects_v2(Bucket=name)).get("Contents", []):
            await s3.delete_object(Bucket=name, Key=entry["Key"])
        await s3.delete_bucket(Bucket=name)


async def command(environment: dict[str, str], who: str, *arguments: str) -> str:
    """Standard output of a command that somebody runs, and that succeeds."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "worker", *arguments],
        env=environment | {"AWS_ACCESS_KEY_ID": who},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


async def work(environment: dict[str, str], tmp_path: Path) -> None:
    """What a worker meets: events that are new, covered, later, malformed and poisoned, and its probes."""
    url, table = environment["EVENT_QUEUE_URL"], environment["INTERACTION_TABLE_NAME"]
    now = datetime.now(UTC)

    def body(interaction_id: str, age: timedelta) -> str:
        return json.dumps(seed(interaction_id, timestamp=utc_text(now - age)) | {"id": str(uuid.uuid4())})

    async with open_clients() as clients:

        async def send(text: str) -> None:
            await clients.sqs.send_message(QueueUrl=url, MessageBody=text)

        async def item_has(event_time: str) -> bool:
            key: Any = {"interactionId": {"S": "interaction-1"}}
            item = (await clients.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)).get("Item", {})
            return item.get("eventTime") == {"S": event_time}

        async def letters() -> bool:
            answer = await clients.sqs.get_queue_attributes(
                QueueUrl=environment["DEAD_LETTER_QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessages"]
            )
            return answer["Attributes"]["ApproximateNumberOfMessages"] == "2"

        async with worker_process(environment, tmp_path / "worker.log") as worker:
            assert await worker.get("/readyz") == (200, "ok\n")
            await send("{malformed")
            await send(body("poison-1", timedelta(hours=2)))
            for hours in (2, 1, 0):  # new, covered by it and newer, and not covered, so that its document is replaced
                await send(body("interaction-1", timedelta(hours=hours)))
                await until(partial(item_has, utc_text(now - timedelta(hours=hours))))
            await until(letters)
            assert await worker.drain() == 0


async def test_what_is_sent_is_allowed_and_what_is_allowed_is_sent(
    deployed: Deployed,
    bucket: None,  # noqa: ARG001 -- asked for its effect
    emulator: Emulator,
    start_simulator: StartSimulator,
    tmp_path: Path,
) -> None:
    simulator = await start_simulator(Options(plan=FaultPlan(poison_prefix="poison-")))
    enforcer = Enforcer(emulator.url, deployed.policies)
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", enforcer.answer)
    server = TestServer(app)
    await server.start_server(auto_decompress=False)  # a document is passed on as it came
    async with server:
        environment = {
            "PATH": os.environ["PATH"],
            **emulator.environment,
            **deployed.settings,
            **simulator.environment,
            "AWS_ENDPOINT_URL": str(server.make_url("")),
            "AWS_ACCESS_KEY_ID": WORKER,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "MAX_CONCURRENCY": "3",
            "INTAKE_CONCURRENCY": "1",
            "HEARTBEAT_SECONDS": "0.2",
            "DRAIN_SECONDS": "1",
        }
        await work(environment, tmp_path)
        assert enforcer.denied[WORKER] == set()
        for arguments in (["pause", "--for", "1m"], ["resume"], ["dlq", "list"], ["dlq", "redrive"]):
            await command(environment, ACT, *arguments)
        assert enforcer.denied[ACT] == set()
        await command(environment, LOOK, "doctor")
        await command(environment, WORKER, "doctor")
    unused = {
        who: {
            (statement["Sid"], action)
            for statement in statements
            if statement["Sid"] not in BY_SERVICES
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        }
        - enforcer.used[who]
        for who, statements in deployed.policies.items()
    }
    assert unused == {WORKER: set(), LOOK: set(), ACT: set()}
    assert enforcer.unowned == set()


def test_a_policy_allows_what_its_statements_say_and_nothing_else(deployed: Deployed) -> None:
    """The evaluation itself: each change of a call that is allowed makes it one that is not."""
    worker, act = deployed.policies[WORKER], deployed.policies[ACT]
    archive = deployed.settings["ARCHIVE_URL"].removeprefix("s3://")
    owner = {"aws:ResourceAccount": ACCOUNT}
    put = Call("s3:PutObject", f"arn:aws:s3:::{archive}/a.json.gz", owner)
    assert allowing(worker, put) == ["Archive"]
    assert allowing(act, put) == []
    assert allowing(worker, Call(put.action, put.resource, {"aws:ResourceAccount": "999999999999"})) == []
    assert allowing(worker, Call(put.action, put.resource.replace("details", "other"), owner)) == []
    assert allowing(worker, Call("s3:DeleteObject", put.resource, owner)) == []
    table = next(statement["Resource"] for statement in act if statement["Sid"] == "Pause")
    for key, sids in (("gate#1", ["Pause"]), ("token#1", [])):
        assert allowing(act, Call("dynamodb:PutItem", table, {"dynamodb:LeadingKeys": [key]})) == sids
