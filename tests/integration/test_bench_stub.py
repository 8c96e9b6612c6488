"""The benchmark's stub counts right: figures about lost tasks are only as good as it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from bench.stub.__main__ import listen, serve_account
from bench.stub.account import Account, Options
from bench.stub.documents import ACTIVITY_ARN, STATE_MACHINE_ARN

QUEUE = "http://127.0.0.1/000000000000/events"


@pytest.fixture
async def account() -> AsyncIterator[tuple[Account, str]]:
    account = Account(Options(poll_hold=0.3))
    server, port = await listen(partial(serve_account, account))
    yield account, f"http://127.0.0.1:{port}"
    server.close()


@pytest.fixture
async def client(account: tuple[Account, str]) -> AsyncIterator[Callable[[str], Any]]:
    async with contextlib.AsyncExitStack() as stack:
        made = {}
        for name in ("sqs", "stepfunctions"):
            made[name] = await stack.enter_async_context(
                get_session().create_client(
                    name,
                    region_name="us-east-1",
                    endpoint_url=account[1],
                    aws_access_key_id="made-up",
                    aws_secret_access_key="made-up",
                    config=AioConfig(retries={"total_max_attempts": 1}),
                )
            )
        yield made.__getitem__


async def test_an_event_is_received_started_done_and_counted_once(
    account: tuple[Account, str], client: Callable[[str], Any]
) -> None:
    account[0].publish(1, target="queue", rate=0)
    (message,) = (await client("sqs").receive_message(QueueUrl=QUEUE, WaitTimeSeconds=1))["Messages"]
    for _ in range(2):
        await client("stepfunctions").start_execution(stateMachineArn=STATE_MACHINE_ARN, name="one", input="{}")
    await client("sqs").delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
    task = await client("stepfunctions").get_activity_task(activityArn=ACTIVITY_ARN)
    assert account[0].summary()["never_answered"] == 1
    await client("stepfunctions").send_task_success(taskToken=task["taskToken"], output="{}")
    counts = account[0].summary()
    assert (counts["started"], counts["duplicate_starts"], counts["succeeded"], counts["deleted"]) == (1, 1, 1, 1)
    assert (counts["never_answered"], counts["received_not_deleted"]) == (0, 0)


async def test_a_poll_without_a_task_is_answered_empty_after_its_time(client: Callable[[str], Any]) -> None:
    assert "taskToken" not in await client("stepfunctions").get_activity_task(activityArn=ACTIVITY_ARN)


async def test_a_task_given_to_a_cancelled_poll_is_never_answered(
    account: tuple[Account, str], client: Callable[[str], Any]
) -> None:
    account[0].options.poll_hold = 30
    poll = asyncio.create_task(client("stepfunctions").get_activity_task(activityArn=ACTIVITY_ARN))
    async with asyncio.timeout(10):
        while not account[0].summary()["polling"]:
            await asyncio.sleep(0.01)
        poll.cancel()
        while not account[0].counts["polls_cancelled"]:
            await asyncio.sleep(0.01)
    account[0].publish(1, target="activity", rate=0)
    counts = account[0].summary()
    assert (counts["handed_to_cancelled_polls"], counts["never_answered"], counts["never_handed_out"]) == (1, 1, 0)


async def test_a_message_given_back_is_received_again(
    account: tuple[Account, str], client: Callable[[str], Any]
) -> None:
    account[0].publish(1, target="queue", rate=0)
    for _ in range(2):
        (message,) = (await client("sqs").receive_message(QueueUrl=QUEUE, WaitTimeSeconds=1))["Messages"]
        await client("sqs").change_message_visibility(
            QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    counts = account[0].summary()
    assert (counts["given_back"], counts["in_queue"], counts["received_not_deleted"]) == (2, 1, 0)
