"""EventBridge envelopes in, `InteractionEvent` out.

Two shapes of `detail` are accepted and told apart by their content alone; the EventBridge rule decides what comes.
"""

import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from worker import lenient_json

INTERACTION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""What an interaction id may look like before it reaches a URL, a table key or an execution name."""

MADE_UP_PREFIX = "00000000-0000-0000-0000-"
"""What made-up ids begin with, for requests that are to find nothing: of the form of a conversation's id, and no
conversation's."""

NOBODY = f"{MADE_UP_PREFIX}{'0' * 12}"
"""The made-up id where one is enough."""

UNKNOWN_EVENT_TYPE = "unknown"

LARGEST_CLOCK_ERROR = timedelta(hours=24)
"""How far ahead of the worker's clock an event's time may be: a zone mixed up, or a clock set badly."""

RECONCILE = "reconcile"
"""Reserved event type: the details are refreshed whatever is stored, and event fields that are there stay."""

_TOPIC = re.compile(r"v2\.detail\.events\.conversation\.[^.]+\.(?P<event_type>.{1,256})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Label = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class InvalidEventError(ValueError):
    """The body can never start an execution. `reason` is a short, stable code for the dead letter's attribute.

    The service's own: invalid_json, invalid_envelope, missing_interaction_id, invalid_interaction_id, unknown_topic,
    missing_time, invalid_time, future_time, event_reader_failed, event_reader_timed_out, and the code with which Step
    Functions refuses an execution (InvalidExecutionInput, InvalidName). An EVENT_READER may give others.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class InteractionEvent:
    """One thing that happened to one customer interaction."""

    interaction_id: str
    event_type: str
    time: datetime
    """When it happened, UTC, whole milliseconds: what decides which of two events is the newer one."""
    event_id: str
    """EventBridge's id of the event; the same on every redelivery."""

    @property
    def execution_name(self) -> str:
        """The Step Functions execution's name: the same event always gets the same one."""
        return execution_name(self.interaction_id, f"{self.interaction_id}\0{self.event_id}")

    def execution_input(self) -> dict[str, str]:
        """The execution's input; only named fields travel on, so that a body's size does not matter."""
        return {
            "interactionId": self.interaction_id,
            "eventType": self.event_type,
            "timestamp": utc_text(self.time),
            "eventId": self.event_id,
        }


def execution_name(interaction_id: str, source: str) -> str:
    """Name of the execution that `source` is the reason for: at most 80 legal characters, the same for the same source.

    The hash tells sources apart; the interaction id in front of it is there to be searched for in the console. Another
    form would start a second execution for what an earlier version has started already.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()
    return f"process-interaction-{interaction_id[:36]}-{digest[:22]}"


@dataclass(frozen=True, slots=True)
class EventFields:
    """What the `detail` of one envelope says. None: it does not say, so that the envelope's time counts."""

    interaction_id: str
    event_type: str | None = None
    time: datetime | None = None


DetailReader = Callable[[Mapping[str, Any]], EventFields]
"""Reads the `detail` of an envelope; raises InvalidEventError when it is not an interaction event."""

EventParser = Callable[[str, datetime], Awaitable["InteractionEvent"]]
"""Reads a body, as parse_event does, at the time that it is given; for a reader that may take long."""


def utc_text(moment: datetime) -> str:
    """`moment` as ISO 8601 in UTC with milliseconds and `Z`.

    The width is fixed, so that the order of two texts is the order of the two instants.
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_time(text: str) -> datetime:
    """An ISO 8601 time with any offset as UTC, cut to whole milliseconds; a time without an offset is UTC.

    Raises ValueError when `text` is no such time, or lies outside the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text.strip().upper())
    try:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"outside the years 1 to 9999: {text!r}") from error
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class _Strict(BaseModel):
    """Only what is used is declared; other fields, of any kind and size, are passed over."""

    # Values hardly ever come twice, so only names are worth a place in the parser's cache.
    model_config = ConfigDict(strict=True, cache_strings="keys")


class _Envelope(_Strict):
    id: _Label
    time: str | None = None
    detail: dict[str, Any]


class _SeedDetail(_Strict):
    interactionId: str  # noqa: N815
    eventType: _Label | None = None  # noqa: N815
    timestamp: str | None = None


class _PartnerBody(_Strict):
    conversationId: str  # noqa: N815
    eventTime: Annotated[int, Field(ge=0)] | None = None  # noqa: N815


class _PartnerDetail(_Strict):
    topicName: str  # noqa: N815
    eventBody: _PartnerBody  # noqa: N815


def read_detail(detail: Mapping[str, Any]) -> EventFields:
    """The fields of either accepted shape. Raises InvalidEventError or pydantic's ValidationError."""
    if detail.get("interactionId") is not None:
        seed = _SeedDetail.model_validate(detail)
        return EventFields(seed.interactionId, seed.eventType, _iso(seed.timestamp))
    if detail.get("topicName") is None:
        raise InvalidEventError("missing_interaction_id", "detail has neither interactionId nor a Genesys Cloud topic")
    partner = _PartnerDetail.model_validate(detail)
    topic = _TOPIC.fullmatch(partner.topicName)
    if topic is None:
        raise InvalidEventError("unknown_topic", "topicName is not v2.detail.events.conversation.{id}.…")
    return EventFields(partner.eventBody.conversationId, topic["event_type"], _epoch(partner.eventBody.eventTime))


def parse_event(
    body: str | bytes, read: DetailReader = read_detail, *, now: datetime | None = None
) -> InteractionEvent:
    """The event in an SQS body that EventBridge delivered. `now` (None: unknown) tells times in the future.

    Raises InvalidEventError when the body is not such an event and never will be.
    """
    try:
        envelope = _read_envelope(body)
        fields = read(envelope.detail)
    except ValidationError as error:
        raise InvalidEventError(*_fault(error)) from None
    if not INTERACTION_ID.match(fields.interaction_id):
        raise InvalidEventError("invalid_interaction_id", "the interaction id is not of [A-Za-z0-9_-]{1,64}")
    moment = fields.time or _iso(envelope.time)
    if moment is None:
        raise InvalidEventError("missing_time", "neither the detail nor the envelope says when it happened")
    if now is not None and moment > now + LARGEST_CLOCK_ERROR:
        # It would be the newest event of its interaction until then, so that every true one counted as older.
        raise InvalidEventError("future_time", "the event's time is more than 24 hours ahead")
    return InteractionEvent(fields.interaction_id, fields.event_type or UNKNOWN_EVENT_TYPE, moment, envelope.id)


def _read_envelope(body: str | bytes) -> _Envelope:
    try:
        return _Envelope.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_input=False)[0]["type"] != "json_invalid":
            raise
        try:
            return _Envelope.model_validate_json(lenient_json.replace_lone_surrogates(body))
        except ValueError:
            raise error from None


def _iso(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError:
        raise InvalidEventError("invalid_time", "the time is not ISO 8601") from None


def _epoch(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise InvalidEventError("invalid_time", "eventTime is past the year 9999") from None


def _fault(error: ValidationError) -> tuple[str, str]:
    """Reason and explanation of the first fault; never the input itself, which may hold personal data."""
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if fault["type"] == "json_invalid":
        return "invalid_json", "the body is not JSON"
    where = ".".join(str(part) for part in fault["loc"]) or "body"
    return "invalid_envelope", f"{where}: {fault['msg']}"


def made_up_id() -> str:
    """An id that no other request has."""
    return f"{MADE_UP_PREFIX}{uuid.uuid4().hex[:12]}"
