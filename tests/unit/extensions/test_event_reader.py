"""A function of the user's reads further shapes of events, or refuses some."""

import json
import math
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.support.odd_objects import RAISED, RETURNED, Untouchable, UntouchableText, UntouchableTime
from tests.support.samples import EVENT_TIME, envelope, partner, seed
from worker.clock import SystemClock
from worker.events import EventFields, InteractionEvent, InvalidEventError, parse_event, utc_text
from worker.extensions import threads
from worker.extensions.event_reader import EventReading, NamedReader, load_reader
from worker.extensions.threads import FunctionThreads

NOW = datetime(2026, 3, 2, tzinfo=UTC)

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
    return outcome(document, load_reader(name).function, name)


def outcome(document: dict[str, Any], function: Callable[[Any], Any], name: str = "mine:read") -> InteractionEvent:
    found = NamedReader(name, function).parse(json.dumps(document), NOW)
    if isinstance(found, InvalidEventError):
        raise found
    return found


def refusal(function: Callable[[Any], Any]) -> InvalidEventError:
    with pytest.raises(InvalidEventError) as refused:
        outcome(envelope({}), function)
    return refused.value


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


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_reader_raises_quarantines_its_event(name: str) -> None:
    def read(_: object) -> EventFields:
        raise RAISED[name]

    refused = refusal(read)
    assert refused.reason == "event_reader_failed"
    assert "personal data" not in str(refused)


def odd(*fields: Any) -> Callable[[], EventFields]:
    """Makes EventFields of whatever, untyped."""
    return lambda: EventFields(*fields)


ODD_FIELDS: dict[str, Callable[[], Any]] = {
    **RETURNED,
    "id NaN": odd(math.nan),
    "id untouchable": odd(Untouchable()),
    "type a number": odd("a", 7),
    "type untouchable": odd("a", Untouchable()),
    "type empty": odd("a", ""),
    "type no Unicode": odd("a", "\ud800"),
    "time NaN": odd("a", None, math.nan),
    "time a text": odd("a", None, "2026-03-01T00:00:00Z"),
    "time untouchable": odd("a", None, Untouchable()),
}


@pytest.mark.parametrize("name", ODD_FIELDS)
def test_whatever_a_reader_returns_wrongly_quarantines_its_event(name: str) -> None:
    assert refusal(lambda _: ODD_FIELDS[name]()).reason == "event_reader_failed"


def test_a_huge_id_and_a_time_out_of_range_have_their_own_reasons() -> None:
    assert refusal(lambda _: EventFields("x" * 10**6)).reason == "invalid_interaction_id"
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert refusal(lambda _: EventFields("a", None, first)).reason == "invalid_time"


def test_values_of_derived_classes_become_plain_ones() -> None:
    moment = UntouchableTime(2026, 3, 1, 10, tzinfo=UTC)
    event = outcome(envelope({}), lambda _: EventFields(UntouchableText("a1"), UntouchableText("end"), moment))
    assert (type(event.interaction_id), type(event.event_type), type(event.time)) == (str, str, datetime)
    assert (event.interaction_id, event.event_type, event.time.hour) == ("a1", "end", 10)


REASONS: dict[str, Any] = {
    "empty": "",
    "space": "a b",
    "long": "x" * 65,
    "line": "a\n",
    "error name": "Genesys.Unavailable",
    "number": 7,
    "none": None,
    "untouchable": Untouchable(),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_that_no_dead_letter_can_have_is_replaced(name: str) -> None:
    def read(_: object) -> EventFields:
        raise InvalidEventError(REASONS[name], "explanation")

    assert refusal(read).reason == "event_reader_failed"


def test_an_explanation_is_cut_and_an_untouchable_one_is_replaced() -> None:
    def long(_: object) -> EventFields:
        raise InvalidEventError("mine", "\ud800" * 10**6)

    def untouchable(_: object) -> EventFields:
        raise InvalidEventError("mine", Untouchable())  # type: ignore[arg-type]

    assert (refusal(long).reason, len(str(refusal(long)))) == ("mine", 1000)
    assert refusal(untouchable).reason == "event_reader_failed"


def test_a_reader_that_changes_what_it_is_given_changes_nothing() -> None:
    def spoil(detail: Any) -> None:
        detail["interactionId"] = "another"
        detail.pop("eventType")

    event = outcome(seed(), spoil)
    assert event == parse_event(json.dumps(seed()))


async def test_a_reader_that_hangs_quarantines_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "DEADLINE_SECONDS", 0.05)
    let_go = threading.Event()

    def read(_: object) -> None:
        let_go.wait()

    reading = EventReading(NamedReader("mine:read", read), FunctionThreads(SystemClock(), lambda *_: None))
    with pytest.raises(InvalidEventError, match="EVENT_READER mine:read: no answer within") as refused:
        await reading(json.dumps(envelope({})), NOW)
    assert refused.value.reason == "event_reader_timed_out"
    let_go.set()


async def test_bodies_are_read_beside_the_event_loop() -> None:
    seen: list[int] = []

    def read(_: object) -> None:
        seen.append(threading.get_ident())

    reading = EventReading(NamedReader("mine:read", read), FunctionThreads(SystemClock(), lambda *_: None))
    assert await reading(json.dumps(seed()), NOW) == parse_event(json.dumps(seed()))
    with pytest.raises(InvalidEventError, match="not JSON"):
        await reading("poison", NOW)
    assert seen != [threading.get_ident()]
