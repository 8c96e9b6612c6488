"""Every event that was sent against everything that came of it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.events import InteractionEvent, parse_time, utc_text
from worker.local.aws import Clients
from worker.local.simulator.conversations import conversation
from worker.local.traffic import Event, batches

_HIDDEN_SECONDS = 30


@dataclass(slots=True)
class Account:
    """What became of the events. Each is in exactly one of stored, wrong, dead letters, open and lost."""

    events: int = 0
    stored: int = 0
    wrong: int = 0
    """Stored, but with another start time or other channels than the simulator answered."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""
    open: int = 0
    """Still in the queue or in a running execution."""
    lost: int = 0
    duplicates: int = 0
    """Redeliveries without an effect."""
    extra_executions: int = 0
    """Executions beyond one an event."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from an event's time, which is when it was sent, to its item's `processedAt`."""

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


class Accounting:
    """Keeps what was sent and looks up what came of it."""

    def __init__(self, clients: Clients, settings: Mapping[str, str]) -> None:
        self._clients = clients
        self._settings = settings
        self._sent: dict[str, InteractionEvent] = {}
        self._malformed: set[str] = set()
        self._letters: dict[str, Mapping[str, Any]] = {}
        self.redelivered = 0

    @property
    def events(self) -> int:
        """Distinct events sent, malformed ones included, redeliveries not."""
        return len(self._sent) + len(self._malformed)

    def sent(self, event: Event, event_id: str) -> None:
        """`event` has been handed over under this event id."""
        self._sent[event_id] = InteractionEvent(event.interaction_id, event.event_type, event.time, event_id)

    def sent_malformed(self, body: str) -> None:
        """A body that cannot be processed has been handed over."""
        self._malformed.add(body)

    async def counts(self) -> dict[str, int]:
        """A quick look: items, dead letters, and messages in the event queue."""
        stored = 0
        table = self._settings["INTERACTION_TABLE_NAME"]
        async for page in self._clients.dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT"):
            stored += page["Count"]
        return {
            "stored": stored,
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
        account = Account(events=self.events)
        missing = 0
        for event_id, event in self._sent.items():
            if (item := items.get(event_id)) is not None:
                self._count_item(account, event, item)
            elif event_id in failed:
                account.reasons[failed[event_id]] += 1
            elif event.execution_name in running:
                account.open += 1
            else:
                missing += 1
        for body in self._malformed:
            if body in quarantined:
                account.reasons[quarantined[body]] += 1
            else:
                missing += 1
        in_queue = min(queued, missing)
        account.open += in_queue
        account.lost = missing - in_queue
        account.extra_executions = max(0, executions - len(self._sent))
        account.duplicates = max(0, self.redelivered - account.extra_executions - (queued - in_queue))
        return account

    def _count_item(self, account: Account, event: InteractionEvent, item: Mapping[str, Any]) -> None:
        expected = conversation(event.interaction_id)
        channels = tuple(channel["S"] for channel in item["channels"]["L"])
        if (item["startTime"]["S"], channels) == (utc_text(expected.start), expected.channels):
            account.stored += 1
            account.latencies.append((parse_time(item["processedAt"]["S"]) - event.time).total_seconds())
        else:
            account.wrong += 1

    async def example(self) -> dict[str, Any] | None:
        """One of the items, as JSON has it."""
        answer = await self._clients.dynamodb.scan(TableName=self._settings["INTERACTION_TABLE_NAME"], Limit=1)
        return {name: _plain(value) for name, value in answer["Items"][0].items()} if answer["Items"] else None

    async def _items(self) -> dict[str, Mapping[str, Any]]:
        table = self._settings["INTERACTION_TABLE_NAME"]
        pages = self._clients.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return {item["eventId"]["S"]: item async for page in pages for item in page["Items"]}

    async def _executions(self) -> tuple[set[str], int]:
        """Names of the running ones, and how many there are in all."""
        arn = self._settings["STATE_MACHINE_ARN"]
        running: set[str] = set()
        count = 0
        async for page in self._clients.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn):
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
        """Reasons of quarantined bodies by body, and of failed executions by event id."""
        await self._read_letters()
        quarantined: dict[str, str] = {}
        failed: dict[str, str] = {}
        for message in self._letters.values():
            body = message["Body"]
            reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "no reason given")
            if body in self._malformed:
                quarantined[body] = reason
            elif (event_id := _event_id(body)) is not None:
                failed[event_id] = reason
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


def _event_id(body: str) -> str | None:
    """The event id in a dead letter of the state machine, or in an envelope."""
    try:
        letter = json.loads(body)
    except ValueError:
        return None
    if not isinstance(letter, dict):
        return None
    found = letter.get("eventId", letter.get("id"))
    return found if isinstance(found, str) else None


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
