"""The rule that tells an outage from one interaction's failure, step by step."""

from dataclasses import replace

import pytest

from worker.fleet.gate_record import Closure, probe_interval
from worker.fleet.outage_rule import (
    ENOUGH_FAILURES,
    EXPIRY_SECONDS,
    FEW_FAILURES,
    HEARING_SECONDS,
    PROBE_SECONDS,
    QUIET_SECONDS,
    SLOW_SECONDS,
    STALE_DOUBT_SECONDS,
    Alone,
    Row,
    Step,
    View,
    next_step,
)

ME, OTHER = "me", "other"
CLOSED = Closure("Genesys.Unavailable", "503", since=0.0)
NOW = 1_000.0


def row(failures: int, *, probes: int = 0, since: float = NOW - QUIET_SECONDS) -> Row:
    return Row(since=since, failures=failures, probes=probes, error="Genesys.Unavailable", detail="503")


def step(view: View, now: float = NOW, *, doubted: bool = False) -> Step:
    return next_step(view, ME, now, doubted=doubted)


def test_nothing_is_done_while_nothing_fails() -> None:
    assert step(View()) is Step.NOTHING


def test_other_requests_get_time_to_bring_the_answer_before_a_probe_is_sent() -> None:
    assert step(View(row=row(1, since=NOW - QUIET_SECONDS + 0.1))) is Step.NOTHING
    assert step(View(row=row(1))) is Step.PROBE
    assert step(View(row=row(1).asked(NOW - PROBE_SECONDS + 0.1))) is Step.NOTHING


def test_many_failures_without_a_probe_are_no_outage_yet() -> None:
    """They may all be of one id, or of several that are at fault themselves."""
    assert step(View(row=row(50))) is Step.PROBE


@pytest.mark.parametrize(
    ("failures", "seconds", "enough"),
    [
        (ENOUGH_FAILURES, QUIET_SECONDS, True),
        (ENOUGH_FAILURES - 1, QUIET_SECONDS, False),
        (FEW_FAILURES, SLOW_SECONDS, True),
        (FEW_FAILURES - 1, SLOW_SECONDS, False),
    ],
)
def test_fewer_failures_do_where_they_take_their_time(failures: int, seconds: float, *, enough: bool) -> None:
    view = View(row=row(failures, probes=1, since=NOW - seconds))
    assert step(view) is (Step.DOUBT if enough else Step.PROBE)


def test_the_gate_closes_when_no_worker_has_objected() -> None:
    doubtful = View(row=row(ENOUGH_FAILURES, probes=1), doubt=ME, doubt_at=NOW)
    assert step(doubtful, NOW + HEARING_SECONDS - 0.1, doubted=True) is Step.PROBE, "it goes on to look for an answer"
    assert step(doubtful, NOW + HEARING_SECONDS, doubted=True) is Step.CLOSE


def test_another_workers_doubt_is_its_own_to_end_unless_that_worker_is_gone() -> None:
    doubtful = View(row=row(ENOUGH_FAILURES, probes=1), doubt=OTHER, doubt_at=NOW)
    assert step(doubtful, NOW + HEARING_SECONDS) is Step.PROBE
    assert step(doubtful, NOW + STALE_DOUBT_SECONDS) is Step.CLOSE


def test_a_worker_that_had_an_answer_since_objects() -> None:
    assert step(View(doubt=OTHER, doubt_at=NOW - 1, answered_at=NOW)) is Step.CLEAR
    assert step(View(doubt=OTHER, doubt_at=NOW, answered_at=NOW - 1)) is Step.NOTHING


def test_a_worker_stands_alone_only_after_twice_as_many_failures() -> None:
    heard = View(row=row(ENOUGH_FAILURES, probes=1))
    assert step(heard, doubted=True) is Step.PROBE
    assert step(replace(heard, row=row(2 * ENOUGH_FAILURES, probes=1)), doubted=True) is Step.STAND_ALONE


@pytest.mark.parametrize("probes", range(8))
def test_probes_come_at_growing_intervals(probes: int) -> None:
    closed = View(closure=replace(CLOSED, probes=probes), closed_at=NOW - 500, renewed_at=NOW)
    assert step(closed, NOW + probe_interval(probes) - 0.01) is Step.NOTHING
    assert step(closed, NOW + probe_interval(probes)) is Step.PROBE_FOR_ALL
    alone = View(alone=Alone(replace(CLOSED, probes=probes), others_work=True), alone_at=NOW, alone_renewed_at=NOW)
    assert step(alone, NOW + probe_interval(probes)) is Step.PROBE_ALONE


def test_the_interval_is_thirty_seconds_at_most() -> None:
    assert [probe_interval(probes) for probes in (0, 1, 4, 5, 6, 10**9)] == [1, 2, 16, 30, 30, 30]


def test_one_answer_opens_the_gate() -> None:
    closed = View(closure=CLOSED, closed_at=NOW - 10, renewed_at=NOW)
    assert step(replace(closed, answered_at=NOW - 5)) is Step.OPEN
    assert step(replace(closed, answered_at=NOW - 11)) is Step.NOTHING, "it is older than the closure"
    alone = View(alone=Alone(CLOSED, others_work=False), alone_at=NOW - 10, alone_renewed_at=NOW, answered_at=NOW - 5)
    assert step(alone) is Step.OPEN


def test_a_closure_that_nobody_renews_expires() -> None:
    closed = View(closure=CLOSED, closed_at=NOW - 5000, renewed_at=NOW)
    assert step(closed, NOW + EXPIRY_SECONDS) is Step.EXPIRE
