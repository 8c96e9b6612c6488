"""A function of the user's reads further shapes of events, or refuses some."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.samples import EVENT_TIME, envelope, partner, seed
from worker.events import EventFields, InteractionEvent, InvalidEventError, parse_event, utc_text
from worker.extensions.event_reader import open_reader

EXAMPLE = "examples.read_ticket_events:read"


def local_time(_: Mapping[str, Any]) -> EventFields:
    return EventFields("interaction-1", None, datetime(2026, 3, 1, 12, 0, 0, 123_999, timezone(timedelta(hours=2))))


def naive_time(_: Mapping[str, Any]) -> EventFields:
    return EventFields("interaction-1", "x", datetime(2026, 3, 1, 10))  # noqa: DTZ001


def no_fields(_: Mapping[str, Any]) -> Any:
    return {"interaction_id": "interaction-1"}


def number_as_id(_: Mapping[str, Any]) -> EventFields:
    return EventFields(7)  # type: ignore[arg-type]


def long_type(_: Mapping[str, Any]) -> EventFields:
    return EventFields("interaction-1", "x" * 257)


def illegal_id(_: Mapping[str, Any]) -> EventFields:
    return EventFields("../../oauth")


def parse(document: dict[str, Any], name: str = EXAMPLE) -> InteractionEvent:
    return parse_event(json.dumps(document), open_reader(name))


def ticket(organisation: str = "acme") -> dict[str, Any]:
    return envelope(
        {
            "ticket": {"conversation": "interaction-1", "organisation": organisation},
            "action": "closed",
            "at": 1772359200,
        }
    )


def test_the_example_reads_an_event_that_would_not_be_accepted() -> None:
    with pytest.raises(InvalidEventError) as refused:
        parse_event(json.dumps(ticket()))
    assert refused.value.reason == "missing_interaction_id"
    event = parse(ticket())
    assert (event.interaction_id, event.event_type) == ("interaction-1", "ticket.closed")
    assert event.time == datetime.fromtimestamp(1772359200, UTC)


@pytest.mark.parametrize("document", [seed(), partner()])
def test_the_shapes_that_are_always_accepted_stay_so(document: dict[str, Any]) -> None:
    assert parse(document) == parse_event(json.dumps(document))


def test_the_example_refuses_with_a_reason_of_its_own() -> None:
    with pytest.raises(InvalidEventError) as refused:
        parse(ticket("test"))
    assert refused.value.reason == "test_organisation"


def test_a_reader_that_fails_quarantines_the_event_without_quoting_it() -> None:
    broken = envelope({"ticket": {"customer": "Made-up Person"}})
    with pytest.raises(InvalidEventError, match=r"examples.read_ticket_events:read: KeyError at") as refused:
        parse(broken)
    assert refused.value.reason == "event_reader_failed"
    assert "Made-up Person" not in str(refused.value)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("no_fields", "event_reader_failed"),
        ("number_as_id", "event_reader_failed"),
        ("long_type", "event_reader_failed"),
        ("illegal_id", "invalid_interaction_id"),
    ],
)
def test_what_a_reader_returns_is_checked(function: str, reason: str) -> None:
    with pytest.raises(InvalidEventError) as refused:
        parse(envelope({}), f"{__name__}:{function}")
    assert refused.value.reason == reason


def test_times_become_utc_with_whole_milliseconds_and_the_envelope_s_time_stands_in() -> None:
    assert utc_text(parse(envelope({}), f"{__name__}:local_time").time) == "2026-03-01T10:00:00.123Z"
    assert utc_text(parse(envelope({}), f"{__name__}:naive_time").time) == "2026-03-01T10:00:00.000Z"
    no_time = envelope({"ticket": {"conversation": "a"}, "action": "x", "at": 0}) | {"time": None}
    assert parse(no_time).time == datetime.fromtimestamp(0, UTC)
    assert EVENT_TIME.startswith(utc_text(parse(envelope({}), f"{__name__}:long_time_ago").time)[:16])


def long_time_ago(_: Mapping[str, Any]) -> EventFields:
    return EventFields("interaction-1")
