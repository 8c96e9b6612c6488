"""Functions of users that hang, end the process, or keep the interpreter to themselves: in a worker of its own."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.samples import envelope, seed
from tests.support.stack import Stack
from tests.support.worker_process import StartWorker, WorkerProcess, until
from worker.extensions.threads import MOST_HUNG

MODULE = """
import asyncio, re, sys, threading
from concurrent.futures import ThreadPoolExecutor
from worker.extensions import threads
from worker.runtime import backlog, health

threads.DEADLINE_SECONDS = 1.0
health.STUCK_SECONDS = 3.0

class Odd:
    __slots__ = ()
    def __getattribute__(self, name):
        raise KeyboardInterrupt

def run(what):
    if what == "hang":
        threading.Event().wait()
    elif what == "hang in a pool":
        ThreadPoolExecutor(1).submit(threading.Event().wait).result()
    elif what == "spin":
        while True:
            pass
    elif what == "exit":
        sys.exit(0)
    elif what == "cancelled":
        raise asyncio.CancelledError
    elif what == "odd":
        return Odd()
    elif what == "runaway":
        re.match(r"(a+)+$", "a" * 50 + "b")

def read(detail):
    return run(detail.get("do"))

def attributes(document):
    return run(document["conversationId"].partition("_")[0].replace("-", " ")) or {}

async def deaf(*_):
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

def read_beside_a_deaf_helper(detail):
    return None
"""


@pytest.fixture
def mine(tmp_path: Path) -> dict[str, str]:
    """Settings of a worker that finds the module above."""
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "with_deaf_helper.py").write_text(
        "from mine import *\nhealth.STUCK_SECONDS = 30.0\nbacklog.watch = deaf\n"
    )
    return {"PYTHONPATH": str(tmp_path), "DRAIN_SECONDS": "5"}


async def send(stack: Stack, *bodies: dict[str, Any]) -> None:
    for number, body in enumerate(bodies):
        text = json.dumps(body | {"id": f"event-{number}"})
        await stack.clients.sqs.send_message(QueueUrl=stack.settings["EVENT_QUEUE_URL"], MessageBody=text)


def doing(*what: str) -> list[dict[str, Any]]:
    return [envelope({"do": one}) for one in what]


class Letters:
    """The dead letters that came so far."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.reasons: dict[str, str] = {}
        """By what made them: what the reader did, or the interaction's id."""
        self.causes: dict[str, str] = {}

    async def number(self) -> int:
        answer = await self._stack.clients.sqs.receive_message(
            QueueUrl=self._stack.settings["DEAD_LETTER_QUEUE_URL"],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", ()):
            body = json.loads(message["Body"])
            name = f"{body['id']} {body['detail']['do']}" if "detail" in body else body["interactionId"]
            self.reasons[name] = message["MessageAttributes"]["reason"]["StringValue"]
            self.causes[name] = body.get("error", {}).get("Cause", "")
        return len(self.reasons)

    async def come(self, number: int) -> None:
        async def there() -> bool:
            return await self.number() >= number

        await until(there)


async def stored(stack: Stack, interaction_id: str) -> bool:
    answer = await stack.clients.dynamodb.get_item(
        TableName=stack.settings["INTERACTION_TABLE_NAME"], Key={"interactionId": {"S": interaction_id}}
    )
    return "Item" in answer


def hangs(worker: WorkerProcess) -> Sequence[str]:
    return [line["function"] for line in worker.lines("function_hangs")]


async def test_odd_readers_quarantine_their_events_and_a_worker_with_hung_ones_drains_with_status_0(
    stack: Stack, start_worker: StartWorker, mine: dict[str, str]
) -> None:
    worker = await start_worker(**mine, EVENT_READER="mine:read")
    letters = Letters(stack)
    odd = ["hang", "hang", "hang in a pool", "spin", "exit", "exit", "cancelled", "cancelled", "odd", "odd"]
    await send(stack, *doing(*odd), seed("good-1"))
    await letters.come(len(odd))
    await until(lambda: stored(stack, "good-1"))
    reasons = {name.split(" ", 1)[1]: reason for name, reason in letters.reasons.items()}
    assert {reasons[name] for name in ("hang", "hang in a pool", "spin")} == {"event_reader_timed_out"}
    assert {reasons[name] for name in ("exit", "cancelled", "odd")} == {"event_reader_failed"}
    assert hangs(worker) == ["EVENT_READER mine:read"]
    assert await worker.drain() == 0


async def test_odd_transforms_reject_their_interactions_and_a_worker_with_hung_ones_drains_with_status_0(
    stack: Stack, start_worker: StartWorker, mine: dict[str, str]
) -> None:
    worker = await start_worker(**mine, DETAILS_TRANSFORM="mine:attributes")
    letters = Letters(stack)
    odd = ["hang_1", "hang_2", "hang-in-a-pool_1", "spin_1", "exit_1", "cancelled_1", "odd_1"]
    await send(stack, *map(seed, [*odd, "good-1"]))
    await letters.come(len(odd))
    await until(lambda: stored(stack, "good-1"))
    assert letters.reasons == dict.fromkeys(odd, "Interaction.Invalid")
    assert letters.causes["hang_1"] == "DETAILS_TRANSFORM mine:attributes: no answer within 1 s"
    assert letters.causes["exit_1"].startswith("DETAILS_TRANSFORM mine:attributes: SystemExit at mine:")
    assert hangs(worker) == ["DETAILS_TRANSFORM mine:attributes"]
    assert await worker.drain() == 0


async def test_a_worker_in_which_many_hang_ends_itself_and_leaves_none_of_them_to_the_next(
    stack: Stack, start_worker: StartWorker, mine: dict[str, str]
) -> None:
    worker = await start_worker(**mine, EVENT_READER="mine:read")
    await send(stack, *doing(*["hang"] * MOST_HUNG))
    assert await worker.ended() == 1
    (died,) = worker.lines("loop_died")
    assert (died["loop"], died["error"]) == ("EVENT_READER mine:read", "FunctionsHangError")
    letters = Letters(stack)
    await letters.come(MOST_HUNG)
    assert set(letters.reasons.values()) == {"event_reader_timed_out"}


async def test_a_function_that_keeps_the_interpreter_to_itself_ends_the_worker_with_a_traceback_that_names_it(
    stack: Stack, start_worker: StartWorker, mine: dict[str, str]
) -> None:
    worker = await start_worker(**mine, DETAILS_TRANSFORM="mine:attributes")
    await send(stack, seed("runaway_1"))
    assert await worker.ended() == 1
    said = worker.text().partition("Timeout (")[2]
    assert 'mine.py", line ' in said
    assert " in attributes" in said


@pytest.mark.slow
async def test_sigterm_ends_a_worker_whose_helper_ignores_every_cancellation(
    start_worker: StartWorker, mine: dict[str, str]
) -> None:
    worker = await start_worker(**mine, EVENT_READER="with_deaf_helper:read_beside_a_deaf_helper")
    assert await worker.drain(signal.SIGTERM) == 0
    assert {name for line in worker.lines("cancellation_ignored") for name in line["tasks"]} == {"backlog"}
