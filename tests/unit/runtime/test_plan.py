"""What the intake does with events that it received together."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.events import RECONCILE, InteractionEvent
from worker.record import Coverage, Freshness, Known, coverage, is_newest
from worker.runtime.plan import (
    CLOCK_SLACK,
    PATIENCE,
    Action,
    Arrival,
    Follow,
    Settle,
    Start,
    Started,
    bucket_seconds,
    plan,
    wait_seconds,
)

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
LAG, BUCKET = 90.0, 10.0
FRESH = Freshness(timedelta(seconds=LAG), frozenset({"customer.end"}), timedelta(seconds=900))
LATE_ENOUGH = LAG + BUCKET + CLOCK_SLACK.total_seconds()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(seconds: float, event_type: str = "acd.end", interaction_id: str = "interaction-1") -> InteractionEvent:
    return InteractionEvent(interaction_id, event_type, at(seconds), f"{event_type} {seconds}")


def item(details: float, event_time: float = 0, *, complete: bool = False) -> Known:
    return Known(at(event_time), "acd.end", at(details), complete)


def actions(
    *arrived: InteractionEvent | Arrival, known: Known | None = None, started: Started | None = None, now: float
) -> Sequence[Action]:
    arrivals = [one if isinstance(one, Arrival) else Arrival(one) for one in arrived]
    items = {"interaction-1": known} if known else {}
    return plan(arrivals, items, {"interaction-1": started} if started else {}, FRESH, at(now))


def test_an_event_whose_details_may_lag_gets_an_execution_of_its_own() -> None:
    assert actions(event(0), event(1), now=5) == [Start(event(0).execution_name), Start(event(1).execution_name)]


def test_events_that_wait_together_start_one_execution() -> None:
    found = actions(event(0), event(60), event(30), now=60 + LATE_ENOUGH)
    assert [type(action) for action in found] == [Follow, Start, Follow]


def test_the_parts_of_a_burst_agree_on_a_name_wherever_they_arrive() -> None:
    names = {actions(event(second), now=second + LATE_ENOUGH)[0] for second in (0, 3, 9)}
    assert len(names) == 1
    (start,) = names
    assert isinstance(start, Start)
    assert start.shared
    assert actions(event(10), now=10 + LATE_ENOUGH) != [start], "the next bucket has another name"


def test_a_name_is_shared_only_by_an_execution_that_covers_its_whole_bucket() -> None:
    (early,) = actions(event(0), now=LATE_ENOUGH - 0.001)
    (late,) = actions(event(0), now=LATE_ENOUGH)
    assert early == Start(event(0).execution_name)
    assert isinstance(late, Start)
    assert late.shared


def test_a_covered_event_starts_nothing_and_the_newest_one_is_written() -> None:
    assert actions(event(10), event(20), known=item(110), now=200) == [Settle(write=False), Settle(write=True)]
    assert actions(event(10), known=item(110, event_time=10), now=200) == [Settle(write=False)]


def test_an_event_beside_a_newer_one_that_starts_is_not_written() -> None:
    settled, started = actions(event(10), event(50), known=item(110), now=400)
    assert settled == Settle(write=False)
    assert isinstance(started, Start)


def test_the_end_leads_so_that_it_is_waited_for() -> None:
    found = actions(event(0, "customer.end"), event(1), now=1 + LATE_ENOUGH)
    assert [type(action) for action in found] == [Start, Follow]


def test_an_end_that_the_item_lacks_leads_also_a_newer_one() -> None:
    found = actions(event(0, "customer.end"), event(50, "customer.end"), known=item(100), now=300)
    assert [type(action) for action in found] == [Start, Follow]


def test_an_end_that_the_item_lacks_starts_an_execution_that_waits_for_it() -> None:
    (found,) = actions(event(0, "customer.end"), known=item(100), now=200)
    (plain,) = actions(event(0, "customer.end"), now=200)
    assert isinstance(found, Start)
    assert found != plain, "an execution that did not wait for the end may have the other name"


def test_a_reconcile_event_always_starts_an_execution_of_its_own() -> None:
    (found, other) = actions(event(0, RECONCILE), event(0), known=item(5000, 1000, complete=True), now=5001)
    assert found == Start(event(0, RECONCILE).execution_name)
    assert other == Settle(write=False)


def test_what_this_worker_started_lately_is_followed_also_from_another_bucket() -> None:
    started = Started(at(200), ends=False)
    assert actions(event(90), started=started, now=210) == [Follow()]
    assert actions(event(120), started=started, now=230) != [Follow()], "it may have asked too early"
    assert actions(event(90, "customer.end"), known=item(190), started=started, now=210) != [Follow()]


def test_a_message_that_followed_in_vain_gets_an_execution() -> None:
    started = Started(at(1000), ends=True)
    patient, tired = Arrival(event(0), receives=PATIENCE), Arrival(event(0), receives=PATIENCE + 1)
    assert actions(patient, started=started, now=2000) == [Follow()]
    assert isinstance(actions(tired, started=started, now=2000)[0], Start)
    assert [type(action) for action in actions(tired, event(1), now=2000)] == [Start, Start]


def test_interactions_do_not_lead_each_other() -> None:
    found = plan([Arrival(event(0)), Arrival(event(0, interaction_id="other"))], {}, {}, FRESH, at(500))
    assert [type(action) for action in found] == [Start, Start]


def test_waits_grow_and_stay_within_bounds() -> None:
    waits = [wait_seconds(receives, FRESH) for receives in range(1, 2000)]
    assert waits[:3] == [10, 20, 40]
    assert waits == sorted(waits)
    assert max(waits) == 900


@pytest.mark.parametrize(("lag", "seconds"), [(0, 1), (5, 1), (45, 5), (90, 10), (3600, 10)])
def test_buckets_are_a_part_of_the_lag(lag: float, seconds: float) -> None:
    assert bucket_seconds(replace(FRESH, lag=timedelta(seconds=lag))) == seconds


arrivals = st.lists(
    st.builds(
        Arrival,
        st.builds(event, st.integers(0, 400), st.sampled_from(["acd.end", "customer.end", RECONCILE])),
        st.integers(1, PATIENCE + 3),
    ),
    min_size=1,
    max_size=10,
)


@given(arrivals, st.none() | st.builds(item, st.integers(0, 900), complete=st.booleans()), st.integers(0, 2000))
def test_every_event_is_covered_or_started_or_follows_one_that_covers_it(
    arrived: list[Arrival], known: Known | None, now: int
) -> None:
    found = actions(*arrived, known=known, now=now)
    for arrival, action in zip(arrived, found, strict=True):
        if isinstance(action, Settle):
            assert coverage(known, arrival.event, FRESH) is Coverage.COVERED
        if isinstance(action, Follow):
            # The execution that starts now asks for details later than now.
            assert any(isinstance(other, Start) for other in found)
            assert at(now) >= arrival.event.time + FRESH.lag
    events = [arrival.event for arrival in arrived if arrival.event.event_type != RECONCILE]
    newest = max((event.time for event in events), default=None)
    writes = [a.event.time for a, action in zip(arrived, found, strict=True) if action == Settle(write=True)]
    assert len(writes) <= 1
    assert all(time == newest for time in writes)
    covered = [event for event in events if coverage(known, event, FRESH) is Coverage.COVERED]
    if known is not None and any(event.time == newest and is_newest(known, event) for event in covered):
        open_too = any(
            arrival.event.time == newest
            for arrival, action in zip(arrived, found, strict=True)
            if not isinstance(action, Settle)
        )  # its attempt writes fields of the same time
        assert writes or open_too, "the newest event is covered, so nobody else will write its fields"


def test_a_message_that_comes_again_asks_for_the_name_that_it_asked_for_first() -> None:
    """Its delete failed, and its execution still waits when its bucket could have one of its own."""
    (before,) = actions(event(0), now=50)
    (after,) = actions(Arrival(event(0), receives=2, first=at(50)), now=2000)
    assert before == after == Start(event(0).execution_name)
    (shared,) = actions(Arrival(event(0), receives=2, first=at(500)), now=2000)
    assert isinstance(shared, Start)
    assert shared.shared


def test_a_first_receive_in_the_future_counts_as_now() -> None:
    assert actions(Arrival(event(0), first=at(5000)), now=50) == [Start(event(0).execution_name)]
