"""A conversation as Genesys Cloud's endpoints show it. Documents only grow: a later look never has less."""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from worker.events import utc_text

if TYPE_CHECKING:
    from worker.local.simulator.conversations import Conversation, Leg

_COMMUNICATIONS = {"voice": "calls", "chat": "chats", "email": "emails", "message": "messages", "callback": "callbacks"}
"""Media type of a session in analytics → the list it is found in on an operational participant."""


def analytics(conversation: "Conversation") -> dict[str, Any]:
    """An AnalyticsConversationWithoutAttributes."""
    participants = [_customer(conversation)]
    for index, leg in enumerate(conversation.legs):
        participants.append(_queue(conversation, index, leg))
        if leg.answered is not None:
            participants.append(_agent(conversation, index, leg, leg.answered))
    answer: dict[str, Any] = {
        "conversationId": conversation.interaction_id,
        "conversationStart": utc_text(conversation.start),
        "originatingDirection": conversation.direction,
        "divisionIds": [_made_up_id("division", conversation)],
        "mediaStatsMinConversationMos": 4.5,
        "participants": participants,
    }
    if conversation.end is not None:
        answer["conversationEnd"] = utc_text(conversation.end)
    return answer


def operational(conversation: "Conversation") -> dict[str, Any]:
    """A Conversation of the operational model, with the customer as the only participant."""
    customer: dict[str, Any] = {
        "id": _made_up_id("customer", conversation),
        "purpose": "customer",
        "startTime": utc_text(conversation.start),
        "attributes": {},
    }
    for index, session in enumerate(conversation.sessions):
        communication = {
            "id": _made_up_id(f"session-customer-{index}", conversation),
            "state": "connected" if conversation.hung_up is None else "disconnected",
            "direction": conversation.direction,
            "startTime": utc_text(session.start),
        }
        customer.setdefault(_COMMUNICATIONS[session.channel], []).append(communication)
    answer: dict[str, Any] = {
        "id": conversation.interaction_id,
        "startTime": utc_text(conversation.start),
        "participants": [customer],
        "divisions": [],
        "selfUri": f"/api/v2/conversations/{conversation.interaction_id}",
    }
    if conversation.end is not None:
        answer["endTime"] = utc_text(conversation.end)
    return answer


def plain(conversation: "Conversation") -> dict[str, Any]:
    """What the worker needs and no more."""
    return {
        "interactionId": conversation.interaction_id,
        "startTime": utc_text(conversation.start),
        "channels": list(conversation.channels),
    }


def _customer(conversation: "Conversation") -> dict[str, Any]:
    sessions = []
    for index, each in enumerate(conversation.sessions):
        session = _session(conversation, f"customer-{index}", each.channel)
        session["metrics"].append(_metric("nConnected", 1, each.start))
        session["segments"].append(_segment("interact", each.start, conversation.hung_up, "client"))
        sessions.append(session)
    return {
        "participantId": _made_up_id("customer", conversation),
        "participantName": "Made-up customer",
        "purpose": "customer",
        "sessions": sessions,
    }


def _queue(conversation: "Conversation", index: int, leg: "Leg") -> dict[str, Any]:
    """The queue is a participant too. Who hangs up unanswered has abandoned."""
    session = _session(conversation, f"acd-{index}", conversation.channels[0])
    over = leg.answered or conversation.hung_up
    session["metrics"].append(_metric("nOffered", 1, leg.queued))
    if over is not None:
        waited = _milliseconds(over - leg.queued)
        session["metrics"].append(_metric("tAcd", waited, over))
        session["metrics"].append(_metric("tAnswered" if leg.answered else "tAbandon", waited, over))
    segment = _segment("interact", leg.queued, over, "transfer" if leg.answered else "peer")
    session["segments"].append(segment | {"queueId": _made_up_id(f"queue-{index}", conversation)})
    return {"participantId": _made_up_id(f"acd-{index}", conversation), "purpose": "acd", "sessions": [session]}


def _agent(conversation: "Conversation", index: int, leg: "Leg", answered: datetime) -> dict[str, Any]:
    session = _session(conversation, f"agent-{index}", conversation.channels[0])
    queue = {"queueId": _made_up_id(f"queue-{index}", conversation)}
    metrics, segments = session["metrics"], session["segments"]
    metrics.append(_metric("nConnected", 1, answered))
    transferred = leg.left is not None and (conversation.hung_up is None or leg.left < conversation.hung_up)
    segments.append(_segment("interact", answered, leg.left, "transfer" if transferred else "peer") | queue)
    held = timedelta()
    if leg.hold is not None:
        held = leg.hold[1] - leg.hold[0]
        metrics.append(_metric("tHeld", _milliseconds(held), leg.hold[1]))
        segments.append(_segment("hold", *leg.hold) | queue)
    if leg.left is not None:
        talked = _milliseconds(leg.left - answered - held)
        metrics += [_metric(name, talked, leg.left) for name in ("tTalk", "tTalkComplete")]
        if transferred:
            metrics.append(_metric("nTransferred", 1, leg.left))
        if leg.wrapped_up is not None:
            metrics.append(_metric("tAcw", _milliseconds(leg.wrapped_up - leg.left), leg.wrapped_up))
            wrap_up = {"wrapUpCode": _made_up_id(f"wrap-up-{index}", conversation)}
            segments.append(_segment("wrapup", leg.left, leg.wrapped_up) | queue | wrap_up)
    return {
        "participantId": _made_up_id(f"agent-{index}", conversation),
        "userId": _made_up_id(f"user-{index}", conversation),
        "purpose": "agent",
        "sessions": [session],
    }


def _session(conversation: "Conversation", name: str, channel: str) -> dict[str, Any]:
    return {
        "sessionId": _made_up_id(f"session-{name}", conversation),
        "mediaType": channel,
        "direction": conversation.direction,
        "provider": "Edge" if channel == "voice" else "PureCloud Messaging",
        "metrics": [],
        "segments": [],
    }


def _segment(kind: str, start: datetime, end: datetime | None, disconnect: str | None = None) -> dict[str, Any]:
    segment: dict[str, Any] = {"segmentType": kind, "segmentStart": utc_text(start), "conference": False}
    if end is not None:
        segment["segmentEnd"] = utc_text(end)
        if disconnect is not None:
            segment["disconnectType"] = disconnect
    return segment


def _metric(name: str, value: int, emitted: datetime) -> dict[str, Any]:
    return {"name": name, "value": value, "emitDate": utc_text(emitted)}


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _made_up_id(kind: str, conversation: "Conversation") -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}:{conversation.interaction_id}"))
