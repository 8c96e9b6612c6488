"""What the intake starts, settles and puts off."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from structlog.testing import capture_logs

from tests.support.fakes import FakeItems, FakeStateMachine
from tests.support.virtual_time import EPOCH, VirtualClock
from worker.errors import NotConfirmedError
from worker.events import RECONCILE, InteractionEvent
from worker.ports import Execution
from worker.record import Freshness, Known
from worker.runtime.admission import Admission, Ending, PutOff
from worker.runtime.plan import PATIENCE, Arrival, Start, plan

NOW = datetime.fromtimestamp(EPOCH, UTC)
FRESH = Freshness(timedelta(seconds=90), frozenset({"customer.end"}), timedelta(seconds=900))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def event(
    seconds_ago: float, event_type: str = "acd.end", *, event_id: str = "", interaction_id: str = "a"
) -> InteractionEvent:
    return InteractionEvent(interaction_id, event_type, ago(seconds_ago), event_id or f"{event_type}-{seconds_ago}")


def item(details_seconds_ago: float, event_seconds_ago: float = 9000) -> Known:
    return Known(ago(event_seconds_ago), "acd.start", ago(details_seconds_ago))


class Rig:
    """An admission on fakes."""

    def __init__(self, known: Known | None = None) -> None:
        self.machine = FakeStateMachine()
        self.items = FakeItems({"a": known} if known else {})
        self.clock = VirtualClock()
        self.admission = Admission(self.machine, self.items, FRESH, self.clock)

    async def admit(self, *arrived: InteractionEvent | Arrival) -> Sequence[Ending]:
        arrivals = [one if isinstance(one, Arrival) else Arrival(one) for one in arrived]
        return [await call() for call in await self.admission.calls(arrivals)]


def shared_name(what: InteractionEvent) -> str:
    """That of the bucket of an event that happened long enough ago."""
    (action,) = plan([Arrival(what)], {}, {}, FRESH, NOW)
    assert isinstance(action, Start)
    assert action.shared
    return action.name


async def test_a_covered_event_starts_nothing_and_only_the_newest_one_is_written() -> None:
    rig = Rig(item(10))
    assert await rig.admit(event(300), event(200), event(250)) == ["covered"] * 3
    assert rig.machine.asked == []
    assert rig.items.settled == [event(200)]


async def test_an_event_older_than_the_items_is_not_written() -> None:
    rig = Rig(item(10, event_seconds_ago=100))
    assert await rig.admit(event(200)) == ["covered"]
    assert rig.items.settled == []


async def test_a_covered_event_is_written_though_a_reconcile_event_is_newer() -> None:
    rig = Rig(item(10))
    assert await rig.admit(event(200), event(100, RECONCILE)) == ["covered", "started"]
    assert rig.items.settled == [event(200)]


async def test_an_event_whose_item_is_gone_starts_an_execution_of_its_own() -> None:
    rig = Rig(item(10))
    rig.items.covers = lambda _: False
    assert await rig.admit(event(200)) == ["started"]
    assert rig.machine.names == [event(200).execution_name]


async def test_a_lookup_that_fails_starts_one_execution_for_each_event_and_warns_once() -> None:
    rig = Rig(item(10))
    rig.items.failures = 2
    first, second = event(300), event(299)
    with capture_logs() as lines:
        assert await rig.admit(first, second) == ["started"] * 2
        assert await rig.admit(event(298)) == ["started"]
        assert await rig.admit(event(297)) == ["covered"]
    assert rig.machine.names == [one.execution_name for one in (first, second, event(298))]
    (warning,) = (line for line in lines if line["log_level"] == "warning")
    assert (warning["dependency"], warning["error"]) == ("interaction_table_lookup", "AccessDeniedException")
    assert [line["event"] for line in lines] == ["dependency_failing", "dependency_back"]


async def test_each_interaction_is_looked_up_once() -> None:
    rig = Rig()
    await rig.admit(event(300), event(299), event(300), event(300, interaction_id="b"))
    assert [sorted(ids) for ids in rig.items.looked_up] == [["a", "b"]]
    assert await rig.admit() == []
    assert len(rig.items.looked_up) == 1, "nothing is asked for no events"


async def test_one_event_that_was_received_twice_starts_one_execution() -> None:
    rig = Rig()
    rig.machine.answer = lambda _: "started" if len(rig.machine.asked) == 1 else "duplicate"
    assert await rig.admit(event(300), event(300)) == ["started", "duplicate"]
    assert len(set(rig.machine.names)) == 1


async def test_an_event_whose_shared_name_is_taken_waits_longer_each_time() -> None:
    rig = Rig()
    rig.machine.taken = {shared_name(event(300)): None}
    endings = [await rig.admit(Arrival(event(300), receives)) for receives in range(1, PATIENCE + 1)]
    assert endings == [[PutOff(seconds)] for seconds in (10, 20, 40, 80, 160, 320, 640, 900)]
    assert rig.machine.looked_at == []


@pytest.mark.parametrize(
    ("execution", "ending", "own"),
    [
        (Execution(running=True, event_id="other"), PutOff(900), False),
        (Execution(running=True, event_id="mine"), PutOff(900), False),
        (Execution(running=False, event_id="mine"), "duplicate", False),
        (Execution(running=False, event_id="other"), "started", True),
        (Execution(running=False, event_id=""), "started", True),
        (None, "started", True),
    ],
    ids=["running", "its own, running", "its own, ended", "ended", "nobody's", "unreadable"],
)
async def test_an_event_that_followed_in_vain_asks_for_the_execution(
    execution: Execution | None, ending: Ending, own: bool
) -> None:
    rig = Rig()
    mine = event(300, event_id="mine")
    rig.machine.taken = {shared_name(mine): execution}
    assert await rig.admit(Arrival(mine, PATIENCE + 1)) == [ending]
    assert rig.machine.looked_at == [shared_name(mine)]
    assert (rig.machine.names[-1] == mine.execution_name) is own


async def test_an_events_own_name_that_is_taken_is_a_duplicate() -> None:
    rig = Rig()
    rig.machine.taken = {event(5).execution_name: None}
    assert await rig.admit(event(5)) == ["duplicate"]


async def test_what_was_started_lately_is_followed_until_the_patience_is_over() -> None:
    rig = Rig()
    assert await rig.admit(event(200)) == ["started"]
    assert await rig.admit(event(300)) == [PutOff(10)]
    assert await rig.admit(event(85)) == ["started"], "that execution may have asked too early"
    assert await rig.admit(Arrival(event(300), PATIENCE + 1)) == ["started"]


@pytest.mark.parametrize(("event_type", "ending"), [("acd.end", "started"), ("customer.end", PutOff(10))])
async def test_an_end_follows_only_an_execution_that_looks_for_one(event_type: str, ending: Ending) -> None:
    rig = Rig(item(100))
    assert await rig.admit(event(95, event_type)) == ["started"]
    assert await rig.admit(event(195, "customer.end")) == [ending]


async def test_an_execution_counts_as_started_when_its_start_was_asked_for() -> None:
    rig = Rig()
    start = rig.machine.start

    async def slowly(what: InteractionEvent, name: str) -> Literal["started", "duplicate", "taken"]:
        await rig.clock.sleep(20)
        return await start(what, name)

    rig.machine.start = slowly  # type: ignore[assignment, method-assign]
    assert await rig.admit(event(200)) == ["started"]
    assert await rig.admit(event(85)) == ["started"], "the execution may have begun 20 s ago"


async def test_a_start_that_was_not_confirmed_is_not_followed() -> None:
    rig = Rig()

    def throttle(_: InteractionEvent) -> None:
        raise NotConfirmedError("ThrottlingException")

    rig.machine.answer = throttle  # type: ignore[assignment]
    with pytest.raises(NotConfirmedError):
        await rig.admit(event(200))
    rig.machine.answer = lambda _: "started"
    assert await rig.admit(event(300)) == ["started"]


async def test_only_so_many_executions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.runtime.admission._MOST_REMEMBERED", 2)
    rig = Rig()
    for one in "abc":
        await rig.admit(event(200, interaction_id=one))
    assert await rig.admit(*(event(300, interaction_id=one) for one in "abc")) == ["started", PutOff(10), PutOff(10)]


async def test_a_lookup_that_takes_too_long_costs_executions_and_no_visibility() -> None:
    class Slow(FakeItems):
        async def look(self, interaction_ids: Collection[str]) -> Mapping[str, Known]:
            await rig.clock.sleep(60)
            return await super().look(interaction_ids)

    rig = Rig()
    admission = Admission(rig.machine, Slow({"a": item(10)}), FRESH, rig.clock)
    began = rig.clock.monotonic()
    with capture_logs() as lines:
        calls = await admission.calls([Arrival(event(200))])
    assert rig.clock.monotonic() - began < 10
    assert [await call() for call in calls] == ["started"]
    assert [line["error"] for line in lines] == ["TimeoutError"]
