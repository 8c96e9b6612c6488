"""Example data, all made up: events, task inputs and what Genesys Cloud answers."""

import json
import time
from datetime import UTC, datetime

REGION = "us-east-1"
ACTIVITY_ARN = f"arn:aws:states:{REGION}:000000000000:activity:bench"
STATE_MACHINE_ARN = f"arn:aws:states:{REGION}:000000000000:stateMachine:bench"
TABLE = "bench"

_ID = "@id@"

_CONVERSATION = json.dumps(
    {
        "conversationId": _ID,
        "conversationStart": "2026-01-05T09:00:00.000Z",
        "conversationEnd": "2026-01-05T09:07:31.000Z",
        "originatingDirection": "inbound",
        "divisionIds": ["11111111-1111-4111-8111-111111111111"],
        "participants": [
            {
                "participantId": f"22222222-2222-4222-8222-22222222222{number}",
                "purpose": purpose,
                "sessions": [
                    {
                        "sessionId": f"33333333-3333-4333-8333-33333333333{number}",
                        "mediaType": "voice",
                        "direction": "inbound",
                        "provider": "Edge",
                        "segments": [
                            {
                                "segmentStart": "2026-01-05T09:00:00.000Z",
                                "segmentEnd": "2026-01-05T09:07:31.000Z",
                                "segmentType": "interact",
                                "conference": False,
                            }
                        ],
                        "metrics": [{"name": "tTalk", "value": 451000, "emitDate": "2026-01-05T09:07:31.000Z"}],
                    }
                ],
            }
            for number, purpose in enumerate(("customer", "agent"))
        ],
    }
)
_INTERACTION = json.dumps(
    {
        "interactionId": _ID,
        "startTime": "2026-01-05T09:00:00.000Z",
        "channels": ["voice"],
        "details": json.loads(_CONVERSATION)["participants"],
    }
)
_ENVELOPE = json.dumps(
    {
        "version": "0",
        "id": "@event@",
        "detail-type": "Genesys Cloud Interaction Event",
        "source": "genesys.cloud",
        "account": "000000000000",
        "time": "2026-01-05T09:07:32Z",
        "region": REGION,
        "resources": [],
        "detail": {"interactionId": _ID, "eventType": "customer.end", "timestamp": "@time@"},
    }
)


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_id(number: int) -> str:
    """The EventBridge id of an event."""
    return f"44444444-4444-4444-8444-{number:012d}"


def envelope(interaction_id: str, number: int) -> str:
    """The SQS body that EventBridge delivers."""
    filled = _ENVELOPE.replace(_ID, interaction_id).replace("@event@", event_id(number))
    return filled.replace("@time@", _text(time.time()))


def taskiq_message(body: str, number: int) -> str:
    """The same as the taskiq library writes it, as the one argument of a task named `start`."""
    message = {"task_id": str(number), "task_name": "start", "labels": {}, "args": [body], "kwargs": {}}
    return json.dumps(message)


def activity_input(execution_input: str, name: str, started: float) -> str:
    """What the state machine hands to the activity: the execution's input and where it comes from."""
    arn = STATE_MACHINE_ARN.replace("stateMachine", "execution")
    return json.dumps(
        {
            **json.loads(execution_input),
            "executionArn": f"{arn}:{name}",
            "executionStartTime": _text(started),
            "retryCount": 0,
        }
    )


def task_input(interaction_id: str, number: int) -> str:
    """The same for an event that did not come through the queue."""
    now = time.time()
    execution_input = {
        "interactionId": interaction_id,
        "eventType": "customer.end",
        "timestamp": _text(now),
        "eventId": event_id(number),
    }
    return activity_input(json.dumps(execution_input), f"process-interaction-{number}", now)


def conversations(ids: list[str]) -> bytes:
    """The batched analytics answer."""
    return ('{"conversations": [' + ",".join(_CONVERSATION.replace(_ID, each) for each in ids) + "]}").encode()


def interaction(interaction_id: str) -> bytes:
    """The answer to one request for one interaction."""
    return _INTERACTION.replace(_ID, interaction_id).encode()
