"""`doctor` where a queue, a table, a bucket or the state machine is not what it should be."""

import json
from typing import Any

import pytest

from tests.integration.doctor.looking import faults, findings
from tests.support.stack import Stack
from worker.aws.clients import call_config, new_session, s3_addresses


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
async def test_the_heartbeats_of_every_task_that_names_the_activity_are_compared(stack: Stack) -> None:
    sfn, arn = stack.clients.stepfunctions, stack.settings["STATE_MACHINE_ARN"]
    definition = json.loads((await sfn.describe_state_machine(stateMachineArn=arn))["definition"])
    definition["States"]["ProcessAlone"]["HeartbeatSeconds"] = 30
    await sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
    found = await faults()
    assert set(found) == {"heartbeats"}
    assert "(30)" in found["heartbeats"].text


@pytest.mark.parametrize("older", [2, None])
@pytest.mark.usefixtures("healthy")
async def test_a_definition_of_an_older_version_is_named(older: int | None, stack: Stack) -> None:
    sfn, arn = stack.clients.stepfunctions, stack.settings["STATE_MACHINE_ARN"]
    definition = json.loads((await sfn.describe_state_machine(stateMachineArn=arn))["definition"])
    states = definition["States"]
    del states["ProcessAlone"], states["SetApart"], states["ProcessInteraction"]["Catch"][1]
    states["ProcessInteraction"]["Parameters"].pop("definition")
    if older:
        states["ProcessInteraction"]["Parameters"]["definition"] = older
    await sfn.update_state_machine(stateMachineArn=arn, definition=json.dumps(definition))
    found = await faults()
    assert set(found) == {"definition"}
    assert f"is {older or 1}, this version of the worker comes with 3" in found["definition"].text
    assert "state_machine.asl.json" in found["definition"].fix


@pytest.mark.usefixtures("healthy")
async def test_a_definition_that_sends_its_dead_letters_elsewhere_is_named(stack: Stack) -> None:
    sfn, arn = stack.clients.stepfunctions, stack.settings["STATE_MACHINE_ARN"]
    definition = (await sfn.describe_state_machine(stateMachineArn=arn))["definition"]
    elsewhere = definition.replace("-dead-letters", "-elsewhere")
    await sfn.update_state_machine(stateMachineArn=arn, definition=elsewhere)
    found = await faults()
    assert set(found) == {"dead letters"}
    assert "-elsewhere" in found["dead letters"].text


async def test_an_archive_is_checked_and_nothing_is_written_to_it(
    healthy: None,  # noqa: ARG001
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = f"{stack.names.prefix}-archive"
    async with new_session().create_client("s3", config=call_config(1).merge(s3_addresses())) as s3:
        await s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)  # which keeps versions
        monkeypatch.setenv("ARCHIVE_URL", f"s3://{bucket}/details")
        found = await findings()
        left = await s3.list_object_versions(Bucket=bucket)
        await s3.delete_bucket(Bucket=bucket)
    checks = ("archive", "s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion")
    assert [found[name].status for name in checks] == ["ok"] * 4
    assert not {"Versions", "DeleteMarkers"} & left.keys()


@pytest.mark.usefixtures("healthy")
async def test_an_archive_without_a_bucket_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_URL", "s3://no-such-bucket-here/details")
    found = await faults()
    assert set(found) == {"archive"}
    assert found["archive"].text == "ARCHIVE_URL: there is no bucket no-such-bucket-here"


@pytest.mark.parametrize("setting", ["ITEM_TTL_DAYS", "TOMBSTONE_DAYS"])
@pytest.mark.usefixtures("healthy")
async def test_days_to_keep_need_a_table_that_expires_items(
    setting: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "30")
    assert (await findings())["item expiry"].status == "ok"
    off: Any = {"Enabled": False, "AttributeName": "expiresAt"}
    table = stack.settings["INTERACTION_TABLE_NAME"]
    await stack.clients.dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=off)
    found = (await faults())["item expiry"]
    assert found.text == f"{setting} is set, but the table does not expire items by expiresAt"
