"""The simulator's parts that know time and chance, on clocks of our own."""

import pytest

from worker.local.simulator.faults import FaultPlan, FaultSource
from worker.local.simulator.limiter import SlidingWindow
from worker.local.simulator.tokens import Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_two_bursts_on_either_side_of_a_full_minute_are_one_window() -> None:
    clock = Clock()
    limiter = SlidingWindow(3, 60, clock)
    clock.now = 1059.0
    assert [limiter.admit("a") for _ in range(3)] == [None, None, None]
    clock.now = 1061.0
    assert limiter.admit("a") == 58
    clock.now = 1119.0
    assert limiter.admit("a") is None


def test_refused_requests_do_not_use_up_the_window() -> None:
    clock = Clock()
    limiter = SlidingWindow(1, 10, clock)
    assert limiter.admit("a") is None
    for _ in range(5):
        clock.now += 1
        assert limiter.admit("a") is not None
    clock.now = 1010.0
    assert limiter.admit("a") is None
    assert limiter.peak == 6


def test_retry_after_is_whole_seconds_and_never_zero() -> None:
    clock = Clock()
    limiter = SlidingWindow(1, 2, clock)
    limiter.admit("a")
    clock.now += 0.5
    assert limiter.admit("a") == 2
    clock.now += 1.4999
    assert limiter.admit("a") == 1


def test_each_client_has_a_window_of_its_own() -> None:
    limiter = SlidingWindow(1, 60, Clock())
    assert limiter.admit("a") is None
    assert limiter.admit("b") is None
    assert limiter.admit("a") is not None


def test_a_token_is_good_until_its_lifetime_is_over() -> None:
    clock = Clock()
    tokens = Tokens(10, 5, clock)
    token = tokens.mint("client")
    clock.now += 9.9
    assert tokens.client_of(token) == "client"
    clock.now += 0.1
    assert tokens.client_of(token) is None
    assert len(tokens) == 0


def test_one_token_too_many_ends_the_oldest_of_that_client_only() -> None:
    tokens = Tokens(10, 2, Clock())
    other = tokens.mint("other")
    first, second, third = (tokens.mint("client") for _ in range(3))
    assert tokens.client_of(first) is None
    assert [tokens.client_of(token) for token in (second, third, other)] == ["client", "client", "other"]


def test_the_same_seed_draws_the_same_faults_in_the_planned_shares() -> None:
    plan = FaultPlan(error_share=0.2, slow_share=0.1, cut_off_share=0.1, revoke_share=0.1)
    first, second = FaultSource(plan, 7), FaultSource(plan, 7)
    drawn = [first.draw() for _ in range(5000)]
    assert drawn == [second.draw() for _ in range(5000)]
    assert drawn.count("error") == pytest.approx(1000, rel=0.15)
    assert drawn.count("revoke") == pytest.approx(500, rel=0.2)
    assert drawn.count(None) == pytest.approx(2500, rel=0.1)


def test_no_plan_draws_no_fault() -> None:
    source = FaultSource(FaultPlan(), 1)
    assert {source.draw() for _ in range(1000)} == {None}


@pytest.mark.parametrize(
    "change", [{"nonsense": 1}, {"error_share": 1.1}, {"error_share": "much"}, {"outage": 1}, {"slow_share": True}]
)
def test_a_wrong_change_of_faults_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        FaultPlan().changed(change)


def test_a_whole_number_is_good_for_a_share() -> None:
    assert FaultPlan().changed({"error_share": 1, "missing_prefix": "x"}) == FaultPlan(
        error_share=1, missing_prefix="x"
    )
