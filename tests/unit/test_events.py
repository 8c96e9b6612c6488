"""Both event shapes, and what is no event."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.samples import envelope, partner, seed
from worker.events import InvalidEventError, parse_event, parse_time, utc_text


def parse(document: Any) -> Any:
    return parse_event(json.dumps(document))


def test_the_seed_shape_is_read_with_its_offset() -> None:
    event = parse(seed())
    assert event.execution_input() == {
        "interactionId": "interaction-1",
        "eventType": "customer.end",
        "timestamp": "2026-03-01T09:00:00.000Z",
        "eventId": "event-1",
    }


def test_a_partner_event_is_read_from_its_body_and_topic() -> None:
    event = parse(partner())
    assert event.execution_input() == {
        "interactionId": "interaction-1",
        "eventType": "customer.end",
        "timestamp": "2026-03-01T09:00:00.123Z",
        "eventId": "event-1",
    }


def test_the_literal_placeholder_in_a_topic_is_a_topic_too() -> None:
    document = partner()
    document["detail"]["topicName"] = "v2.detail.events.conversation.{id}.customer.end"
    assert parse(document).event_type == "customer.end"


def test_the_source_is_not_looked_at() -> None:
    assert parse(seed() | {"source": "somebody.else"}).interaction_id == "interaction-1"


@pytest.mark.parametrize("shape", [seed(timestamp=None), partner(eventTime=None)])
def test_without_a_time_of_its_own_the_envelopes_time_counts(shape: dict[str, Any]) -> None:
    assert parse(shape).time == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_unknown_fields_of_any_size_and_kind_are_passed_over() -> None:
    document = seed(eventBody=[1, {"deep": None}], topicName=7, notes="x" * 300_000)
    assert len(json.dumps(parse(document).execution_input())) < 1000


def test_without_an_event_type_it_is_unknown() -> None:
    assert parse(seed(eventType=None)).event_type == "unknown"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "invalid_json"),
        ("not json", "invalid_json"),
        ('{"id": "\\ud800"', "invalid_json"),
        ("[" * 5000, "invalid_json"),
        ("[]", "invalid_envelope"),
        ("null", "invalid_envelope"),
        (json.dumps({"detail": {"interactionId": "a"}}), "invalid_envelope"),
        (json.dumps(envelope("text")), "invalid_envelope"),
        (json.dumps(envelope({})), "missing_interaction_id"),
        (json.dumps(envelope({"timestamp": "2026-03-01T10:00:00Z"})), "missing_interaction_id"),
        (json.dumps(seed(7)), "invalid_envelope"),
        (json.dumps(seed("")), "invalid_interaction_id"),
        (json.dumps(seed("../../oauth")), "invalid_interaction_id"),
        (json.dumps(seed("a" * 65)), "invalid_interaction_id"),
        (json.dumps(seed("a\n")), "invalid_interaction_id"),
        (json.dumps(seed("é")), "invalid_interaction_id"),
        (json.dumps(partner("a b")), "invalid_interaction_id"),
        (json.dumps(partner(None)), "invalid_envelope"),
        (
            json.dumps(envelope({"topicName": "v2.users.presence", "eventBody": {"conversationId": "a"}})),
            "unknown_topic",
        ),
        (json.dumps(envelope({"topicName": "v2.detail.events.conversation.a.b"})), "invalid_envelope"),
        (json.dumps(seed(timestamp="yesterday")), "invalid_time"),
        (json.dumps(seed(timestamp="0001-01-01T00:00:00+14:00")), "invalid_time"),
        (json.dumps(seed(timestamp=1772355600)), "invalid_envelope"),
        (json.dumps(seed(timestamp=None) | {"time": None}), "missing_time"),
        (json.dumps(seed(timestamp=None) | {"time": "soon"}), "invalid_time"),
        (json.dumps(partner(eventTime=10**30)), "invalid_time"),
        (json.dumps(partner(eventTime=10**17)), "invalid_time"),
        (json.dumps(partner(eventTime=-1)), "invalid_envelope"),
    ],
)
def test_what_is_no_event_is_told_with_a_reason(body: str, reason: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        parse_event(body)
    assert caught.value.reason == reason
    assert "oauth" not in str(caught.value), "the input stays out of the explanation"


def test_the_execution_name_is_the_same_on_every_redelivery_and_legal() -> None:
    names = {parse(seed()).execution_name for _ in range(3)}
    names |= {parse(seed() | {"time": "2027-01-01T00:00:00Z"}).execution_name}
    assert len(names) == 1
    longest = parse(seed("x" * 64) | {"id": "y" * 256}).execution_name
    assert re.fullmatch(r"process-interaction-[A-Za-z0-9_-]+", longest)
    assert len(longest) <= 80


def test_other_events_of_the_same_interaction_have_other_names() -> None:
    names = {parse(seed("x" * 63 + end) | {"id": event}).execution_name for end in "ab" for event in ("1", "2")}
    assert len(names) == 4


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-03-01T10:00:00.1239999Z", "2026-03-01T10:00:00.123Z"),
        ("2026-03-01T10:00:00z", "2026-03-01T10:00:00.000Z"),
        ("2026-03-01T10:00:00-05:30", "2026-03-01T15:30:00.000Z"),
        ("2026-03-01T10:00:00", "2026-03-01T10:00:00.000Z"),
        ("20260301T100000Z", "2026-03-01T10:00:00.000Z"),
        ("0999-03-01T10:00:00Z", "0999-03-01T10:00:00.000Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(text: str, written: str) -> None:
    assert utc_text(parse_time(text)) == written


def test_the_order_of_texts_is_the_order_of_instants() -> None:
    texts = ["2026-03-01T10:00:00+05:00", "2026-03-01T06:00:00Z", "2026-03-01T01:30:00.5-05:00"]
    assert sorted(utc_text(parse_time(text)) for text in texts) == [utc_text(parse_time(text)) for text in texts]


def test_a_time_more_than_a_day_ahead_is_refused_where_the_time_is_known() -> None:
    body = json.dumps(seed(timestamp="2026-03-02T10:00:00.000Z"))
    a_day_before = datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert parse_event(body, now=a_day_before).time == a_day_before + timedelta(hours=24)
    with pytest.raises(InvalidEventError) as caught:
        parse_event(body, now=a_day_before - timedelta(milliseconds=1))
    assert caught.value.reason == "future_time"
    assert parse_event(body).event_id == "event-1"
