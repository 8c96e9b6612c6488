"""The operators' policies against the commands: an endpoint refuses what a policy does not name."""

import asyncio
import json
import os
import re
import sys
from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.infra.actions import MODULE, SAME_ACTION
from tests.integration.doctor.front import Front
from tests.integration.doctor.looking import findings
from tests.support.letters import Aws, failed_interaction
from tests.support.stack import Stack
from worker.aws.archive import object_key
from worker.aws.clients import new_session, open_clients
from worker.local.emulator import Emulator
from worker.telemetry.metrics import PrometheusMetrics

SERVICES = {"AmazonSQS": "sqs", "AWSStepFunctions": "states", "DynamoDB_20120810": "dynamodb", "AWSEvents": "events"}
"""IAM's name of a service by what X-Amz-Target begins with."""


class Account(Front):
    """Stands in front of the emulator and lets through what a policy names."""

    def __init__(self, target: str, policy: set[str]) -> None:
        super().__init__(target)
        self.policy = policy
        self.used: set[str] = set()
        self.attributes: set[str] = set()
        """Of items, that were written or named in conditions."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        target = request.headers.get("X-Amz-Target", "")
        service, _, operation = target.partition(".")
        if target:
            name = f"{SERVICES[service]}:{operation}"
            action = SAME_ACTION.get(name, name)
            if action not in self.policy:
                self.refused[target] = "AccessDeniedException"
            self.used.add(action)
            if target.endswith(".PutItem"):
                put = await request.json()
                self.attributes |= put["Item"].keys()
                self.attributes |= set(
                    re.findall(r"(?<!:)\b[a-z]\w+[a-z]\b", _FUNCTION.sub("", put["ConditionExpression"]))
                )
        else:
            action = f"s3:{_S3[request.method, 'versions' in request.query]}"
            if action not in self.policy:
                return web.Response(status=403)
            self.used.add(action)
        return await super().answer(request)


_S3 = {("GET", True): "ListBucketVersions", ("DELETE", False): "DeleteObjectVersion"}
"""IAM's name of a request to S3."""

_FUNCTION = re.compile(r"attribute_\w+")


def policy(name: str) -> set[str]:
    """Actions of one of the two lists of statements, without those for other kinds of setup."""
    text = (MODULE / "iam_operator.tf").read_text()
    statements = re.search(rf"^  {name}_statements = (.*?)^  \)$", text, re.MULTILINE | re.DOTALL)
    assert statements
    return set(re.findall(r'"((?:dynamodb|events|s3|sqs|states):\w+)"(?! =)', statements[1]))


@pytest.mark.usefixtures("stack")
async def test_doctor_finds_no_fault_under_the_policy_to_look(
    emulator: Emulator, worker_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(emulator.url, policy("look"))
    for name, value in worker_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ITEM_TTL_DAYS", "0")
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", account.answer)
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")))
        found = await findings()
    assert {name: finding for name, finding in found.items() if finding.status == "FAILED"} == {}
    looked = {"event queue", "event rule", "dead-letter queue", "state machine", "activity", "table", "shared cache"}
    assert {name for name in looked if found[name].status != "ok"} == set()


async def test_dlq_needs_what_the_policy_to_act_names_and_nothing_else(stack: Stack, emulator: Emulator) -> None:
    account = Account(emulator.url, policy("act"))
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", account.answer)
    async with TestServer(app) as server:
        environment = emulator.environment | stack.settings | {"AWS_ENDPOINT_URL": str(server.make_url(""))}
        aws = Aws(stack.clients, stack.settings, environment)
        await aws.quarantined("{broken")
        failed = json.dumps(failed_interaction(stack.settings, "a-1", "Genesys.Unavailable"))
        await aws.quarantined(failed, "Genesys.Unavailable")
        for arguments in (["list"], ["show", "a-1"], ["redrive"]):
            status, output, errors = await aws.dlq(*arguments)
            assert status == 0, (arguments, output, errors)
    assert account.refused == {}
    # Of the shared cache: `pause`.
    assert account.used | {"dynamodb:GetItem", "dynamodb:PutItem"} == policy("act")


async def test_erase_needs_what_its_policy_names_and_nothing_else(stack: Stack, emulator: Emulator) -> None:
    account = Account(emulator.url, policy("erase"))
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", account.answer)
    interaction_id, bucket = "a-conversation-of-this-test", f"{stack.names.prefix}-archive"
    async with (
        TestServer(app) as server,
        open_clients(new_session(), PrometheusMetrics(), slots=1, receivers=1, archive_owner="000000000000") as clients,
    ):
        assert clients.s3
        await clients.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        key = object_key("kept", interaction_id, datetime.now(UTC).date())
        await clients.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        await Aws(stack.clients, stack.settings, {}).failed(interaction_id)
        await Aws(stack.clients, stack.settings, {}).failed("another")
        given = ["erase", "--yes", "--archive-days", "1", interaction_id]
        own = {"AWS_ENDPOINT_URL": str(server.make_url("")), "ARCHIVE_URL": f"s3://{bucket}/kept"}
        done = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker", *given),
            env={"PATH": os.environ["PATH"], **emulator.environment, **stack.settings, "TOMBSTONE_DAYS": "9", **own},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await done.communicate()
    assert done.returncode == 0, output.decode()
    assert b"1 archived version, 1 dead letter" in output
    assert account.refused == {}
    assert account.used == policy("erase")
    may = re.search(r'"dynamodb:Attributes" = (\[[^]]+\])', (MODULE / "iam_operator.tf").read_text())
    assert may
    assert account.attributes == set(json.loads(may[1]))
