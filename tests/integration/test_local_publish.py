"""`publish`: what it sends, tells the simulator, and prints when it cannot."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack
from worker import cli
from worker.events import parse_event
from worker.local.child_process import Child
from worker.local.simulator.server import Simulator
from worker.local.topics import topics
from worker.local.traffic import Pace

AT_ONCE = Pace(0)


@pytest.fixture
async def service(worker_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Child]:
    child = Child("worker", ["run"], environment=worker_environment, output=tmp_path / "worker.log")
    yield child
    # Its open polls would be awaited for as long as the drain lasts; here nothing is worth it.
    child.process.kill()
    await asyncio.to_thread(child.stop)


async def _items(stack: Stack, count: int) -> dict[str, dict[str, Any]]:
    """The table's items by interaction id, as soon as there are so many."""
    async with asyncio.timeout(60):
        while True:
            found = await stack.clients.dynamodb.scan(TableName=stack.settings["INTERACTION_TABLE_NAME"])
            if found["Count"] >= count:
                return {item["interactionId"]["S"]: item for item in found["Items"]}
            await asyncio.sleep(0.1)


async def _letters(stack: Stack, count: int) -> dict[str, str]:
    """Reasons of the dead letters by body, as soon as there are so many."""
    found: dict[str, str] = {}
    async with asyncio.timeout(60):
        while len(found) < count:
            answer = await stack.clients.sqs.receive_message(
                QueueUrl=stack.settings["DEAD_LETTER_QUEUE_URL"],
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
            )
            for message in answer.get("Messages", []):
                found[message["Body"]] = message["MessageAttributes"]["reason"]["StringValue"]
    return found


async def _event_queue_is_empty(stack: Stack) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = await stack.clients.sqs.get_queue_attributes(
                QueueUrl=stack.settings["EVENT_QUEUE_URL"],
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )
            if set(answer["Attributes"].values()) == {"0"}:
                return
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("service")
async def test_what_the_publish_command_sends_arrives(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in stack.settings.items():
        monkeypatch.setenv(name, value)
    seed = ["publish", "--events", "25", "--rate", "200", "--duplicates", "5", "--malformed", "3"]
    assert await asyncio.to_thread(cli.main, seed) == 0
    assert await asyncio.to_thread(cli.main, ["publish", "--events", "10", "--shape", "genesys"]) == 0
    output = capsys.readouterr().out
    assert "published 25 events in the seed shape, 5 of them twice, 3 malformed bodies in" in output
    assert "published 10 events in the genesys shape in" in output

    items = await _items(stack, 35)
    assert len(items) == 35
    assert len(await _letters(stack, 3)) == 3
    await _event_queue_is_empty(stack)
    executions = await stack.clients.stepfunctions.list_executions(stateMachineArn=stack.settings["STATE_MACHINE_ARN"])
    assert len(executions["executions"]) == 35


@pytest.mark.parametrize("shape", ["seed", "genesys"])
async def test_publish_tells_the_simulator_and_spreads_the_events_of_a_conversation(
    shape: str,
    stack: Stack,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {**stack.settings, **simulator.environment}.items():
        monkeypatch.setenv(name, value)
    arguments = ["--events", "3", "--events-per-interaction", "4", "--spread", "2", "--shape", shape]
    assert await asyncio.to_thread(cli.main, ["publish", *arguments]) == 0
    assert f"published 12 events of 3 interactions in the {shape} shape in" in capsys.readouterr().out

    received: dict[str, list[tuple[datetime, str]]] = {}
    async with asyncio.timeout(60):
        while sum(len(events) for events in received.values()) < 12:
            answer = await stack.clients.sqs.receive_message(
                QueueUrl=stack.settings["EVENT_QUEUE_URL"],
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            for message in answer.get("Messages", []):
                event = parse_event(message["Body"])
                received.setdefault(event.interaction_id, []).append((event.time, event.event_type))
                assert int(message["Attributes"]["SentTimestamp"]) >= int(event.time.timestamp() * 1000)
    assert len(received) == 3
    for interaction_id, events in received.items():
        assert sorted(events) == [(moment, name) for name, moment in topics(simulator.conversations[interaction_id], 4)]


@pytest.mark.usefixtures("aws_environment")
def test_publish_says_when_there_is_no_simulator_to_tell(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in stack.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GENESYS_API_URL", "http://127.0.0.1:1")
    assert cli.main(["publish", "--events", "1"]) == 0
    assert "publish: the simulator was not told of the conversations: http://127.0.0.1:1" in capsys.readouterr().err
    assert cli.main(["publish", "--events", "1", "--simulator", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.startswith("publish: http://127.0.0.1:1: ")


@pytest.mark.usefixtures("aws_environment")
@pytest.mark.parametrize("option", [["--shape", "genesys"], ["--duplicates", "1"], ["--malformed", "1"]])
def test_publishing_to_the_queue_without_naming_it_is_one_line_and_exit_2(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["publish", *option]) == 2
    assert capsys.readouterr().err.startswith("EVENT_QUEUE_URL: is required")
