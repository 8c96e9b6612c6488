"""Checks of the event queue and the dead-letter queue."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from worker.commands.doctor.checks import Asker, AwsCallError, Finding, cannot_look, failed, ok, skipped
from worker.settings import Settings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})

_HARMLESS = frozenset(
    {
        "AWS.SimpleQueueService.EmptyBatchRequest",
        "EmptyBatchRequest",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "ReadCountOutOfRange",
        "AWS.SimpleQueueService.ReadCountOutOfRange",
    }
)
"""What SQS says of a batch without entries, which can't do anything, and of a receive of no messages."""

_DAY_SECONDS = 86_400


async def check_queues(ask: Asker, sqs: "SQSClient", settings: Settings) -> list[Finding]:
    """Both queues: there, of the right kind, not the same, and what the service does with them allowed."""
    url, dead_url = settings.event_queue_url, settings.dead_letter_queue_url
    events, found = await _attributes(ask, sqs, "event queue", "EVENT_QUEUE_URL", url)
    dead, dead_found = await _attributes(ask, sqs, "dead-letter queue", "DEAD_LETTER_QUEUE_URL", dead_url)
    if events:
        found = _event_queue(events, dead)
    if dead:
        dead_found = _dead_letter_queue(dead, events)
    findings = [found, *await _event_permissions(ask, sqs, url, found, settings), dead_found]
    if dead_found.status == "FAILED":
        return [*findings, skipped("sqs:SendMessage", "not checked: see dead-letter queue")]
    sends = sqs.send_message_batch(QueueUrl=dead_url, Entries=[])
    return [*findings, await ask.permission("sqs:SendMessage", sqs, sends, _HARMLESS)]


async def _attributes(
    ask: Asker, sqs: "SQSClient", name: str, setting: str, url: str
) -> tuple[Mapping[Any, str] | None, Finding]:
    """The queue's attributes, or why there are none."""
    try:
        answer = await ask(sqs, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))
    except AwsCallError as error:
        if error.code not in _MISSING:
            return None, cannot_look(name, error)
        return None, failed(
            name,
            f"{setting}: there is no such queue",
            f"set {setting} to the URL that `aws sqs get-queue-url --queue-name NAME` answers in AWS_REGION",
        )
    return answer["Attributes"], ok(name, "")


def _event_queue(events: Mapping[Any, str], dead: Mapping[Any, str] | None) -> Finding:
    name = "event queue"
    if events.get("FifoQueue") == "true":
        return failed(
            name,
            "EVENT_QUEUE_URL: is a FIFO queue, whose order would make one event block others",
            "let the EventBridge rule deliver to a standard queue and name that one",
        )
    if "events.amazonaws.com" not in events.get("Policy", ""):
        return failed(
            name,
            "EVENT_QUEUE_URL: its policy lets EventBridge deliver nothing, so it may be the wrong queue",
            "name the queue that the EventBridge rule targets, or allow events.amazonaws.com sqs:SendMessage with the "
            "rule as aws:SourceArn",
        )
    target = json.loads(events.get("RedrivePolicy") or "{}").get("deadLetterTargetArn")
    if target and dead and target != dead.get("QueueArn"):
        return failed(
            name,
            f"its redrive policy moves messages to {target}, which is not DEAD_LETTER_QUEUE_URL",
            "let both name one queue, so that `dlq` sees every dead letter",
        )
    waiting = events.get("ApproximateNumberOfMessages", "?")
    delay = int(events.get("DelaySeconds", "0"))
    return ok(name, f"{waiting} messages waiting" + (f", delivered after {delay} s" if delay else ""))


def _dead_letter_queue(dead: Mapping[Any, str], events: Mapping[Any, str] | None) -> Finding:
    name = "dead-letter queue"
    if events and dead.get("QueueArn") == events.get("QueueArn"):
        return failed(
            name,
            "DEAD_LETTER_QUEUE_URL: is the event queue itself, so a dead letter would come back for ever",
            "name a queue of its own",
        )
    if dead.get("FifoQueue") == "true":
        return failed(name, "DEAD_LETTER_QUEUE_URL: is a FIFO queue", "name a standard queue")
    kept = int(dead.get("MessageRetentionPeriod", "0"))
    if events and kept < int(events.get("MessageRetentionPeriod", "0")):
        return failed(
            name,
            f"keeps letters {kept / _DAY_SECONDS:g} days, which is shorter than the event queue does, and a message "
            "that SQS moves keeps its age",
            "set MessageRetentionPeriod of the dead-letter queue to 1209600 (14 days)",
        )
    waiting = dead.get("ApproximateNumberOfMessages", "?")
    return ok(name, f"{waiting} letters, kept {kept / _DAY_SECONDS:g} days")


async def _event_permissions(
    ask: Asker, sqs: "SQSClient", url: str, found: Finding, settings: Settings
) -> list[Finding]:
    names = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
    if "intake" not in settings.roles:
        return [skipped(name, "not needed: ROLES has no intake") for name in names]
    if found.status == "FAILED":
        return [skipped(name, "not checked: see event queue") for name in names]
    calls: list[Any] = [
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=0, WaitTimeSeconds=0),
        sqs.delete_message_batch(QueueUrl=url, Entries=[]),
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=[]),
    ]
    return [await ask.permission(name, sqs, call, _HARMLESS) for name, call in zip(names, calls, strict=True)]
