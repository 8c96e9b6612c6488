"""The account at the end: everything sent against everything found, past every proxy."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chaos.history import key
from chaos.stack import Stack
from chaos.traffic import Sent

Fate = Literal["stored", "superseded", "dead-lettered", "running", "in the queue", "LOST"]
"""Superseded: processed, and the item is of a newer event. Running: its execution has not ended."""

SETTLED: frozenset[Fate] = frozenset({"stored", "superseded", "dead-lettered"})


@dataclass(slots=True)
class Found:
    """What AWS has."""

    items: dict[str, dict[str, str]] = field(default_factory=dict)
    """Interaction id → attributes."""
    letters: Counter[str] = field(default_factory=Counter)
    """Event → number of dead letters."""
    reasons: Counter[str] = field(default_factory=Counter)
    untouched: set[str] = field(default_factory=set)
    """Bodies of dead letters."""
    executions: dict[str, str] = field(default_factory=dict)
    """Execution name → status."""
    waiting: int = 0
    """Messages in the event queue, visible or not."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of each event."""

    fates: Mapping[str, Fate]
    found: Found
    wrong: Sequence[str]
    """Promises that were not kept, as sentences."""

    @property
    def settled(self) -> bool:
        return set(self.fates.values()) <= SETTLED and not self.found.waiting

    def count(self, *fates: Fate) -> int:
        return sum(fate in fates for fate in self.fates.values())


class Letters:
    """Dead letters taken so far; they are read once and not put back."""

    def __init__(self) -> None:
        self.bodies: dict[str, tuple[str, str]] = {}
        """Message id → body and reason."""

    async def collect(self, stack: Stack) -> None:
        url = stack.settings["DEAD_LETTER_QUEUE_URL"]
        while True:
            answer = await stack.clients.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                reason = attributes["reason"].get("StringValue", "") if "reason" in attributes else "none"
                self.bodies[message["MessageId"]] = (message["Body"], reason)
                await stack.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


async def look(stack: Stack, letters: Letters) -> Found:
    """Everything that can be found now."""
    await letters.collect(stack)
    found = Found()
    for body, reason in letters.bodies.values():
        found.letters[key(body)] += 1
        found.reasons[reason] += 1
        found.untouched.add(body)
    async for page in stack.clients.dynamodb.get_paginator("scan").paginate(
        TableName=stack.settings["INTERACTION_TABLE_NAME"], ConsistentRead=True
    ):
        for item in page["Items"]:
            found.items[item["interactionId"]["S"]] = {n: v["S"] for n, v in item.items() if "S" in v}
    found.executions = await _executions(stack)
    attributes = await stack.clients.sqs.get_queue_attributes(
        QueueUrl=stack.settings["EVENT_QUEUE_URL"], AttributeNames=["All"]
    )
    for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"):
        found.waiting += int(attributes["Attributes"][name])
    return found


async def _executions(stack: Stack) -> dict[str, str]:
    """Execution name → status."""
    statuses: dict[str, str] = {}
    pages = stack.clients.stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=stack.settings["STATE_MACHINE_ARN"], PaginationConfig={"PageSize": 1000}
    )
    async for page in pages:
        for execution in page["executions"]:
            statuses[execution["name"]] = execution["status"]
    return statuses


def account(sent: Iterable[Sent], found: Found) -> Account:
    """The fate of each event, and what is wrong with it."""
    fates: dict[str, Fate] = {}
    wrong: list[str] = []
    newest: dict[str, Sent] = {}
    for message in sent:
        event = key(message.body)
        fates[event] = _fate(message, event, found)
        if message.kind == "unreadable":
            if event in found.letters and message.body not in found.untouched:
                wrong.append(f"the body of {event} was changed on its way to the dead-letter queue")
        elif fates[event] in {"stored", "superseded"} and (
            message.interaction_id not in newest or newest[message.interaction_id].time < message.time
        ):
            newest[message.interaction_id] = message
    for interaction_id, message in newest.items():
        if found.items.get(interaction_id, {}).get("eventId") != key(message.body):
            wrong.append(f"the item of {interaction_id} is not of its newest processed event, {key(message.body)}")
    wrong.extend(f"{event} is nowhere" for event, fate in fates.items() if fate == "LOST")
    return Account(fates, found, wrong)


def _fate(message: Sent, event: str, found: Found) -> Fate:
    if found.letters[event]:
        return "dead-lettered"
    if message.kind != "unreadable":
        item = found.items.get(message.interaction_id, {})
        if item.get("eventId") == event:
            return "stored"
        status = found.executions.get(_execution_name(message.body))
        if status == "SUCCEEDED" and item.get("eventTime", "") > message.time:
            return "superseded"
        if status == "RUNNING":
            return "running"
        if status is not None:
            return "LOST"
    # Which messages wait cannot be asked without receiving them: while any does, it may be this one.
    return "in the queue" if found.waiting else "LOST"


def _execution_name(body: str) -> str:
    """Written out here, as the worker's own function would agree with itself whatever it does."""
    document: dict[str, Any] = json.loads(body)
    interaction_id, event_id = document["detail"]["interactionId"], document["id"]
    digest = hashlib.sha256(f"{interaction_id}\0{event_id}".encode()).hexdigest()
    return f"process-interaction-{interaction_id[:36]}-{digest[:22]}"
