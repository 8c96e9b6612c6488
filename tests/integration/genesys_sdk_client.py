"""Genesys Cloud's official SDK as a client of `URL CLIENT_ID SECRET ID…`; prints what it read as JSON.

In a process of its own, because importing the SDK starts threads and changes the logging of the whole process.
"""

import json
import sys
from typing import Any

import PureCloudPlatformClientV2 as sdk  # type: ignore[import-untyped]  # noqa: N813


def main(url: str, client_id: str, secret: str, ids: list[str]) -> dict[str, Any]:
    """Log in, ask for all ids at once and for the first one in the two other ways, and read the models."""
    sdk.configuration.host = url
    client = sdk.api_client.ApiClient().get_client_credentials_token(client_id, secret)
    conversations = sdk.ConversationsApi(client)
    many = conversations.get_analytics_conversations_details(id=ids)
    one = conversations.get_analytics_conversation_details(ids[0])
    operational = conversations.get_conversation(ids[0])
    return {
        "kinds": [type(each).__name__ for each in (many, many.conversations[0], one, operational)],
        "many": {each.conversation_id: _analytics(each) for each in many.conversations},
        "one": _analytics(one),
        "operational": {
            "start": operational.start_time.isoformat(),
            "channels": {
                kind: len(getattr(operational.participants[0], kind) or [])
                for kind in ("calls", "chats", "emails", "messages", "callbacks")
            },
        },
    }


def _analytics(conversation: Any) -> dict[str, Any]:
    sessions = [session for participant in conversation.participants for session in participant.sessions]
    segments = [segment for session in sessions for segment in session.segments]
    return {
        "start": conversation.conversation_start.isoformat(),
        "end": conversation.conversation_end.isoformat() if conversation.conversation_end else None,
        "direction": conversation.originating_direction,
        "purposes": [participant.purpose for participant in conversation.participants],
        "channels": [session.media_type for session in sessions],
        "divisions": conversation.division_ids,
        "segments": [segment.segment_type for segment in segments],
        "queues": [segment.queue_id for segment in segments if segment.queue_id],
        "wrap_up_codes": [segment.wrap_up_code for segment in segments if segment.wrap_up_code],
        "disconnects": [segment.disconnect_type for segment in segments if segment.disconnect_type],
        "agents": [participant.user_id for participant in conversation.participants if participant.user_id],
        "metrics": [metric.name for session in sessions for metric in session.metrics],
    }


def refused(url: str, client_id: str, secret: str) -> dict[str, Any]:
    """How the SDK reports a login that is not accepted."""
    sdk.configuration.host = url
    try:
        sdk.api_client.ApiClient().get_client_credentials_token(client_id, secret)
    except sdk.rest.ApiException as error:
        return {"status": error.status, "body": json.loads(error.body)}
    return {"status": 200}


if __name__ == "__main__":
    url, client_id, secret, *ids = sys.argv[1:]
    print(json.dumps(main(url, client_id, secret, ids) if ids else refused(url, client_id, secret)))  # noqa: T201
