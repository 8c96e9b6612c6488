"""A dead-letter queue, what lies in it, and the `dlq` commands on it."""

import asyncio
import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest

from worker.aws import letters
from worker.cli import main
from worker.local.aws import Clients


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


def terminal(typed: str | None) -> io.StringIO:
    """Standard input with an answer on it; None: no terminal."""
    stdin = io.StringIO(f"{typed}\n")
    stdin.isatty = lambda: typed is not None  # type: ignore[method-assign]
    return stdin


@dataclass
class Aws:
    """The resources of one test."""

    clients: Clients
    settings: dict[str, str]
    environment: dict[str, str]
    typed: str | None = None
    """What somebody answers on a terminal; None: no terminal."""

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

    async def only_some_are_left(self, count: int) -> None:
        async with asyncio.timeout(60):
            while sum(await self.waiting()) > count:
                await asyncio.sleep(0.01)

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
        """Exit status, stdout and stderr of the command.

        Run in this process: a new one takes seconds to start. The emulator is one server, so a receive that does not
        wait misses nothing.
        """
        output, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
            patch.setattr(letters, "_WAIT_SECONDS", 0)
            patch.setattr("sys.stdin", terminal(self.typed))
            for name, value in self.environment.items():
                patch.setenv(name, value)
            status = await asyncio.to_thread(main, ["dlq", *arguments])
        return status, output.getvalue(), errors.getvalue()
