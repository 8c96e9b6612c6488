"""Whatever a message or a task holds, its parser gives a right value or its one error."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import strategies
from worker.attempt import read_task
from worker.errors import Invalid
from worker.events import INTERACTION_ID, InteractionEvent, InvalidEventError, parse_event, parse_time, utc_text
from worker.ports import ActivityTask

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")


def fate(body: bytes | str) -> InteractionEvent | InvalidEventError:
    try:
        return parse_event(body)
    except InvalidEventError as error:
        return error


def check(event: InteractionEvent) -> None:
    """What the rest of the service relies on."""
    assert INTERACTION_ID.match(event.interaction_id)
    assert _NAME.match(event.execution_name)
    assert 0 < len(event.event_type) <= 256
    assert 0 < len(event.event_id) <= 256
    assert parse_time(utc_text(event.time)) == event.time
    assert len(json.dumps(event.execution_input()).encode()) < 10_000
    task = read_task(
        ActivityTask("token", json.dumps(event.execution_input() | {"executionArn": "arn", "retryCount": 0}))
    )
    assert (task.event, task.execution_arn, task.retry_count) == (event, "arn", 0)


@given(strategies.bodies(strategies.envelopes))
def test_any_bytes_are_an_event_or_an_invalid_event(body: bytes) -> None:
    found = fate(body)
    if isinstance(found, InvalidEventError):
        assert found.reason.isidentifier()
    else:
        check(found)


@given(st.one_of(strategies.texts, strategies.damaged(strategies.envelopes).map(json.dumps)))
def test_any_text_is_an_event_or_an_invalid_event(body: str) -> None:
    found = fate(body)
    if isinstance(found, InvalidEventError):
        assert found.reason.isidentifier()
    else:
        check(found)


@given(strategies.envelopes)
def test_a_right_envelope_is_an_event(envelope: dict[str, object]) -> None:
    body = json.dumps(envelope)
    event = parse_event(body)
    check(event)
    assert event == parse_event(body.encode())
    assert event.event_id == envelope["id"]


@given(strategies.envelopes, st.datetimes(timezones=st.just(UTC)))
def test_what_time_it_is_decides_only_of_times_in_the_future(envelope: dict[str, object], now: datetime) -> None:
    body = json.dumps(envelope)
    event = parse_event(body)
    if event.time - now <= timedelta(hours=24):
        assert parse_event(body, now=now) == event
    else:
        with pytest.raises(InvalidEventError, match="24 hours ahead"):
            parse_event(body, now=now)


def test_a_text_cut_in_the_middle_of_a_character_costs_no_event() -> None:
    body = r"""{"id": "1", "time": "2026-03-01T10:00:00Z", "detail": {"interactionId": "a", "note": "thanks \ud83d"}}"""
    assert parse_event(body).interaction_id == parse_event(body.encode()).interaction_id == "a"


@given(strategies.seed_envelopes, st.text(min_size=1))
def test_the_explanation_of_a_refusal_never_quotes_the_body(envelope: dict[str, object], secret: str) -> None:
    body = json.dumps(envelope | {"id": None, "detail": {"interactionId": f"(secret {secret})"}})
    found = fate(body)
    assert isinstance(found, InvalidEventError)
    assert f"(secret {secret})" not in str(found)


@given(
    st.one_of(
        strategies.texts,
        strategies.bodies(
            st.fixed_dictionaries(
                {
                    "interactionId": strategies.ids,
                    "eventType": strategies.labels,
                    "timestamp": strategies.times,
                    "eventId": strategies.labels,
                    "executionArn": strategies.texts,
                    "executionStartTime": strategies.times,
                    "enteredTime": strategies.times,
                    "retryCount": st.integers(),
                    "definition": st.integers(),
                }
            )
        ).map(lambda body: body.decode(errors="surrogatepass" if body.isascii() else "replace")),
    )
)
def test_any_task_input_is_an_event_or_invalid(task_input: str) -> None:
    event = read_task(ActivityTask("token", task_input)).event
    assert isinstance(event, Invalid) or INTERACTION_ID.match(event.interaction_id)
