"""`doctor` against an emulated AWS and a Genesys simulator, each misconfigured in one way."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import Stack, StartSimulator, genesys_environment
from worker.aws.clients import call_config, new_session, s3_addresses
from worker.local.emulator import Emulator
from worker.local.simulator.server import Options, Simulator
from worker.operations.check_state_machine import start_permission
from worker.operations.checks import Asker, Clock, Finding
from worker.operations.doctor import examine
from worker.settings import load_settings

DENIALS = {
    "AmazonSQS.ReceiveMessage": "sqs:ReceiveMessage",
    "AmazonSQS.DeleteMessageBatch": "sqs:DeleteMessage",
    "AmazonSQS.ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "AmazonSQS.SendMessageBatch": "sqs:SendMessage",
    "AWSStepFunctions.SendTaskHeartbeat": "states:SendTaskHeartbeat",
    "AWSStepFunctions.SendTaskSuccess": "states:SendTaskSuccess",
    "AWSStepFunctions.SendTaskFailure": "states:SendTaskFailure",
    "DynamoDB_20120810.PutItem": "dynamodb:PutItem on table",
    "DynamoDB_20120810.GetItem": "dynamodb:GetItem on shared cache",
}


@dataclass
class Front:
    """Stands in front of the emulator, refuses what it is told to, and has a clock of its own."""

    target: str
    url: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    """Error code by X-Amz-Target."""
    seconds_ahead: float = 0
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        action = request.headers.get("X-Amz-Target", "sts")
        self.asked.append(action)
        date = {"Date": formatdate(time.time() + self.seconds_ahead, usegmt=True)}
        if code := self.refused.get(action):
            body = {"__type": f"com.amazon.service#{code}", "message": "no identity-based policy allows it"}
            return web.json_response(body, status=400, headers=date, content_type="application/x-amz-json-1.0")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                self.target + request.path_qs,
                headers={k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}},
                data=await request.read(),
            ) as response,
        ):
            kept = {k: v for k, v in response.headers.items() if k.lower() in {"content-type", "x-amzn-query-error"}}
            return web.Response(status=response.status, body=await response.read(), headers=kept | date)


@pytest.fixture
async def front(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, healthy: None) -> AsyncIterator[Front]:  # noqa: ARG001
    front = Front(emulator.url)
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", front.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", front.url)
        yield front
    finally:
        await runner.cleanup()


@pytest.fixture
def healthy(worker_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which nothing is wrong."""
    for name, value in worker_environment.items():
        monkeypatch.setenv(name, value)


async def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(load_settings(with_conflicts=False))}


async def faults() -> dict[str, Finding]:
    """The failed checks; each says how to fix it."""
    found = {name: finding for name, finding in (await findings()).items() if finding.status == "FAILED"}
    assert all(finding.fix for finding in found.values())
    return found


async def test_where_nothing_is_wrong_every_check_passes_and_nothing_changes(healthy: None, stack: Stack) -> None:  # noqa: ARG001
    found = await findings()
    assert {name: f for name, f in found.items() if f.status == "FAILED"} == {}
    assert {name for name, f in found.items() if f.status == "skipped"} == {
        "states:StartExecution",
        "states:GetActivityTask",
    }
    assert set(found) >= {
        "settings",
        "region",
        "credentials",
        "Genesys login",
        "Genesys API",
        "clock",
        *DENIALS.values(),
    }
    executions = await stack.clients.stepfunctions.list_executions(stateMachineArn=stack.settings["STATE_MACHINE_ARN"])
    assert executions["executions"] == []
    items = await stack.clients.dynamodb.scan(TableName=stack.settings["INTERACTION_TABLE_NAME"])
    assert items["Items"] == []


@pytest.mark.parametrize("setting", ["EVENT_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"])
@pytest.mark.usefixtures("healthy")
async def test_a_queue_that_does_not_exist_is_named(
    setting: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, stack.settings[setting] + "-gone")
    name = "event queue" if setting == "EVENT_QUEUE_URL" else "dead-letter queue"
    found = (await faults())[name]
    assert found.text == f"{setting}: there is no such queue"
    assert "get-queue-url" in found.fix


@pytest.mark.usefixtures("healthy")
async def test_a_queue_that_eventbridge_may_not_deliver_to_is_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await stack.clients.sqs.create_queue(QueueName=f"{stack.names.prefix}-other")
    monkeypatch.setenv("EVENT_QUEUE_URL", other["QueueUrl"])
    try:
        found = await faults()
    finally:
        await stack.clients.sqs.delete_queue(QueueUrl=other["QueueUrl"])
    assert set(found) == {"event queue"}
    assert "wrong queue" in found["event queue"].text
    assert "EventBridge rule targets" in found["event queue"].fix


