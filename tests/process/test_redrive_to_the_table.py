"""Dead letters of both kinds, redriven by a command that is killed, to the table, with a worker as its own process."""

import asyncio
import json
import random
import signal
import subprocess
import sys

import pytest

from tests.support.letters import Aws, event_body, failed_interaction
from tests.support.stack import Stack, items_of
from worker.local.child_process import Child

pytestmark = pytest.mark.timeout(300)

LETTERS = 200


def redrive(environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "worker", "dlq", "redrive", "--hold", "2"], env=environment, stdout=subprocess.DEVNULL
    )


async def test_letters_redriven_by_a_command_killed_in_the_middle_are_all_stored_and_none_twice(
    stack: Stack, worker_environment: dict[str, str]
) -> None:
    aws = Aws(stack.clients, stack.settings, worker_environment)
    failed = {f"failed-{n}" for n in range(LETTERS // 2)}
    unread = {f"unread-{n}" for n in range(LETTERS // 2)}
    error = "Store.Unavailable"
    letters = [(json.dumps(failed_interaction(stack.settings, i, error)), error) for i in failed]
    letters += [(event_body(i), "invalid_time") for i in unread]
    random.Random(6).shuffle(letters)
    await aws.many(letters)
    worker = Child("worker", ["run"], environment=worker_environment | {"MAX_CONCURRENCY": "50"})
    try:
        command = redrive(worker_environment)
        await aws.only_some_are_left(LETTERS * 4 // 5)
        command.kill()
        assert await asyncio.to_thread(command.wait) == -signal.SIGKILL
        async with asyncio.timeout(30):
            while (await aws.waiting())[1]:
                await asyncio.sleep(0.1)
        assert sum(await aws.waiting()) > 0
        assert await asyncio.to_thread(redrive(worker_environment).wait) == 0
        async with asyncio.timeout(100):
            while len(await items_of(stack)) < LETTERS:
                assert worker.running
                await asyncio.sleep(0.1)
    finally:
        await asyncio.to_thread(worker.stop)
    assert set(await items_of(stack)) == failed | unread
    assert await aws.waiting() == (0, 0)
    # `executions` itself fails where an interaction has two.
    assert set(await aws.executions()) == failed | unread
