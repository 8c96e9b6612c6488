"""`dlq` against an emulated AWS, as a process of its own."""

import asyncio
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Stack
from worker.cli import main
from worker.events import parse_event
from worker.local.aws import Clients
from worker.local.emulator import Emulator

GENESYS = {"GENESYS_CLIENT_ID": "made-up", "GENESYS_CLIENT_SECRET": "made-up"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """An emulator of its own: nobody works on the executions started here, so they stay open in it."""
    with Emulator() as emulator:
        yield emulator


@dataclass
class Aws:
    """The resources of one test."""

    clients: Clients
    settings: dict[str, str]
    environment: dict[str, str]

    async def quarantined(self, body: str, reason: str | None = "invalid_json") -> str:
        attributes: Any = {"reason": {"DataType": "String", "StringValue": reason}} if reason else {}
        sent = await self.clients.sqs.send_message(
            QueueUrl=self.settings["DEAD_LETTER_QUEUE_URL"], MessageBody=body, MessageAttributes=attributes
        )
        return sent["MessageId"]

    async def failed(self, interaction_id: str, error: str = "Genesys.Unavailable") -> str:
        return await self.quarantined(json.dumps(failed_interaction(self.settings, interaction_id, error)), error)

    async def many(self, bodies: list[tuple[str, str]]) -> None:
        """Send (body, reason) pairs, ten a call."""

        async def call(batch: list[tuple[str, str]]) -> None:
            entries: Any = [
                {
                    "Id": str(n),
                    "MessageBody": body,
                    "MessageAttributes": {"reason": {"DataType": "String", "StringValue": reason}},
                }
                for n, (body, reason) in enumerate(batch)
            ]
            answer = await self.clients.sqs.send_message_batch(
                QueueUrl=self.settings["DEAD_LETTER_QUEUE_URL"], Entries=entries
            )
            assert not answer.get("Failed")

        await asyncio.gather(*(call(bodies[n : n + 10]) for n in range(0, len(bodies), 10)))

    async def waiting(self, queue: str = "DEAD_LETTER_QUEUE_URL") -> tuple[int, int]:
        """Visible and hidden messages."""
        answer = await self.clients.sqs.get_queue_attributes(
            QueueUrl=self.settings[queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        found = answer["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    async def executions(self) -> dict[str, dict[str, Any]]:
        """Input by interaction id; fails when an interaction has two executions."""
        found: dict[str, dict[str, Any]] = {}
        async for page in self.clients.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.settings["STATE_MACHINE_ARN"]
        ):
            for execution in page["executions"]:
                described = await self.clients.stepfunctions.describe_execution(executionArn=execution["executionArn"])
                document = json.loads(described["input"])
                assert document["interactionId"] not in found
                found[document["interactionId"]] = document
        return found

    async def event_bodies(self) -> list[str]:
        """Takes every message out of the event queue."""
        bodies: list[str] = []
        while messages := (
            await self.clients.sqs.receive_message(
                QueueUrl=self.settings["EVENT_QUEUE_URL"], MaxNumberOfMessages=10, WaitTimeSeconds=0
            )
        ).get("Messages"):
            bodies += [message["Body"] for message in messages]
        return bodies

    def start(self, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "worker", "dlq", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    async def dlq(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of the command, run in this process: a new one takes seconds to start."""
        output, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
            for name, value in self.environment.items():
                patch.setenv(name, value)
            status = await asyncio.to_thread(main, ["dlq", *arguments])
        return status, output.getvalue(), errors.getvalue()


@pytest.fixture
def aws(emulator: Emulator, stack: Stack) -> Aws:
    environment = {"PATH": os.environ["PATH"]} | emulator.environment | stack.settings | GENESYS
    return Aws(stack.clients, stack.settings, environment)


def failed_interaction(settings: dict[str, str], interaction_id: str, error: str) -> dict[str, Any]:
    execution = settings["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":first-{interaction_id}"
    return {
        "interactionId": interaction_id,
        "eventType": "end",
        "timestamp": "2026-03-01T10:00:00.000Z",
        "eventId": f"event-{interaction_id}",
        "error": {"Error": error, "Cause": "the API answered 503"},
        "executionArn": execution,
    }


def event_body(interaction_id: str) -> str:
    detail = {"interactionId": interaction_id, "eventType": "end", "timestamp": "2026-03-01T10:00:00Z"}
    return json.dumps(
        {"id": f"event-{interaction_id}", "source": "genesys.cloud", "detail-type": "x", "detail": detail}
    )


async def test_list_shows_every_letter_and_takes_none(aws: Aws) -> None:
    await aws.failed("a-1")
    quarantined = await aws.quarantined("{broken")
    await aws.quarantined("somebody else's", reason=None)
    status, output, _ = await aws.dlq("list")
    assert status == 0
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == ["AGE", "ORIGIN", "ERROR", "INTERACTION", "MESSAGE"]
    assert [line[1:4] for line in lines[1:4]] == [
        ["interaction", "Genesys.Unavailable", "a-1"],
        ["event", "invalid_json", "-"],
        ["foreign", "-", "-"],
    ]
    assert lines[2][4] == quarantined
    assert "3 dead letters" in output
    assert await aws.waiting() == (3, 0)


async def test_list_as_json_has_the_facts_and_no_body(aws: Aws) -> None:
    message_id = await aws.failed("a-1")
    status, output, _ = await aws.dlq("list", "--json")
    (letter,) = json.loads(output)
    assert status == 0
    assert letter["sentAt"].endswith("Z")
    assert {name: letter[name] for name in ("messageId", "interactionId", "origin", "error")} == {
        "messageId": message_id,
        "interactionId": "a-1",
        "origin": "interaction",
        "error": "Genesys.Unavailable",
    }
    assert "503" not in output


async def test_list_reads_thousands_and_each_one_once(aws: Aws) -> None:
    await aws.many([(f"{{broken {n}", "invalid_json") for n in range(2000)])
    status, output, _ = await aws.dlq("list", "--json")
    assert status == 0
    assert len({letter["messageId"] for letter in json.loads(output)}) == 2000
    assert await aws.waiting() == (2000, 0)


async def test_an_empty_queue_is_no_error(aws: Aws) -> None:
    assert (await aws.dlq("list"))[:2] == (0, "0 dead letters\n")
    assert (await aws.dlq("redrive"))[:2] == (0, "redriven 0 of 0 letters\n")


async def test_show_prints_the_body_by_either_id(aws: Aws) -> None:
    await aws.failed("a-1")
    message_id = await aws.quarantined("{broken \u202e")
    status, output, _ = await aws.dlq("show", "a-1")
    assert status == 0
    assert "the API answered 503" in output
    assert ":execution:" in output
    status, output, _ = await aws.dlq("show", message_id)
    assert status == 0
    assert "{broken \\x202e" in output
    assert await aws.waiting() == (2, 0)


async def test_show_of_an_unknown_id_is_an_error(aws: Aws) -> None:
    status, output, errors = await aws.dlq("show", "nobody")
    assert (status, output) == (1, "")
    assert "nobody" in errors


async def test_redrive_starts_failed_interactions_and_sends_back_quarantined_bodies(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    await aws.quarantined("somebody else's", reason=None)
    status, output, _ = await aws.dlq("redrive")
    assert status == 0
    assert "redriven 2 of 2 letters" in output
    assert "left 1 letter of other senders" in output
    assert await aws.executions() == {
        "a-1": {
            "interactionId": "a-1",
            "eventType": "end",
            "timestamp": "2026-03-01T10:00:00.000Z",
            "eventId": "event-a-1",
        }
    }
    assert await aws.event_bodies() == ["{broken"]
    assert await aws.waiting() == (1, 0)


async def test_redrive_of_an_aborted_execution_starts_it_again(aws: Aws) -> None:
    document = failed_interaction(aws.settings, "a-1", "x")
    original = {name: document[name] for name in ("interactionId", "eventType", "timestamp", "eventId")}
    detail = {"executionArn": document["executionArn"], "status": "ABORTED", "input": json.dumps(original)}
    change = {"id": "e", "detail-type": "Step Functions Execution Status Change", "detail": detail}
    await aws.quarantined(json.dumps(change), reason=None)
    assert (await aws.dlq("redrive", "--error", "Execution.ABORTED"))[0] == 0
    assert await aws.executions() == {"a-1": original}
    assert await aws.waiting() == (0, 0)


async def test_two_letters_of_one_failed_execution_start_it_once(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.failed("a-1")
    assert (await aws.dlq("redrive"))[0] == 0
    assert list(await aws.executions()) == ["a-1"]
    assert await aws.waiting() == (0, 0)


@pytest.mark.parametrize(
    ("options", "started"),
    [
        (("--error", "Interaction.NotFound"), {"b-1"}),
        (("--id", "a-2"), {"a-2"}),
        (("--error", "invalid_json"), set()),
        ((), {"a-1", "a-2", "b-1"}),
    ],
)
async def test_redrive_takes_only_what_the_filter_selects(
    aws: Aws, options: tuple[str, ...], started: set[str]
) -> None:
    # More letters that don't match than one receive brings, and before those that do.
    await aws.many([(f"other {n}", "invalid_envelope") for n in range(30)] if options else [])
    await aws.failed("a-1")
    await aws.failed("a-2")
    await aws.failed("b-1", "Interaction.NotFound")
    assert (await aws.dlq("redrive", *options))[0] == 0
    assert set(await aws.executions()) == started
    assert await aws.waiting() == ((33 if options else 3) - len(started), 0)


async def test_redrive_stops_at_its_limit(aws: Aws) -> None:
    await aws.many([(f"{{broken {n}", "invalid_json") for n in range(40)])
    status, output, _ = await aws.dlq("redrive", "--limit", "7")
    assert status == 0
    assert "redriven 7 of 7 letters: 7 invalid_json" in output
    assert await aws.waiting() == (33, 0)
    assert len(await aws.event_bodies()) == 7


async def test_a_dry_run_changes_nothing(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    status, output, _ = await aws.dlq("redrive", "--dry-run")
    assert status == 0
    assert "would redrive 2 letters" in output
    assert await aws.executions() == {}
    assert await aws.waiting() == (2, 0)
    assert await aws.waiting("EVENT_QUEUE_URL") == (0, 0)


async def test_a_letter_that_fails_stays_and_the_others_go(aws: Aws) -> None:
    await aws.failed("a-1")
    await aws.quarantined("{broken")
    aws.environment["STATE_MACHINE_ARN"] += "-gone"
    status, output, errors = await aws.dlq("redrive")
    assert status == 1
    assert "redriven 1 of 2 letters" in output
    assert "StateMachineDoesNotExist" in errors
    assert await aws.waiting() == (1, 0)


async def test_letters_that_come_back_unreadable_are_left_for_the_next_run(aws: Aws) -> None:
    """Without a bound a redrive and an intake that quarantines again would chase each other for ever."""
    await aws.quarantined("{broken")
    process = aws.start("redrive")
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        for body in await aws.event_bodies():
            await aws.quarantined(body)
    assert process.poll() == 0, process.communicate()
    assert process.communicate()[0].startswith("redriven 1 of 1 letter")
    assert await aws.waiting() == (1, 0)


async def test_an_interrupted_redrive_gives_its_letters_back_at_once(aws: Aws) -> None:
    await aws.many([(event_body(f"i-{n}"), "invalid_time") for n in range(500)])
    process = aws.start("redrive", "--hold", "600")
    await only_some_are_left(aws, 450)
    process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(process.wait, 20) == 130
    _, errors = process.communicate()
    assert "interrupted" in errors
    assert (await aws.waiting())[1] == 0


async def only_some_are_left(aws: Aws, count: int) -> None:
    async with asyncio.timeout(60):
        while sum(await aws.waiting()) > count:
            await asyncio.sleep(0.01)


@pytest.mark.timeout(300)
async def test_a_redrive_of_1000_killed_twice_loses_nothing_and_starts_nothing_twice(aws: Aws) -> None:
    interactions = {f"i-{n}" for n in range(500)}
    events = {f"e-{n}" for n in range(500)}
    error = "Store.Unavailable"
    letters = [(json.dumps(failed_interaction(aws.settings, i, error)), error) for i in interactions]
    letters += [(event_body(e), "invalid_time") for e in events]
    random.Random(6).shuffle(letters)
    await aws.many(letters)
    for left in (800, 400):
        process = aws.start("redrive", "--hold", "2")
        await only_some_are_left(aws, left)
        process.kill()
        await asyncio.to_thread(process.communicate)
        assert process.returncode == -signal.SIGKILL
        assert sum(await aws.waiting()) > 0
        async with asyncio.timeout(30):
            while (await aws.waiting())[1]:
                await asyncio.sleep(0.1)
    status, output, _ = await aws.dlq("redrive")
    assert status == 0, output
    assert await aws.waiting() == (0, 0)
    assert set(await aws.executions()) == interactions
    bodies = await aws.event_bodies()
    assert {parse_event(body).interaction_id for body in bodies} == events
    # A body that was sent and not yet removed when the kill came is sent again, under the same execution name.
    assert len({parse_event(body).execution_name for body in bodies}) == len(events)


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["redrive"]])
def test_every_sub_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dlq", *command, "--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out
