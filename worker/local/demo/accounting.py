"""Every event that was sent against everything that came of it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from worker.events import parse_time, utc_text
from worker.local.aws import Clients
from worker.local.simulator.conversations import Conversation
from worker.local.traffic import Event, batches

_HIDDEN_SECONDS = 30
_MILLISECOND = timedelta(milliseconds=1)
_MOST_EXECUTIONS = 1000
"""What a page of ListExecutions holds at most."""

Seen = Callable[[str, datetime], Conversation | None]
"""What a request for the details of an id finds at a time; None: nothing yet."""


@dataclass(slots=True)
class Account:
    """What became of the events. Each is in exactly one of stored, wrong, dead letters, open and lost."""

    events: int = 0
    interactions: int = 0
    stored: int = 0
    """Covered by an item: with the event's own details, or with later ones."""
    wrong: int = 0
    """Stored, but with something else than the simulator showed when the details were asked for."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    open: int = 0
    """Still in the queue or in a running execution."""
    lost: int = 0
    duplicates: int = 0
    """Redeliveries without an effect."""
    executions: int = 0
    covered: int = 0
    """Events that needed no execution of their own."""
    extra_executions: int = 0
    """Executions beyond one per event."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from the time of the newest event of each item to its `processedAt`; of older ones nothing is kept."""

    @property
    def dead_lettered(self) -> int:
        return self.reasons.total()

    @property
    def accounted(self) -> int:
        return self.stored + self.dead_lettered

    @property
    def complete(self) -> bool:
        """Whether everything is where it should be."""
        return self.accounted == self.events and not self.extra_executions


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was handed over."""

    event: Event
    at: datetime
    """A moment before it can have been received; whole milliseconds, like the times in an item."""


def covers(item: Mapping[str, Any], sent: Sent, details_lag: timedelta) -> bool:
    """Whether the item, as DynamoDB has it, is as new as the event and its details are too.

    Details are new enough when they were asked for after the event was handed over, or so long after it happened that
    Genesys Cloud shows it. An item without `detailsAt` is of a worker that asks for each event.
    """
    if parse_time(item["eventTime"]["S"]) < sent.event.time:
        return False
    if "detailsAt" not in item:
        return True
    return parse_time(item["detailsAt"]["S"]) >= min(sent.at, sent.event.time + details_lag)


def is_right(item: Mapping[str, Any], seen: Seen) -> bool:
    """Whether the item has at least what was known when its details were asked for, and nothing from later on."""
    interaction_id = item["interactionId"]["S"]
    known = seen(interaction_id, parse_time(item["processedAt"]["S"]) + _MILLISECOND)
    if known is None:
        return False
    asked = item.get("detailsAt")
    least = None if asked is None else seen(interaction_id, parse_time(asked["S"]))
    channels = tuple(channel["S"] for channel in item["channels"]["L"])
    if item["startTime"]["S"] != utc_text(known.start) or channels != known.channels[: len(channels)]:
        return False
    if len(channels) < (1 if least is None else len(least.channels)):
        return False
    if "endTime" in item:
        return known.end is not None and item["endTime"]["S"] == utc_text(known.end)
    return least is None or least.end is None


class Accounting:
    """Keeps what was sent and looks up what came of it."""

    def __init__(
        self, clients: Clients, settings: Mapping[str, str], seen: Seen, *, details_lag_seconds: float = 90.0
    ) -> None:
        """`details_lag_seconds` is the workers' DETAILS_LAG_SECONDS."""
        self._clients = clients
        self._settings = settings
        self._seen = seen
        self._details_lag = timedelta(seconds=details_lag_seconds)
        self._sent: dict[str, Sent] = {}
        self._malformed: set[str] = set()
        self._letters: dict[str, Mapping[str, Any]] = {}
        self.redelivered = 0

    @property
    def events(self) -> int:
        """Distinct events sent, malformed ones included, redeliveries not."""
        return len(self._sent) + len(self._malformed)

    def sent(self, event: Event, event_id: str, at: datetime) -> None:
        """`event` has been handed over under this event id, and nobody had it before `at`."""
        whole = event.time.replace(microsecond=event.time.microsecond // 1000 * 1000)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        self._sent[event_id] = Sent(replace(event, time=whole), at)

    def sent_malformed(self, body: str) -> None:
        """A body that cannot be processed has been handed over."""
        self._malformed.add(body)

    async def counts(self) -> dict[str, int]:
        """A quick look: events that items cover, dead letters, and messages in the event queue."""
        items = await self._items()
        return {
            "stored": sum(self._item_of(items, sent) is not None for sent in self._sent.values()),
            "dead_lettered": await self._queue_size("DEAD_LETTER_QUEUE_URL"),
            "queued": await self._queue_size("EVENT_QUEUE_URL"),
        }

    async def settle(self) -> Account:
        """Look every event up."""
        # Queue and executions first: an event moves on while this runs, and must not be missed in both places.
        queued = await self._queue_size("EVENT_QUEUE_URL")
        running, executions = await self._executions()
        items = await self._items()
        quarantined, failed = await self._dead_letters()
        account = Account(
            events=self.events,
            interactions=len({sent.event.interaction_id for sent in self._sent.values()}),
            executions=executions,
        )
        missing = 0
        for event_id, sent in self._sent.items():
            interaction_id = sent.event.interaction_id
            # What one execution was to bring to several events is in one letter, and comes with it.
            reason = failed.get(event_id) or failed.get(interaction_id)
            if (item := self._item_of(items, sent)) is not None:
                self._count_item(account, event_id, sent, item)
            elif any(name.startswith(f"process-interaction-{interaction_id[:36]}") for name in running):
                account.open += 1
            elif reason is not None:
                account.reasons[reason] += 1
            else:
                missing += 1
        for body in self._malformed:
            if body in quarantined:
                account.reasons[quarantined[body]] += 1
            else:
                missing += 1
        account.open += min(queued, missing)
        account.lost = missing - min(queued, missing)
        account.covered = max(0, account.stored + account.wrong - executions)
        account.extra_executions = max(0, executions - len(self._sent))
        account.duplicates = max(0, self.redelivered - account.extra_executions)
        return account

    def _item_of(self, items: Mapping[str, Mapping[str, Any]], sent: Sent) -> Mapping[str, Any] | None:
        """The item that covers the event."""
        item = items.get(sent.event.interaction_id)
        return item if item is not None and covers(item, sent, self._details_lag) else None

    def _count_item(self, account: Account, event_id: str, sent: Sent, item: Mapping[str, Any]) -> None:
        if is_right(item, self._seen):
            account.stored += 1
            if item["eventId"]["S"] == event_id:
                latency = parse_time(item["processedAt"]["S"]) - sent.event.time
                account.latencies.append(max(0.0, latency.total_seconds()))
        else:
            account.wrong += 1

    async def example(self) -> dict[str, Any] | None:
        """One of the items, as JSON has it."""
        answer = await self._clients.dynamodb.scan(TableName=self._settings["INTERACTION_TABLE_NAME"], Limit=1)
        return {name: _plain(value) for name, value in answer["Items"][0].items()} if answer["Items"] else None

    async def _items(self) -> dict[str, Mapping[str, Any]]:
        table = self._settings["INTERACTION_TABLE_NAME"]
        pages = self._clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return {item["interactionId"]["S"]: item async for page in pages for item in page["Items"]}

    async def _executions(self) -> tuple[set[str], int]:
        """Names of the running ones, and how many there are in all."""
        arn = self._settings["STATE_MACHINE_ARN"]
        running: set[str] = set()
        count = 0
        async for page in self._clients.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=arn, PaginationConfig={"PageSize": _MOST_EXECUTIONS}
        ):
            count += len(page["executions"])
            running |= {each["name"] for each in page["executions"] if each["status"] == "RUNNING"}
        return running, count

    async def _queue_size(self, setting: str) -> int:
        answer = await self._clients.sqs.get_queue_attributes(
            QueueUrl=self._settings[setting],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(int(value) for value in answer["Attributes"].values())

    async def _dead_letters(self) -> tuple[dict[str, str], dict[str, str]]:
        """Reasons of quarantined bodies by body, and of failed executions by event id and by interaction id."""
        await self._read_letters()
        quarantined: dict[str, str] = {}
        failed: dict[str, str] = {}
        for message in self._letters.values():
            body = message["Body"]
            reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "no reason given")
            if body in self._malformed:
                quarantined[body] = reason
            else:
                failed |= dict.fromkeys(_ids(body), reason)
        return quarantined, failed

    async def _read_letters(self) -> None:
        """Add the letters not seen yet, and leave them all in the queue as they were."""
        url = self._settings["DEAD_LETTER_QUEUE_URL"]
        receipts: list[str] = []
        while True:
            answer = await self._clients.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=0,
                VisibilityTimeout=_HIDDEN_SECONDS,
                MessageAttributeNames=["reason"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                break
            self._letters |= {message["MessageId"]: message for message in messages}
            receipts += [message["ReceiptHandle"] for message in messages]
        for batch in batches(receipts, 10):
            await self._clients.sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for index, receipt in enumerate(batch)
                ],
            )


def _ids(body: str) -> list[str]:
    """Event id and interaction id in a dead letter of the state machine, or the event id of an envelope."""
    try:
        letter = json.loads(body)
    except ValueError:
        return []
    if not isinstance(letter, dict):
        return []
    found = (letter.get("eventId", letter.get("id")), letter.get("interactionId"))
    return [each for each in found if isinstance(each, str)]


def _plain(attribute: Mapping[str, Any]) -> Any:
    """A DynamoDB attribute as a JSON value."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return float(value) if set(value) & set(".E") else int(value)
        case "L":
            return [_plain(part) for part in value]
        case "M":
            return {name: _plain(part) for name, part in value.items()}
    return value
