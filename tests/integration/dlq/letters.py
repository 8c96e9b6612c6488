"""What lies in a dead-letter queue."""

import json
from typing import Any


def failed_interaction(settings: dict[str, str], interaction_id: str, error: str) -> dict[str, Any]:
    execution = settings["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":first-{interaction_id}"
    return {
        "interactionId": interaction_id,
        "eventType": "end",
        "timestamp": "2026-03-01T10:00:00.000Z",
        "eventId": f"event-{interaction_id}",
        "error": {"Error": error, "Cause": "the API answered 503"},
        "executionArn": execution,
    }


def event_body(interaction_id: str) -> str:
    detail = {"interactionId": interaction_id, "eventType": "end", "timestamp": "2026-03-01T10:00:00Z"}
    return json.dumps(
        {"id": f"event-{interaction_id}", "source": "genesys.cloud", "detail-type": "x", "detail": detail}
    )
