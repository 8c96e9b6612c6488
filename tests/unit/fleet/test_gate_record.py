"""The document of the gate: what is written is read again, by this version and by a later one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.fleet.gate_record import LONGEST_PAUSE_SECONDS, Closure, GateRecord, Pause

NUMBERS = st.floats(0, 4e9).map(lambda number: round(number, 3))
CLOSURES = st.builds(Closure, st.text(), st.text(), NUMBERS, st.integers(0, 10**6))
RECORDS = st.builds(
    GateRecord,
    st.dictionaries(st.text(), CLOSURES),
    st.dictionaries(st.text(), st.text()),
    st.none() | st.builds(Pause, NUMBERS, st.none() | NUMBERS),
)
CLOSED = Closure("Store.Unavailable", "AccessDeniedException", since=1.0)


@given(RECORDS)
def test_what_is_written_is_read_again(record: GateRecord) -> None:
    assert GateRecord.from_fields(record.to_fields()) == record


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"closed": [], "doubts": {}, "pause": None},
        {"closed": {"genesys": {"error": "x"}}, "doubts": {}, "pause": None},
        {"closed": {}, "doubts": {}, "pause": {"since": float("nan"), "seconds": None}},
    ],
)
def test_malformed_content_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        GateRecord.from_fields(fields)


def test_the_first_doubt_and_the_first_closure_stay() -> None:
    record = GateRecord().doubted("store", "one").doubted("store", "another")
    assert record.doubts == {"store": "one"}
    record = record.shut("store", CLOSED).shut("store", Closure("other", "", since=2.0))
    assert record == GateRecord(closed={"store": CLOSED})


def test_one_worker_begins_each_probe() -> None:
    record = GateRecord().shut("store", CLOSED)
    begun = record.probing("store", 0)
    assert begun is not None
    assert begun.closed["store"].probes == 1
    assert begun.probing("store", 0) is None, "another worker was faster"
    assert begun.opened("store").probing("store", 1) is None, "the gate is open again"


@pytest.mark.parametrize("clock", [-1e9, 0.0, 1e9])
def test_a_clock_that_is_wrong_makes_no_pause_longer(clock: float) -> None:
    assert Pause(since=1000.0, seconds=60.0).remaining(1000.0 + clock) <= 60


def test_a_pause_without_an_end_outlives_the_documents_usual_time() -> None:
    assert GateRecord(pause=Pause(since=0.0)).keep_seconds(0.0) > LONGEST_PAUSE_SECONDS
