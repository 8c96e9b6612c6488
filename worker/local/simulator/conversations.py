"""Made-up conversations, derived from nothing but the interaction id: the same id is always answered alike."""

import hashlib
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from worker.events import utc_text

_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_SPAN_SECONDS = 300 * 24 * 3600
_COMMUNICATIONS = {"voice": "calls", "chat": "chats", "email": "emails", "message": "messages", "callback": "callbacks"}
"""Media type of a session in analytics → the list it is found in on an operational participant."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known about one made-up interaction."""

    interaction_id: str
    start: datetime
    end: datetime | None
    channels: tuple[str, ...]
    direction: str

    def analytics(self) -> dict[str, Any]:
        """As `/api/v2/analytics/conversations/…` shows it."""
        answer: dict[str, Any] = {
            "conversationId": self.interaction_id,
            "conversationStart": utc_text(self.start),
            "originatingDirection": self.direction,
            "divisionIds": [_made_up_id("division", self.interaction_id)],
            "mediaStatsMinConversationMos": 4.5,
            "participants": [self._customer(), self._acd(), self._agent()],
        }
        if self.end is not None:
            answer["conversationEnd"] = utc_text(self.end)
        return answer

    def operational(self) -> dict[str, Any]:
        """As `/api/v2/conversations/{id}` shows it."""
        customer: dict[str, Any] = {
            "id": _made_up_id("customer", self.interaction_id),
            "purpose": "customer",
            "startTime": utc_text(self.start),
            "attributes": {},
        }
        for index, channel in enumerate(self.channels):
            communication = {
                "id": _made_up_id(f"session-{index}", self.interaction_id),
                "state": "connected" if self.end is None else "disconnected",
                "direction": self.direction,
                "startTime": utc_text(self._session_start(index)),
            }
            customer.setdefault(_COMMUNICATIONS[channel], []).append(communication)
        answer: dict[str, Any] = {
            "id": self.interaction_id,
            "startTime": utc_text(self.start),
            "participants": [customer],
            "divisions": [],
            "selfUri": f"/api/v2/conversations/{self.interaction_id}",
        }
        if self.end is not None:
            answer["endTime"] = utc_text(self.end)
        return answer

    def plain(self) -> dict[str, Any]:
        """As a details endpoint outside Genesys Cloud's own API would: the fields and no more."""
        return {
            "interactionId": self.interaction_id,
            "startTime": utc_text(self.start),
            "channels": list(self.channels),
        }

    def _session_start(self, index: int) -> datetime:
        return self.start + timedelta(seconds=20 * index)

    def _customer(self) -> dict[str, Any]:
        return {
            "participantId": _made_up_id("customer", self.interaction_id),
            "participantName": "Made-up customer",
            "purpose": "customer",
            "sessions": [self._session(index, channel, "customer") for index, channel in enumerate(self.channels)],
        }

    def _acd(self) -> dict[str, Any]:
        """The queue, which is a participant too; some seconds of waiting, always the same ones."""
        session = self._session(0, self.channels[0], "acd")
        waited = int(_made_up_id("wait", self.interaction_id)[:4], 16)
        session["metrics"] = [{"name": "tAcd", "value": waited, "emitDate": utc_text(self._session_start(0))}]
        return {
            "participantId": _made_up_id("acd", self.interaction_id),
            "purpose": "acd",
            "sessions": [session],
        }

    def _agent(self) -> dict[str, Any]:
        return {
            "participantId": _made_up_id("agent", self.interaction_id),
            "userId": _made_up_id("user", self.interaction_id),
            "purpose": "agent",
            "sessions": [self._session(0, self.channels[0], "agent")],
        }

    def _session(self, index: int, channel: str, purpose: str) -> dict[str, Any]:
        begin = self._session_start(index)
        session: dict[str, Any] = {
            "sessionId": _made_up_id(f"session-{purpose}-{index}", self.interaction_id),
            "mediaType": channel,
            "direction": self.direction,
            "provider": "Edge" if channel == "voice" else "PureCloud Messaging",
            "metrics": [{"name": "nConnected", "value": 1, "emitDate": utc_text(begin)}],
            "segments": [
                {
                    "segmentType": "interact",
                    "segmentStart": utc_text(begin),
                    "conference": False,
                    "queueId": _made_up_id("queue", self.interaction_id),
                }
            ],
        }
        if self.end is not None:
            talk = (self.end - begin) / timedelta(milliseconds=1)
            session["metrics"].append({"name": "tTalk", "value": int(talk), "emitDate": utc_text(self.end)})
            session["segments"][0] |= {"segmentEnd": utc_text(self.end), "disconnectType": "client"}
        return session


@lru_cache(maxsize=20_000)
def conversation(interaction_id: str) -> Conversation:
    """The conversation of an id; about one in five is still going on."""
    source = random.Random(hashlib.sha256(interaction_id.encode()).digest())
    start = _EARLIEST + timedelta(milliseconds=source.randrange(_SPAN_SECONDS * 1000))
    channels = source.sample(sorted(_COMMUNICATIONS), k=source.choice((1, 1, 1, 2, 3)))
    over = source.randrange(5) > 0
    end = start + timedelta(seconds=source.randrange(60, 3600)) if over else None
    return Conversation(interaction_id, start, end, tuple(channels), source.choice(("inbound", "outbound")))


def _made_up_id(kind: str, interaction_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind}:{interaction_id}"))
