"""Accepts the events of a made-up ticket system as well, and refuses those of its test organisation.

Use: EVENT_READER=examples.read_ticket_events:read, and a rule of EventBridge that lets these events through.

The `detail` of such an event: {"ticket": {"conversation": ID, "organisation": "…"}, "action": "closed",
"at": 1700000000}
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from worker.events import EventFields, InvalidEventError


def read(detail: Mapping[str, Any]) -> EventFields | None:
    """The fields of a ticket's event; None for any other, which the service then reads itself."""
    ticket = detail.get("ticket")
    if ticket is None:
        return None
    if ticket.get("organisation") == "test":
        raise InvalidEventError("test_organisation", "tickets of the test organisation are not processed")
    return EventFields(ticket["conversation"], f"ticket.{detail['action']}", datetime.fromtimestamp(detail["at"], UTC))
