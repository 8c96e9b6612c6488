"""The rule of the allowance, without any time passing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_fleet import most_in_a_period
from worker.fleet.allowance import LEAD_SECONDS, SLICE_SECONDS
from worker.fleet.ledger import HEADROOM_SECONDS, MEMBER_SECONDS, PERIOD_SECONDS, Ledger, Pace

limits = st.sampled_from([1, 2, 7, 50, 60, 100, 300, 1000])


@given(
    limit=limits,
    pauses=st.lists(st.floats(0, 90), max_size=12),
    wanted=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=12, max_size=12),
    delays=st.lists(st.floats(0, 1), min_size=1, max_size=50),
)
def test_no_60_seconds_hold_too_many_whoever_takes_permits_and_however_late_they_arrive(
    limit: int, pauses: list[float], wanted: list[tuple[int, bool]], delays: list[float]
) -> None:
    pace = Pace(limit)
    ledger, now, sent = Ledger(), 1000.0, []
    for pause, (number, burst) in zip(pauses, wanted, strict=False):
        now += pause
        now = max(now, ledger.first_permit(pace, now, burst=burst) - LEAD_SECONDS)
        ledger, due = ledger.take(pace, now, number, now + SLICE_SECONDS, burst=burst)
        sent += due
    arrived = [time + HEADROOM_SECONDS * delays[index % len(delays)] for index, time in enumerate(sent)]
    assert most_in_a_period(arrived) <= limit


@pytest.mark.parametrize("limit", [60, 100, 300, 3000])
def test_a_backlog_uses_ninety_five_percent_of_the_allowance_or_more(limit: int) -> None:
    pace = Pace(limit)
    _, due = Ledger().take(pace, 0.0, limit * 10, 600.0, burst=True)
    assert len(due) >= 0.95 * limit * 10


@pytest.mark.parametrize("limit", [1, 10, 60, 300])
@pytest.mark.parametrize("members", [1, 2, 3, 10])
def test_the_shares_of_workers_that_do_not_see_each_other_add_up_to_no_more_than_the_limit(
    limit: int, members: int
) -> None:
    pace = Pace(limit)
    seconds = PERIOD_SECONDS if limit >= members else PERIOD_SECONDS * members
    sent = [number * pace.share(members) for number in range(1000) for _ in range(members)]
    allowed = limit if limit >= members else limit * members
    assert most_in_a_period(sent, seconds) <= allowed


def test_only_a_full_request_uses_the_burst() -> None:
    pace = Pace(300)
    ledger, due = Ledger().take(pace, 1000.0, 1, 1000.0, burst=False)
    assert due == [1000.0]
    assert ledger.first_permit(pace, 1000.0, burst=False) == pytest.approx(1000.0 + pace.interval)
    assert ledger.first_permit(pace, 1000.0, burst=True) == 1000.0


def test_after_a_pause_requests_go_on_at_its_end_and_without_a_burst() -> None:
    pace = Pace(300)
    ledger = Ledger().paused(1030.0, pace)
    _, due = ledger.take(pace, 1000.0, 3, 1100.0, burst=True)
    assert due == pytest.approx([1030.0, 1030.0 + pace.interval, 1030.0 + 2 * pace.interval])


def test_a_clock_that_is_years_ahead_holds_nobody_up_for_longer_than_two_minutes() -> None:
    pace = Pace(300)
    assert Ledger(next_free=1e12).first_permit(pace, 1000.0, burst=True) <= 1000.0 + 2 * (
        PERIOD_SECONDS + HEADROOM_SECONDS
    )


def test_a_ledger_that_nobody_used_counts_only_when_everybody_is_back() -> None:
    pace = Pace(300)
    _, due = Ledger(next_free=900.0).resumed(1000.0, pace, 5, 1.5).take(pace, 1000.0, 2, 1100.0, burst=True)
    assert due == pytest.approx([1001.5, 1001.5 + pace.interval])


def test_a_ledger_that_others_used_is_charged_with_what_was_sent_without_it() -> None:
    pace = Pace(300)
    assert Ledger(next_free=1002.0).resumed(1000.0, pace, 2, 1.5).next_free == 1002.0 + 2 * pace.interval


def test_workers_take_turns_in_a_circle_beginning_after_the_last_one() -> None:
    ledger = Ledger(members={"a": 0, "b": 0, "c": 0}, taken_by="b")
    assert [ledger.turn(name) for name in "cab"] == [0, 1, 2]


def test_a_worker_that_is_gone_no_longer_counts() -> None:
    ledger = Ledger().seen("old", 1000.0).seen("here", 1000.0 + MEMBER_SECONDS / 2)
    assert set(ledger.members) == {"old", "here"}
    assert set(ledger.seen("here", 1000.0 + MEMBER_SECONDS).members) == {"here"}
