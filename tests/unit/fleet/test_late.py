"""Which requests are counted a second time."""

from hypothesis import given
from hypothesis import strategies as st

from worker.fleet.late import SETTLE_SECONDS, LateRequests, most_at_once
from worker.fleet.ledger import DELAY_SECONDS, PERIOD_SECONDS


def test_a_request_that_is_answered_within_a_second_is_not_counted_again() -> None:
    late = LateRequests()
    late.answered(100.0, 100.0 + DELAY_SECONDS)
    assert not late.is_due(1000.0)
    assert late.count(1000.0) == 0


def test_a_late_one_is_counted_again_once_and_within_a_minute_of_its_permit() -> None:
    late = LateRequests()
    late.answered(100.0, 102.0)
    assert not late.is_due(102.0 + SETTLE_SECONDS - 5)
    assert late.is_due(102.0 + SETTLE_SECONDS)
    assert late.count(102.0 + SETTLE_SECONDS) == 1
    assert late.count(1000.0) == 0


def test_one_that_took_very_long_is_counted_again_at_once() -> None:
    late = LateRequests()
    late.answered(100.0, 130.0)
    assert late.count(130.0) == 1


def test_late_ones_that_were_not_under_way_together_share_one_count() -> None:
    late = LateRequests()
    for number in range(10):
        late.answered(100.0 + 3 * number, 103.0 + 3 * number)
    assert late.count(200.0) == 1


@given(spans=st.lists(st.tuples(st.floats(0, 40), st.floats(0, 20)).map(lambda one: (one[0], sum(one))), max_size=20))
def test_the_most_at_once_is_what_some_moment_has(spans: list[tuple[float, float]]) -> None:
    moments = [start for start, _ in spans]
    held = [sum(start <= moment <= end for start, end in spans) for moment in moments]
    assert most_at_once(spans) == max(held, default=0)


@given(requests=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 25)), min_size=1, max_size=30))
def test_any_minute_that_begins_while_late_ones_are_under_way_has_as_many_second_counts(
    requests: list[tuple[float, float]],
) -> None:
    """Looked at every tenth of a second, as a worker that writes the ledger often does."""
    late, counts, answers = LateRequests(), [], sorted((sent + took, sent) for sent, took in requests)
    for tenth in range(2000):
        now = tenth / 10
        while answers and answers[0][0] <= now:
            late.answered(answers[0][1], answers.pop(0)[0])
        counts.append((now, late.count(now)))
    for begin in [sent + DELAY_SECONDS for sent, took in requests if took > DELAY_SECONDS]:
        under_way = sum(sent + DELAY_SECONDS <= begin < sent + took for sent, took in requests)
        assert sum(number for now, number in counts if begin <= now <= begin + PERIOD_SECONDS) >= under_way
