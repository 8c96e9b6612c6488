"""What a test of the whole service has for itself: resources in the AWS emulator, and ways to look into them."""

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from tests.support.samples import seed
from tests.support.worker_process import until
from worker.local import bootstrap
from worker.local.aws import Clients
from worker.local.simulator.server import Options, Simulator

StartSimulator = Callable[[Options], Awaitable[Simulator]]
Item = dict[str, Any]


WAIT_SCALE = 0.02
"""A retry interval of 15 s passes in 0.3 s. The emulator enforces neither heartbeats nor time-outs."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Queue, state machine, tables and the rest, of one test alone."""

    clients: Clients
    names: bootstrap.Names
    settings: dict[str, str]
    """What `bootstrap` prints: setting → value."""


def new_id() -> str:
    """An interaction id that no other test has."""
    return f"interaction-{uuid.uuid4().hex[:8]}"


async def send(stack: Stack, *bodies: Any) -> None:
    """Straight into the event queue, as EventBridge delivers: texts as they are, anything else as JSON."""
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        await stack.clients.sqs.send_message(QueueUrl=stack.settings["EVENT_QUEUE_URL"], MessageBody=text)


async def send_many(stack: Stack, count: int) -> set[str]:
    """Events of so many interactions, whose ids it returns."""
    ids = [new_id() for _ in range(count)]
    bodies = [json.dumps(seed(interaction_id) | {"id": f"event-{interaction_id}"}) for interaction_id in ids]
    for start in range(0, count, 10):
        await stack.clients.sqs.send_message_batch(
            QueueUrl=stack.settings["EVENT_QUEUE_URL"],
            Entries=[{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])],
        )
    return set(ids)


async def item_of(stack: Stack, interaction_id: str) -> Item | None:
    """The stored item of an interaction."""
    answer = await stack.clients.dynamodb.get_item(
        TableName=stack.settings["INTERACTION_TABLE_NAME"],
        Key={"interactionId": {"S": interaction_id}},
        ConsistentRead=True,
    )
    return cast("Item | None", answer.get("Item"))


async def items_of(stack: Stack) -> dict[str, Item]:
    """Every stored item by interaction id."""
    found: dict[str, Item] = {}
    pages = stack.clients.dynamodb.get_paginator("scan").paginate(TableName=stack.settings["INTERACTION_TABLE_NAME"])
    async for page in pages:
        found |= {item["interactionId"]["S"]: cast("Item", item) for item in page["Items"]}
    return found


async def dead_letters(stack: Stack) -> list[tuple[str, str]]:
    """Body and reason of those that are visible now, ten at most; they stay."""
    answer = await stack.clients.sqs.receive_message(
        QueueUrl=stack.settings["DEAD_LETTER_QUEUE_URL"],
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=0,
        WaitTimeSeconds=0,
    )
    return [(m["Body"], m["MessageAttributes"]["reason"]["StringValue"]) for m in answer.get("Messages", ())]


async def stored(stack: Stack, interaction_id: str) -> Item:
    """The item of an interaction, as soon as it is there."""
    return cast("Item", await until(lambda: item_of(stack, interaction_id)))


async def executions(stack: Stack) -> list[str]:
    """The status of each execution."""
    answer = await stack.clients.stepfunctions.list_executions(stateMachineArn=stack.settings["STATE_MACHINE_ARN"])
    return [execution["status"] for execution in answer["executions"]]
