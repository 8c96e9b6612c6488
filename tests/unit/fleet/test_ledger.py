"""The rule of the allowance, without any time passing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_fleet import most_in_a_period
from worker.fleet.allowance import LEAD_SECONDS, SLICE_SECONDS
from worker.fleet.ledger import (
    HEADROOM_SECONDS,
    LONGEST_PAUSE_SECONDS,
    MEMBER_SECONDS,
    PERIOD_SECONDS,
    SHARES_TOGETHER,
    Lease,
    Ledger,
    Pace,
)

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
def test_a_backlog_uses_ninety_four_percent_of_the_allowance_or_more(limit: int) -> None:
    pace = Pace(limit)
    _, due = Ledger().take(pace, 0.0, limit * 10, 600.0, burst=True)
    assert len(due) >= 0.94 * limit * 10


@given(writers=st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), min_size=1, max_size=60))
def test_the_shares_that_workers_may_use_at_once_are_never_more_than_is_theirs_together(
    writers: list[tuple[str, int]],
) -> None:
    ledger, now = Ledger(), 1000.0
    for name, seconds in writers:
        now += seconds
        ledger = ledger.seen(name, now)
        lease = Lease(now + 10, ledger.share(name), 0)
        ledger = replace(ledger, leases={**ledger.leases, name: lease})
        assert sum(lease.share for lease in ledger.leases.values()) <= SHARES_TOGETHER + 1e-9


def test_workers_that_all_wrote_since_the_last_one_joined_have_even_shares() -> None:
    ledger = Ledger()
    for name in "abcabcabc":
        ledger = ledger.seen(name, 1000.0)
        ledger = replace(ledger, leases={**ledger.leases, name: Lease(1010.0, ledger.share(name), 0)})
    assert [lease.share for lease in ledger.leases.values()] == pytest.approx([SHARES_TOGETHER / 3] * 3)


def test_permits_leave_room_for_the_share_of_a_worker_whose_lease_has_ended() -> None:
    pace = Pace(300)
    ledger = Ledger(members={"here": 1000, "lost": 990}, leases={"lost": Lease(999.0, 0.25, 0)})
    assert ledger.room("here", 998.0) == ledger.room("lost", 1000.0) == 1.0
    assert ledger.room("here", 1000.0) == 0.75
    _, due = ledger.take(pace, 1000.0, 400, 1060.0, burst=True, room=0.75)
    assert len(due) + 60 / (pace.alone(0.25) or 0) <= 300


@pytest.mark.parametrize("limit", [1, 7, 60, 300])
@pytest.mark.parametrize("share", [1.0, 0.5, 1 / 3, 0.1])
def test_a_worker_that_goes_on_alone_sends_no_more_than_its_share(limit: int, share: float) -> None:
    seconds = Pace(limit).alone(share)
    if seconds is None:
        assert limit * share < 1
    else:
        assert most_in_a_period([number * seconds for number in range(1000)]) <= limit * share + 1e-6


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


def test_no_time_of_a_ledger_holds_for_longer_than_its_bound() -> None:
    pace = Pace(300)
    bounded = Ledger(next_free=9e9, paused_until=9e9, taken_at=9e9).bounded(1000.0, pace)
    assert bounded.paused_until == 1000.0 + LONGEST_PAUSE_SECONDS
    assert bounded.taken_at == 1000.0
    not_paused = Ledger(next_free=9e9).bounded(1000.0, pace)
    assert not_paused.first_permit(pace, 1000.0, burst=True) <= 1000.0 + 2 * (PERIOD_SECONDS + HEADROOM_SECONDS)


def test_after_a_time_without_the_ledger_it_goes_on_without_a_burst_and_beside_those_not_yet_back() -> None:
    pace = Pace(300)
    known = Ledger(members={"a": 900, "b": 900}, leases={"a": Lease(910.0, 0.375, 9), "b": Lease(910.0, 0.375, 9)})
    ledger = Ledger(next_free=900.0).resumed(1000.0, pace, known).seen("a", 1000.0)
    assert ledger.room("a", 1000.1) == pytest.approx(1 - 0.375)
    _, due = ledger.take(pace, 1000.0, 2, 1100.0, burst=True)
    assert due == pytest.approx([1000.0 + pace.interval, 1000.0 + 2 * pace.interval])


def test_requests_that_took_no_permit_are_charged() -> None:
    pace = Pace(300)
    assert Ledger(next_free=1002.0).charged(1000.0, pace, 2).next_free == 1002.0 + 2 * pace.interval
    assert Ledger(next_free=900.0).charged(1000.0, pace, 2).next_free == 1000.0 + 2 * pace.interval


def test_a_ledger_that_is_moved_says_the_same_as_long_after() -> None:
    pace = Pace(300)
    ledger = Ledger(1010.0, 1005.0, {"a": 990.0}, "a", 1000.0, 1000.0, {"a": Lease(1001.0, 0.5, 3)})
    moved = ledger.moved(500.0)
    for now in (995.0, 1002.0, 1007.0):
        assert moved.first_permit(pace, now + 500, burst=True) == 500 + ledger.first_permit(pace, now, burst=True)
        assert moved.room("b", now + 500) == ledger.room("b", now)


def test_workers_take_turns_in_a_circle_beginning_after_the_last_one() -> None:
    ledger = Ledger(members={"a": 0, "b": 0, "c": 0}, taken_by="b")
    assert [ledger.turn(name) for name in "cab"] == [0, 1, 2]


def test_a_worker_that_is_gone_no_longer_counts() -> None:
    ledger = Ledger().seen("old", 1000.0).seen("here", 1000.0 + MEMBER_SECONDS / 2)
    assert set(ledger.members) == {"old", "here"}
    assert set(ledger.seen("here", 1000.0 + MEMBER_SECONDS).members) == {"here"}
