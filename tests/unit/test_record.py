"""What a record is, which of two is newer, and what covers an event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.events import RECONCILE, InteractionEvent
from worker.record import Coverage, Freshness, Known, coverage, is_newest, newer, should_look_again

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
FRESH = Freshness(timedelta(seconds=90), frozenset({"customer.end"}), timedelta(seconds=900))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(seconds: float, event_type: str = "acd.end") -> InteractionEvent:
    return InteractionEvent("interaction-1", event_type, at(seconds), f"{event_type} {seconds}")


def item(details: float | None, event_time: float = 0, *, complete: bool = False, event_type: str = "acd.end") -> Known:
    return Known(at(event_time), event_type, None if details is None else at(details), complete)


TOMBSTONE = Known(datetime(9999, 12, 31, tzinfo=UTC), erased=True)

seconds = st.integers(-5000, 5000)
types = st.sampled_from(["acd.end", "customer.end", RECONCILE])
events = st.builds(event, seconds, types)
items = st.builds(item, st.none() | seconds, seconds, complete=st.booleans(), event_type=types)


@pytest.mark.parametrize(
    ("known", "what", "expected"),
    [
        (None, event(0), Coverage.STALE),
        (item(89.999), event(0), Coverage.STALE),
        (item(90), event(0), Coverage.COVERED),
        (item(None), event(0), Coverage.STALE),
        (item(90), event(0, "customer.end"), Coverage.NO_END),
        (item(90, complete=True), event(0, "customer.end"), Coverage.COVERED),
        (item(89, complete=True), event(0, "customer.end"), Coverage.STALE),
        (item(899), event(0, "customer.end"), Coverage.NO_END),
        (item(900), event(0, "customer.end"), Coverage.COVERED),
        (item(5000, complete=True), event(0, RECONCILE), Coverage.STALE),
        (TOMBSTONE, event(0), Coverage.COVERED),
        (TOMBSTONE, event(0, RECONCILE), Coverage.COVERED),
    ],
)
def test_coverage_in_the_words_of_the_contract(known: Known | None, what: InteractionEvent, expected: Coverage) -> None:
    assert coverage(known, what, FRESH) is expected


@given(items, events, st.integers(0, 5000))
def test_later_details_cover_what_earlier_ones_covered(known: Known, what: InteractionEvent, later: int) -> None:
    if coverage(known, what, FRESH) is Coverage.COVERED and known.details_at is not None:
        fresher = replace(known, details_at=known.details_at + timedelta(seconds=later))
        assert coverage(fresher, what, FRESH) is Coverage.COVERED


@given(items, events, seconds)
def test_neither_order_goes_back_and_a_tie_changes_nothing(known: Known, what: InteractionEvent, asked: int) -> None:
    change = newer(known, what, at(asked))
    if change.details:
        assert known.details_at is None or known.details_at < at(asked)
    else:
        assert known.details_at is not None
        assert known.details_at >= at(asked)
    if change.event:
        assert known.event_time is not None
        assert known.event_time < what.time
        assert what.event_type != RECONCILE


@given(events, seconds)
def test_a_tombstone_stays(what: InteractionEvent, asked: int) -> None:
    assert newer(TOMBSTONE, what, at(asked)).nothing
    assert not is_newest(TOMBSTONE, what)


def test_a_reconcile_event_refreshes_details_and_leaves_event_fields_alone() -> None:
    change = newer(item(0), event(1000, RECONCILE), at(1001))
    assert (change.details, change.event) == (True, False)


def look_again(known: Known, what: InteractionEvent, *, after: float) -> bool:
    return should_look_again(known, what, FRESH, entered=at(0), now=at(after))


def test_an_end_event_without_an_end_is_looked_at_again_until_the_wait_is_over() -> None:
    known, end = item(90, event_type="customer.end"), event(0, "customer.end")
    assert look_again(known, end, after=899)
    assert not look_again(known, end, after=900)
    assert not look_again(replace(known, complete=True), end, after=0)
    assert not look_again(known, event(0, "acd.end"), after=0)
    assert not look_again(TOMBSTONE, end, after=0)


def test_a_later_end_event_takes_the_looking_over_and_another_event_does_not() -> None:
    end = event(0, "customer.end")
    assert not look_again(item(90, 10, event_type="customer.end"), end, after=100)
    assert look_again(item(90, 10, event_type="acd.end"), end, after=100)
