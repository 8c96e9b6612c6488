"""`bootstrap` against the emulator, over the network."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from tests.support.stack import Stack
from worker import cli
from worker.local import bootstrap
from worker.settings import load_settings


def _run(prefix: str, *options: str) -> int:
    return cli.main(["bootstrap", "--prefix", prefix, *options])


async def test_an_event_put_on_the_bus_arrives_in_the_event_queue(stack: Stack) -> None:
    await stack.clients.events.put_events(
        Entries=[
            {
                "Source": source,
                "DetailType": bootstrap.EVENT_DETAIL_TYPE,
                "Detail": json.dumps({"interactionId": "made-up-1"}),
            }
            for source in (bootstrap.EVENT_SOURCE, "something.else")
        ]
    )

    queue = stack.settings["EVENT_QUEUE_URL"]
    answer = await stack.clients.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
    details = [json.loads(message["Body"])["detail"] for message in answer["Messages"]]
    assert details == [{"interactionId": "made-up-1"}]


@pytest.mark.usefixtures("aws_environment")
def test_running_it_twice_prints_the_same_settings_and_they_load(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run("test-twice") == 0
    first = capsys.readouterr()
    assert _run("test-twice") == 0
    second = capsys.readouterr()

    assert first == second
    assert first.err == ""
    for line in first.out.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GENESYS_CLIENT_ID", "made-up")
    monkeypatch.setenv("GENESYS_CLIENT_SECRET", "made-up")
    settings = load_settings()
    assert settings.interaction_table_name == "test-twice-interactions"
    assert settings.shared_cache_url == "dynamodb://test-twice-shared-cache"


@pytest.mark.usefixtures("aws_environment")
async def test_the_event_queue_alone_holds_messages_back_as_long_as_asked_and_the_last_word_counts(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command has an event loop of its own.
    assert await asyncio.to_thread(_run, "test-delay", "--delay", "25") == 0
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert await _delays(stack, printed) == ["25", "0"]
    assert await asyncio.to_thread(_run, "test-delay") == 0
    assert await _delays(stack, printed) == ["0", "0"]


async def _delays(stack: Stack, settings: Mapping[str, str]) -> list[str]:
    """DelaySeconds of the event queue and of the dead-letter queue."""
    return [
        (
            await stack.clients.sqs.get_queue_attributes(
                QueueUrl=settings[f"{name}_QUEUE_URL"], AttributeNames=["DelaySeconds"]
            )
        )["Attributes"]["DelaySeconds"]
        for name in ("EVENT", "DEAD_LETTER")
    ]


def test_a_delay_longer_than_sqs_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _run("test-delay", "--delay", "901")
    assert ended.value.code == 2
    assert "must be at most 900, not '901'" in capsys.readouterr().err


async def test_the_state_machine_is_the_one_file_with_its_placeholders_replaced(stack: Stack) -> None:
    arn = stack.settings["STATE_MACHINE_ARN"]
    machine = await stack.clients.stepfunctions.describe_state_machine(stateMachineArn=arn)
    states = json.loads(machine["definition"])["States"]

    assert machine["type"] == "STANDARD"
    assert "${" not in machine["definition"]
    assert states["ProcessInteraction"]["Resource"] == stack.settings["ACTIVITY_ARN"]
    assert states["SendDeadLetter"]["Parameters"]["QueueUrl"] == stack.settings["DEAD_LETTER_QUEUE_URL"]


@pytest.mark.usefixtures("aws_environment")
def test_it_needs_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert _run("test-without-keys") == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AWS_ENDPOINT_URL": ""}, "AWS_ENDPOINT_URL: is required"),
        ({"AWS_ENDPOINT_URL": "https://sqs.us-east-1.amazonaws.com"}, "is AWS itself"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "AWS_REGION: is required"),
    ],
)
@pytest.mark.usefixtures("aws_environment")
def test_a_missing_or_real_aws_setting_is_one_line_and_exit_2(
    changes: dict[str, str], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for name, value in changes.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)

    assert _run("test-refused") == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert expected in output.err