@pytest.mark.usefixtures("healthy")
async def test_a_dead_letter_queue_that_is_the_event_queue_is_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", stack.settings["EVENT_QUEUE_URL"])
    found = await faults()
    assert "is the event queue itself" in found["settings"].text
    assert "is the event queue itself" in found["dead-letter queue"].text
    assert found["dead-letter queue"].fix == "name a queue of its own"


@pytest.mark.usefixtures("healthy")
async def test_two_urls_of_one_queue_are_one_queue(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    url = stack.settings["EVENT_QUEUE_URL"].replace("127.0.0.1", "localhost")
    assert url != stack.settings["EVENT_QUEUE_URL"]
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", url)
    assert "is the event queue itself" in (await faults())["dead-letter queue"].text


@pytest.mark.parametrize(
    "keys",
    [[("id", "S", "HASH")], [("interactionId", "N", "HASH")], [("interactionId", "S", "HASH"), ("at", "N", "RANGE")]],
    ids=["other-name", "number", "with-sort-key"],
)
@pytest.mark.usefixtures("healthy")
async def test_a_table_with_another_key_is_named(
    keys: list[tuple[str, Any, Any]], stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"{stack.names.prefix}-other"
    await stack.clients.dynamodb.create_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind, _ in keys],
        KeySchema=[{"AttributeName": name, "KeyType": role} for name, _, role in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    monkeypatch.setenv("INTERACTION_TABLE_NAME", table)
    try:
        found = await faults()
    finally:
        await stack.clients.dynamodb.delete_table(TableName=table)
    assert set(found) == {"table"}
    assert f"{keys[-1][0]} ({keys[-1][1]})" in found["table"].text
    assert "partition key interactionId of type S" in found["table"].fix


@pytest.mark.parametrize(
    ("setting", "value", "check"),
    [("INTERACTION_TABLE_NAME", "no-such-table", "table"), ("SHARED_CACHE_URL", "dynamodb://no-such", "shared cache")],
)
@pytest.mark.usefixtures("healthy")
async def test_a_table_that_does_not_exist_is_named(
    setting: str, value: str, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, value)
    found = await faults()
    assert set(found) == {check}
    assert found[check].text.startswith(f"{setting}: there is no table")


@pytest.mark.usefixtures("healthy")
async def test_an_express_state_machine_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    sfn = stack.clients.stepfunctions
    definition = json.dumps({"StartAt": "S", "States": {"S": {"Type": "Succeed"}}})
    made = await sfn.create_state_machine(
        name=f"{stack.names.prefix}-express",
        definition=definition,
        roleArn="arn:aws:iam::000000000000:role/r",
        type="EXPRESS",
    )
    monkeypatch.setenv("STATE_MACHINE_ARN", made["stateMachineArn"])
    try:
        found = await faults()
    finally:
        await sfn.delete_state_machine(stateMachineArn=made["stateMachineArn"])
    assert set(found) == {"state machine"}
    assert "EXPRESS" in found["state machine"].text
    assert "STANDARD" in found["state machine"].fix


@pytest.mark.usefixtures("healthy")
async def test_an_activity_that_does_not_exist_is_named(stack: Stack) -> None:
    await stack.clients.stepfunctions.delete_activity(activityArn=stack.settings["ACTIVITY_ARN"])
    found = await faults()
    assert set(found) == {"activity"}
    assert found["activity"].text == "ACTIVITY_ARN: there is no such activity"
    assert "list-activities" in found["activity"].fix


@pytest.mark.usefixtures("healthy")
async def test_an_activity_that_the_definition_does_not_name_is_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await stack.clients.stepfunctions.create_activity(name=f"{stack.names.prefix}-other")
    monkeypatch.setenv("ACTIVITY_ARN", other["activityArn"])
    try:
        found = await faults()
    finally:
        await stack.clients.stepfunctions.delete_activity(activityArn=other["activityArn"])
    assert set(found) == {"heartbeats"}
    assert stack.settings["ACTIVITY_ARN"] in found["heartbeats"].text


@pytest.mark.parametrize(
    ("heartbeat", "text"),
    [("30", "HEARTBEAT_SECONDS (30) is not under half"), (None, "STATE_MACHINE_HEARTBEAT_SECONDS (60) is not")],
)
@pytest.mark.usefixtures("healthy")
async def test_heartbeats_that_do_not_fit_the_definition_are_named(
    heartbeat: str | None, text: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sfn, arn = stack.clients.stepfunctions, stack.settings["STATE_MACHINE_ARN"]
    definition = (await sfn.describe_state_machine(stateMachineArn=arn))["definition"]
    await sfn.update_state_machine(
        stateMachineArn=arn, definition=definition.replace('"HeartbeatSeconds": 60', '"HeartbeatSeconds": 50')
    )
    if heartbeat:
        monkeypatch.setenv("HEARTBEAT_SECONDS", heartbeat)
        monkeypatch.setenv("STATE_MACHINE_HEARTBEAT_SECONDS", "61")
    found = await faults()
    assert found["heartbeats"].text.startswith(text)


@pytest.mark.usefixtures("healthy")
async def test_a_definition_that_sends_its_dead_letters_elsewhere_is_named(stack: Stack) -> None:
    sfn, arn = stack.clients.stepfunctions, stack.settings["STATE_MACHINE_ARN"]
    definition = (await sfn.describe_state_machine(stateMachineArn=arn))["definition"]
    elsewhere = definition.replace("-dead-letters", "-elsewhere")
    await sfn.update_state_machine(stateMachineArn=arn, definition=elsewhere)
    found = await faults()
    assert set(found) == {"dead letters"}
    assert "-elsewhere" in found["dead letters"].text


@pytest.mark.parametrize(("action", "check"), DENIALS.items())
async def test_a_permission_that_is_missing_is_named(action: str, check: str, front: Front) -> None:
    front.refused[action] = "AccessDeniedException"
    found = await faults()
    assert check in found
    # The shared cache and the table are both written with PutItem, which is denied for both here.
    assert set(found) <= {check, "dynamodb:PutItem on shared cache"}
    permission = check.partition(" ")[0]
    assert found[check].text == f"{permission} is denied to these credentials"
    assert found[check].fix == f"allow {permission} in the role's policy"


@pytest.mark.parametrize(("code", "status"), [("AccessDeniedException", "FAILED"), ("InvalidName", "ok")])
async def test_the_permission_to_start_executions_is_told_by_the_refusal(
    code: str, status: str, front: Front, stack: Stack
) -> None:
    front.refused["AWSStepFunctions.StartExecution"] = code
    async with new_session().create_client("stepfunctions", config=call_config(1, attempts=1)) as sfn:
        found = await start_permission(Asker(Clock()), sfn, "start", stack.settings["STATE_MACHINE_ARN"])
    assert found.status == status


async def test_a_denied_description_is_no_fault_of_the_service(front: Front) -> None:
    front.refused["AWSStepFunctions.DescribeStateMachine"] = "AccessDeniedException"
    found = await findings()
    assert found["state machine"].status == "skipped"
    assert "states:DescribeStateMachine" in found["state machine"].text


async def test_credentials_that_aws_does_not_know_are_named(front: Front) -> None:
    front.refused["AmazonSQS.GetQueueAttributes"] = "UnrecognizedClientException"
    found = await faults()
    assert "does not accept the credentials" in found["event queue"].text
    assert "task role" in found["event queue"].fix


@pytest.mark.usefixtures("healthy")
async def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    found = await faults()
    assert set(found) == {"credentials"}
    assert "AWS_PROFILE" in found["credentials"].fix


@pytest.mark.usefixtures("healthy")
async def test_another_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    found = (await faults())["region"]
    assert found.text.startswith("AWS_REGION is eu-west-1, but STATE_MACHINE_ARN in us-east-1")
    assert "AWS_REGION=us-east-1" in found.fix


@pytest.mark.usefixtures("healthy")
async def test_the_region_of_a_queue_is_read_from_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_QUEUE_URL", "https://sqs.eu-north-1.amazonaws.com/123456789012/events")
    assert "EVENT_QUEUE_URL in eu-north-1" in (await faults())["region"].text


@pytest.mark.usefixtures("healthy")
async def test_a_wrong_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "not-the-secret-4711")
    found = await faults()
    assert set(found) == {"Genesys login"}
    assert "GENESYS_CLIENT_SECRET" in found["Genesys login"].fix
    assert "4711" not in str(found)


async def test_a_role_that_may_not_read_details_is_named(
    healthy: None,  # noqa: ARG001
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forbidden(_: web.Request) -> web.Response:
        return web.json_response({"code": "missing.permissions", "status": 403}, status=403)

    app = web.Application()
    app.router.add_get("/{path:.*}", forbidden)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("GENESYS_API_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
        monkeypatch.setenv("GENESYS_LOGIN_URL", simulator.url)
        found = await faults()
    finally:
        await runner.cleanup()
    assert set(found) == {"Genesys API"}
    assert "403 missing.permissions" in found["Genesys API"].text
    assert "analytics:conversationDetail:view" in found["Genesys API"].fix


@pytest.mark.usefixtures("healthy")
async def test_a_rate_limit_that_is_used_up_is_no_fault(
    start_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = await start_simulator(Options())
    busy.throttle(30)
    for name, value in genesys_environment(busy).items():
        monkeypatch.setenv(name, value)
    assert (await findings())["Genesys API"].status == "skipped"


@pytest.mark.parametrize(
    ("setting", "checks"),
    [
        ("AWS_ENDPOINT_URL", {"event queue", "dead-letter queue", "state machine", "activity", "table"}),
        ("GENESYS_LOGIN_URL", {"Genesys login"}),
        ("GENESYS_API_URL", {"Genesys API"}),
        ("SHARED_CACHE_URL", {"shared cache"}),
    ],
)
@pytest.mark.usefixtures("healthy")
async def test_an_endpoint_that_does_not_answer_is_named(
    setting: str, checks: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:  # bound and not listening: connections are refused
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        scheme = "redis" if setting == "SHARED_CACHE_URL" else "http"
        monkeypatch.setenv(setting, f"{scheme}://127.0.0.1:{port}")
        found = await faults()
    assert checks <= set(found)
    assert all("answer" in found[check].text for check in checks)
    assert all("network" in found[check].fix or "security group" in found[check].fix for check in checks)


async def test_an_archive_is_checked_and_nothing_is_written_to_it(
    healthy: None,  # noqa: ARG001
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = f"{stack.names.prefix}-archive"
    async with new_session().create_client("s3", config=call_config(1).merge(s3_addresses())) as s3:
        await s3.create_bucket(Bucket=bucket)
        monkeypatch.setenv("ARCHIVE_URL", f"s3://{bucket}/details")
        found = await findings()
        left = await s3.list_objects_v2(Bucket=bucket)
        await s3.delete_bucket(Bucket=bucket)
    assert [found[name].status for name in ("archive", "s3:GetObject", "s3:PutObject")] == ["ok"] * 3
    assert left["KeyCount"] == 0


@pytest.mark.usefixtures("healthy")
async def test_an_archive_without_a_bucket_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_URL", "s3://no-such-bucket-here/details")
    found = await faults()
    assert set(found) == {"archive"}
    assert found["archive"].text == "ARCHIVE_URL: there is no bucket no-such-bucket-here"


@pytest.mark.parametrize(
    ("setting", "name"), [("EVENT_READER", "no_such_module:read"), ("DETAILS_TRANSFORM", "json:no_such_function")]
)
@pytest.mark.usefixtures("healthy")
async def test_a_function_that_does_not_load_is_named(setting: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, name)
    found = await faults()
    assert set(found) == {setting}
    assert "no_such" in found[setting].text


@pytest.mark.parametrize(("seconds", "side"), [(600, "behind"), (-600, "ahead of")])
async def test_a_clock_that_is_off_is_named(seconds: float, side: str, front: Front) -> None:
    front.seconds_ahead = seconds
    found = await faults()
    assert set(found) == {"clock"}
    # A busy machine takes its time with the answer, and Date is in whole seconds.
    assert found["clock"].text in {f"{s} s {side} AWS" for s in range(595, 606)}
    assert "NTP" in found["clock"].fix


async def test_the_table_fits_the_terminal_and_the_exit_status_tells(worker_environment: dict[str, str]) -> None:
    status, output = await doctor(worker_environment)
    assert (status, "FAILED" in output) == (0, False), output
    status, output = await doctor(worker_environment | {"INTERACTION_TABLE_NAME": "no-such-table"})
    assert status == 1
    assert "FAILED   table" in output
    assert "fix: set it to a name of" in output
    assert max(len(line) for line in output.splitlines()) <= 120
    assert worker_environment["GENESYS_CLIENT_SECRET"] not in output


async def test_a_setting_that_is_missing_ends_with_status_2(worker_environment: dict[str, str]) -> None:
    del worker_environment["ACTIVITY_ARN"]
    status, output = await doctor(worker_environment)
    assert (status, output) == (2, "")


async def doctor(environment: dict[str, str]) -> tuple[int, str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "worker", "doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout
