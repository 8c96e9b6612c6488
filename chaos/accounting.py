"""The account at the end: everything sent against everything found, past every proxy."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from chaos.history import key
from chaos.orders import END_TYPE, Rules, read_state
from chaos.stack import Stack
from chaos.traffic import REASONS, UNREADABLE, Sent
from worker.events import RECONCILE, parse_time, utc_text
from worker.local.demo import accounting as demo
from worker.local.simulator.conversations import Conversation

if TYPE_CHECKING:
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

Fate = Literal["stored", "covered", "misdated", "dead-lettered", "running", "in the queue", "LOST"]
"""Stored: the item names the event. Covered: the item names another one, and its details are fresh enough for this one.
Misdated: there is an item, and a worker whose clock was hours wrong had to do with it. Running: an execution of its
interaction has not ended."""

SETTLED: frozenset[Fate] = frozenset({"stored", "covered", "misdated", "dead-lettered"})

CLOCK_ERROR = timedelta(milliseconds=500)
"""How much the clocks of workers are off all the time."""

_MESSAGES: Sequence["QueueAttributeNameType"] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

_NAME_HASH = 23
"""Characters at the end of an execution's name that tell executions of one interaction apart."""


@dataclass(slots=True)
class Found:
    """What AWS has."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Interaction id → the item as DynamoDB has it."""
    letters: Counter[str] = field(default_factory=Counter)
    """Event → number of dead letters."""
    reasons: Counter[str] = field(default_factory=Counter)
    reasons_of: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Event → reasons of its dead letters."""
    untouched: set[str] = field(default_factory=set)
    """Bodies of dead letters."""
    failed: set[str] = field(default_factory=set)
    """Names of the executions that dead letters are of."""
    executions: dict[str, str] = field(default_factory=dict)
    """Execution name → status."""
    waiting: int = 0
    """Messages in the event queue, visible or not."""

    def running(self) -> set[str]:
        """Names of running executions, without what tells those of one interaction apart."""
        return {name[:-_NAME_HASH] for name, status in self.executions.items() if status == "RUNNING"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the account is held against."""

    rules: Rules
    seen: Callable[[str, datetime], Conversation | None]
    """What Genesys Cloud shows of an interaction at a time."""
    misled: Collection[str] = ()
    """Interactions with which a worker had to do whose clock was hours wrong."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A message, and a moment before it can have been received."""

    message: Sent
    at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """What became of each event."""

    fates: Mapping[str, Fate]
    found: Found
    wrong: Sequence[str]
    """Promises that were not kept, as sentences."""

    @property
    def settled(self) -> bool:
        return set(self.fates.values()) <= SETTLED and not self.found.waiting and not self.found.running()

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
    """Everything that can be found now; an event that moves on meanwhile is found where it was or where it went."""
    found = Found()
    attributes = await stack.clients.sqs.get_queue_attributes(
        QueueUrl=stack.settings["EVENT_QUEUE_URL"], AttributeNames=["All"]
    )
    for name in _MESSAGES:
        found.waiting += int(attributes["Attributes"][name])
    found.executions = await _executions(stack)
    await letters.collect(stack)
    for body, reason in letters.bodies.values():
        found.letters[key(body)] += 1
        found.reasons[reason] += 1
        found.reasons_of[key(body)].add(reason)
        found.untouched.add(body)
        found.failed |= _execution_of(body)
    async for page in stack.clients.dynamodb.get_paginator("scan").paginate(
        TableName=stack.settings["INTERACTION_TABLE_NAME"], ConsistentRead=True
    ):
        for item in page["Items"]:
            found.items[item["interactionId"]["S"]] = dict(item)
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


def _execution_of(body: str) -> set[str]:
    """The name of the execution that a dead letter is of; empty for a quarantined body."""
    try:
        return {str(json.loads(body)["executionArn"]).rpartition(":")[2]}
    except (ValueError, KeyError, TypeError):
        return set()


def account(handed_over: Iterable[HandedOver], found: Found, expected: Expectation) -> Account:
    """The fate of each event, and what is wrong with it."""
    # The same event may be handed over again: the first time counts.
    first: dict[str, HandedOver] = {}
    for each in handed_over:
        first.setdefault(key(each.message.body), each)
    fates = {event: _fate(event, sent, found, expected) for event, sent in first.items()}
    wrong = [
        *(f"{event} is nowhere" for event, fate in fates.items() if fate == "LOST"),
        *_changed_bodies(first, found),
        *_wrong_items(first, fates, found, expected),
        *_wrong_letters(first, found, expected),
        *(
            f"{name} failed without a dead letter"
            for name, status in found.executions.items()
            if status not in {"RUNNING", "SUCCEEDED"} and name not in found.failed
        ),
    ]
    return Account(fates, found, wrong)


def _fate(event: str, sent: HandedOver, found: Found, expected: Expectation) -> Fate:
    happened = sent.message.event
    if happened is not None and sent.message.kind not in UNREADABLE:
        item = found.items.get(happened.interaction_id)
        if item is not None and _covers(item, sent, expected):
            return "stored" if item["eventId"]["S"] == event else "covered"
        if item is not None and happened.interaction_id in expected.misled and not found.waiting:
            return "misdated"
        if f"process-interaction-{happened.interaction_id[:36]}" in found.running():
            return "running"
    if found.letters[event]:
        return "dead-lettered"
    # Which messages wait cannot be asked without receiving them: while any does, it may be this one.
    return "in the queue" if found.waiting else "LOST"


def _covers(item: Mapping[str, Any], sent: HandedOver, expected: Expectation) -> bool:
    """Whether the item's details are fresh enough for the event, and its event fields as new as the event."""
    assert sent.message.event is not None
    at = sent.at.replace(microsecond=sent.at.microsecond // 1000 * 1000)
    if sent.message.event.event_type == RECONCILE:
        # Refreshed on purpose: whenever it happened, and without a trace in the event fields.
        return parse_time(item["detailsAt"]["S"]) >= at
    return demo.covers(item, demo.Sent(sent.message.event, at), expected.rules.lag)


def _changed_bodies(first: Mapping[str, HandedOver], found: Found) -> Iterator[str]:
    for event, sent in first.items():
        if sent.message.kind in UNREADABLE and found.letters[event] and sent.message.body not in found.untouched:
            yield f"the body of {event} was changed on its way to the dead-letter queue"


def _wrong_items(
    first: Mapping[str, HandedOver], fates: Mapping[str, Fate], found: Found, expected: Expectation
) -> Iterator[str]:
    """Items that show something else than Genesys Cloud did, name another event than the newest, or lack their end."""
    processed: dict[str, list[str]] = {}
    for event, sent in first.items():
        if fates[event] in {"stored", "covered"} and sent.message.event is not None:
            processed.setdefault(sent.message.event.interaction_id, []).append(event)
    for interaction_id in processed.keys() - set(expected.misled):
        item, events = found.items[interaction_id], processed[interaction_id]
        if not demo.is_right(_with_clock_error(item), expected.seen):
            yield f"the item of {interaction_id} is not what Genesys Cloud showed when it was asked"
        ordinary = [event for event in events if first[event].message.kind != "reconcile"]
        if ordinary:
            newest = max(ordinary, key=lambda event: _time(first[event]))
            named = item["eventId"]["S"]
            if named != newest and fates.get(named) != "dead-lettered" and not named.endswith("-reconcile"):
                yield f"the item of {interaction_id} names {named}, and its newest processed event is {newest}"
        ends = [event for event in ordinary if _ends(first[event])]
        if ends and not _is_final(item, first[max(ends, key=lambda event: _time(first[event]))], expected.rules):
            yield f"the item of {interaction_id} has no end, and nobody looked for it long enough"


def _wrong_letters(first: Mapping[str, HandedOver], found: Found, expected: Expectation) -> Iterator[str]:
    """Dead letters of what should have been processed, or with another reason than events of their kind have."""
    for event, reasons in found.reasons_of.items():
        if event not in first:
            yield f"there is a dead letter of {event}, which was not sent"
            continue
        message = first[event].message
        is_misled = message.event is not None and message.event.interaction_id in expected.misled
        if not is_misled and not reasons <= REASONS.get(message.kind, frozenset()):
            yield f"{event} ({message.kind}) ended as a dead letter with the reason {', '.join(sorted(reasons))}"


def _with_clock_error(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The item with its times as the clock of the worker may have been wrong: asked earlier, written later."""
    asked, processed = (parse_time(item[name]["S"]) for name in ("detailsAt", "processedAt"))
    return {
        **item,
        "detailsAt": {"S": utc_text(asked - CLOCK_ERROR)},
        "processedAt": {"S": utc_text(processed + CLOCK_ERROR)},
    }


def _time(sent: HandedOver) -> datetime:
    assert sent.message.event is not None
    return sent.message.event.time


def _ends(sent: HandedOver) -> bool:
    return sent.message.event is not None and sent.message.event.event_type == END_TYPE


def _is_final(item: Mapping[str, Any], end: HandedOver, rules: Rules) -> bool:
    """Whether the item has its end, or was looked at again for as long as it should be."""
    state = read_state(item)
    looked_until = end.at + rules.final_wait - CLOCK_ERROR
    return state.complete or (state.details_at is not None and state.details_at >= looked_until)
