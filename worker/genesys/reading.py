"""From what Genesys Cloud answers to `Details`. Unknown fields and values pass; only a start time is required."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from worker.errors import Invalid
from worker.events import parse_time
from worker.genesys.standard_record import read_standard_record
from worker.ports import Details

COMMUNICATIONS = {"calls": "voice", "chats": "chat", "emails": "email", "messages": "message", "callbacks": "callback"}
"""Lists of a participant in `GET /api/v2/conversations/{id}`, and the channel that each stands for."""

_LONGEST_LABEL = 64
_MOST_CHANNELS = 100
"""Of one interaction. There are fewer kinds; the bound is for what was never a conversation."""

Mapper = Callable[[Any, datetime], Details]
"""From a JSON document, and when it was asked for, to details. Raises errors.Invalid."""


def mapper_for(template: str | None, *, standard: bool = False) -> Mapper:
    """How to read the answers to this path template; None is the batched analytics endpoint.

    `standard`: with the attributes of the standard record, where the source is analytics.
    """
    path = (template or "").partition("?")[0].rstrip("/")
    if template is None or path == "/api/v2/analytics/conversations/{interactionId}/details":
        return from_analytics_with_standard_record if standard else from_analytics
    if path == "/api/v2/conversations/{interactionId}":
        return from_conversation
    return from_template


def has_ends(template: str | None) -> bool:
    """Whether the answers to this path template say when an interaction ended."""
    return mapper_for(template) is not from_template


def from_analytics(document: Any, asked_at: datetime) -> Details:
    """Details from an analytics conversation. Raises errors.Invalid without a readable start time."""
    fields = _object(document)
    media = (
        session.get("mediaType")
        for participant in _objects(fields.get("participants"))
        for session in _objects(participant.get("sessions"))
    )
    channels = (label.lower() for label in _labels(media))
    return _details(fields, asked_at, "conversationStart", channels, end=fields.get("conversationEnd"))


def from_analytics_with_standard_record(document: Any, asked_at: datetime) -> Details:
    """As `from_analytics`, with the attributes of RECORD=standard."""
    details = from_analytics(document, asked_at)
    return replace(details, attributes=read_standard_record(details.document))


def from_conversation(document: Any, asked_at: datetime) -> Details:
    """Details from the operational conversation. Raises errors.Invalid without a readable start time."""
    fields = _object(document)
    channels = (
        COMMUNICATIONS[kind]
        for participant in _objects(fields.get("participants"))
        for kind, communications in participant.items()
        if kind in COMMUNICATIONS and isinstance(communications, list) and communications
    )
    return _details(fields, asked_at, "startTime", channels, end=fields.get("endTime"))


def from_template(document: Any, asked_at: datetime) -> Details:
    """`startTime` and `channels` as answered. Raises errors.Invalid without a readable start time."""
    fields = _object(document)
    channels = fields.get("channels")
    return _details(fields, asked_at, "startTime", _labels(channels if isinstance(channels, list) else ()))


def _details(
    fields: dict[str, Any], asked_at: datetime, start_field: str, channels: Iterable[str], *, end: Any = None
) -> Details:
    start = fields.get(start_field)
    if not isinstance(start, str):
        raise Invalid(f"the details have no {start_field}")
    try:
        moment = parse_time(start)
    except ValueError:
        raise Invalid(f"the details' {start_field} is not ISO 8601") from None
    return Details(
        moment, tuple(islice(dict.fromkeys(channels), _MOST_CHANNELS)), fields, asked_at=asked_at, end_time=_end(end)
    )


def _end(text: Any) -> datetime | None:
    """An unreadable end counts as missing, as the rest of the details is right."""
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _labels(values: Iterable[Any]) -> Iterator[str]:
    """Short printable texts among `values`; anything else has no place in a record."""
    for value in values:
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_LABEL and value.isprintable():
            yield value


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Invalid("the details are not a JSON object")
    return document


def _objects(values: Any) -> Iterator[dict[str, Any]]:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict):
            yield value
