"""Checks of the event queue and the dead-letter queue."""

import json
from collections.abc import Mapping
from typing import Any

from worker.aws.errors import Kind
from worker.aws.inspection import CallFailedError, Inspection
from worker.commands.doctor.checks import Finding, cannot_look, failed, ok, permission, skipped
from worker.commands.doctor.delivery import check_delivery
from worker.settings import Settings

_DAY_SECONDS = 86_400


async def check_queues(inspection: Inspection, settings: Settings) -> list[Finding]:
    """Both queues: there, of the right kind, not the same, and what the service does with them allowed.

    And whether what the event queue's policy lets send to it does send.
    """
    url, dead_url = settings.event_queue_url, settings.dead_letter_queue_url
    events, found = await _attributes(inspection, "event queue", "EVENT_QUEUE_URL", url)
    dead, dead_found = await _attributes(inspection, "dead-letter queue", "DEAD_LETTER_QUEUE_URL", dead_url)
    if events:
        found = _event_queue(events, dead)
    if dead:
        dead_found = _dead_letter_queue(dead, events)
    allowed = await _event_permissions(inspection, url, found, settings)
    findings = [found, *allowed, *await check_delivery(inspection, events), dead_found]
    if dead_found.status == "FAILED":
        return [*findings, skipped("sqs:SendMessage", "not checked: see dead-letter queue")]
    return [*findings, await permission("sqs:SendMessage", inspection.may_send(dead_url))]


async def _attributes(
    inspection: Inspection, name: str, setting: str, url: str
) -> tuple[Mapping[Any, str] | None, Finding]:
    """The queue's attributes, or why there are none."""
    try:
        return await inspection.queue(url), ok(name, "")
    except CallFailedError as error:
        if error.kind is not Kind.MISSING:
            return None, cannot_look(name, error)
        return None, failed(
            name,
            f"{setting}: there is no such queue",
            f"set {setting} to the URL that `aws sqs get-queue-url --queue-name NAME` answers in AWS_REGION",
        )


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


async def _event_permissions(inspection: Inspection, url: str, found: Finding, settings: Settings) -> list[Finding]:
    tries = {
        "sqs:ReceiveMessage": inspection.may_receive,
        "sqs:DeleteMessage": inspection.may_delete,
        "sqs:ChangeMessageVisibility": inspection.may_set_visibility,
    }
    if "intake" not in settings.roles:
        return [skipped(name, "not needed: ROLES has no intake") for name in tries]
    if found.status == "FAILED":
        return [skipped(name, "not checked: see event queue") for name in tries]
    return [await permission(name, may(url)) for name, may in tries.items()]
