"""Made-up events and tasks."""

import json
from typing import Any

from worker.ports import ActivityTask, Message

EVENT_TIME = "2026-03-01T10:00:00Z"


def envelope(detail: Any, **fields: Any) -> dict[str, Any]:
    """An EventBridge envelope around `detail`."""
    return {
        "version": "0",
        "id": "event-1",
        "detail-type": "Genesys Cloud Interaction Event",
        "source": "genesys.cloud",
        "time": EVENT_TIME,
        "detail": detail,
        **fields,
    }


def seed(interaction_id: Any = "interaction-1", **fields: Any) -> dict[str, Any]:
    """The envelope of the project's own event shape."""
    detail = {"interactionId": interaction_id, "eventType": "customer.end", "timestamp": "2026-03-01T11:00:00+02:00"}
    return envelope(detail | fields)


def partner(conversation_id: Any = "interaction-1", **body: Any) -> dict[str, Any]:
    """The envelope of a Genesys Cloud partner event."""
    topic = f"v2.detail.events.conversation.{conversation_id}.customer.end"
    event_body = {"eventTime": 1772355600123, "conversationId": conversation_id, "mediaType": "VOICE"} | body
    return envelope({"topicName": topic, "version": "2", "eventBody": event_body}, source="aws.partner/genesys.com/x")


def message(body: Any, number: int = 1, *, receives: int = 1) -> Message:
    """A received message; `body` as text, or as something to write as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Message(f"message-{number}", f"receipt-{number}", text, 0.0, receives)


def task(token: str = "token-1", **fields: Any) -> ActivityTask:  # noqa: S107
    """An activity task as the state machine hands it out."""
    document = {
        "interactionId": "interaction-1",
        "eventType": "customer.end",
        "timestamp": "2026-03-01T09:00:00.000Z",
        "eventId": "event-1",
        "executionArn": "arn:aws:states:us-east-1:000000000000:execution:machine:name",
        "executionStartTime": "2026-03-01T09:30:00.000Z",
        "enteredTime": "2026-03-01T10:00:00.000Z",
        "retryCount": 0,
        "definition": 3,
    }
    return ActivityTask(token, json.dumps(document | fields))
