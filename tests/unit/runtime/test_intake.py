"""Intake: deleted only after confirmed, held through an outage, given back at a stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from structlog.testing import capture_logs

from tests.support.fakes import FakeItems, FakeQueue, FakeStateMachine, RecordingMetrics
from tests.support.samples import message, seed
from tests.support.virtual_time import EPOCH, VirtualClock
from worker.errors import NotConfirmedError
from worker.events import EventParser, InteractionEvent, InvalidEventError, parse_event, utc_text
from worker.record import Freshness, Known
from worker.runtime.admission import Admission
from worker.runtime.health import STALL_SECONDS, Tick
from worker.runtime.intake import Intake
from worker.runtime.stopping import Stopping

COVERS_ALL = Known(details_at=datetime(2027, 1, 1, tzinfo=UTC))


class Rig:
    """One receiver on fakes."""

    def __init__(self, *, visibility_seconds: int = 60, parse: EventParser | None = None) -> None:
        self.clock = VirtualClock()
        self.queue = FakeQueue()
        self.machine = FakeStateMachine()
        self.items = FakeItems()
        self.metrics = RecordingMetrics()
        self.stopping = Stopping(self.clock)
        self.may_fetch = True
        self.intake = Intake(
            self.queue,
            Admission(self.machine, self.items, Freshness(timedelta(seconds=90)), self.clock),
            self.metrics,
            self.stopping,
            concurrency=3,
            visibility_seconds=visibility_seconds,
            clock=self.clock,
            parse=parse,
            may_fetch=lambda: self.may_fetch,
        )
        self.tick = Tick("receiver", self.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        receiver = asyncio.create_task(self.intake.receive(self.tick))
        try:
            yield
        finally:
            self.stopping.request()
            self.queue.release.set()
            await receiver


def failing(times: int, error: Exception) -> Callable[[InteractionEvent], Literal["started", "duplicate"]]:
    """Raises `error` so many times, then starts."""
    left = [times]

    def answer(_: InteractionEvent) -> Literal["started", "duplicate"]:
        if left[0]:
            left[0] -= 1
            raise error
        return "started"

    return answer


async def test_started_messages_are_deleted() -> None:
    rig = Rig()
    batch = [message(seed(f"id-{n}"), n) for n in range(10)]
    rig.queue.batches = [batch]
    async with rig.running():
        await rig.queue.polling.wait()
        assert set(rig.queue.deleted) == set(batch)
    assert rig.metrics.of("event") == ["started"] * 10


async def test_a_duplicate_is_accepted_and_deleted() -> None:
    rig = Rig()
    rig.machine.answer = lambda _: "duplicate"
    rig.queue.batches = [[message(seed())]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert len(rig.queue.deleted) == 1
    assert rig.metrics.of("event") == ["duplicate"]


async def test_a_poison_body_is_quarantined_untouched_and_its_neighbours_start() -> None:
    rig = Rig()
    poison = message("{not json", 1)
    rig.queue.batches = [[poison, message(seed("good"), 2)]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert rig.queue.quarantined == [(poison, "invalid_json")]
    assert [event.interaction_id for event in rig.machine.asked] == ["good"]
    assert len(rig.queue.deleted) == 2


async def test_a_poison_body_stays_until_its_quarantine_is_confirmed() -> None:
    rig = Rig()
    rig.queue.quarantine_failures = 3
    rig.queue.batches = [[message("poison")]]
    async with rig.running():
        await rig.queue.polling.wait()
        assert len(rig.queue.quarantined) == 1
        assert len(rig.queue.deleted) == 1


async def test_sixty_letters_that_the_dead_letter_queue_refuses_hold_up_nobody_and_stay() -> None:
    rig = Rig()
    letters = [message(f"poison {n}", n) for n in range(60)]
    good = message(seed(), 99)
    rig.queue.refused_letters = set(letters)
    rig.queue.batches = [*(letters[n : n + 10] for n in range(0, 60, 10)), [good]]
    with capture_logs() as lines:
        async with rig.running():
            await rig.queue.polling.wait()
    assert rig.queue.deleted == [good]
    assert sorted(one.id for one, _ in rig.queue.waits) == sorted(letter.id for letter in letters)
    assert rig.metrics.calls.count(("quarantine_refused",)) == 60
    refused = [line["message_id"] for line in lines if line["event"] == "quarantine_refused"]
    assert sorted(refused) == sorted(letter.id for letter in letters)


async def test_a_refused_letter_waits_longer_each_time_and_goes_when_it_is_taken() -> None:
    rig = Rig()
    tries = [message("poison", n, receives=receives) for n, receives in enumerate((1, 2, 4, 1000))]
    taken = message("poison", 9, receives=5)
    rig.queue.refused_letters = set(tries)
    rig.queue.batches = [[*tries, taken]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert dict(rig.queue.waits) == dict(zip(tries, (60, 120, 480, 900), strict=True))
    assert rig.queue.deleted == [taken]


async def test_an_event_that_step_functions_refuses_is_quarantined() -> None:
    rig = Rig()
    rig.machine.answer = failing(1, InvalidEventError("InvalidExecutionInput", "refused"))
    rig.queue.batches = [[message(seed())]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert [reason for _, reason in rig.queue.quarantined] == ["InvalidExecutionInput"]


async def test_a_throttle_is_waited_out_and_never_makes_a_dead_letter() -> None:
    rig = Rig()
    rig.machine.answer = failing(50, NotConfirmedError("ThrottlingException"))
    rig.queue.batches = [[message(seed(f"id-{n}"), n) for n in range(5)]]
    async with rig.running():
        await rig.queue.polling.wait()
        assert len(rig.queue.deleted) == 5
    assert rig.queue.quarantined == []
    assert rig.metrics.of("event") == ["started"] * 5


async def test_messages_are_kept_hidden_at_half_their_visibility_while_an_outage_lasts() -> None:
    rig = Rig()
    began = rig.clock.monotonic()

    def answer(_: InteractionEvent) -> Literal["started", "duplicate"]:
        if rig.clock.monotonic() - began > 70:
            return "started"
        raise NotConfirmedError("ServiceUnavailable")

    rig.machine.answer = answer
    held = message(seed())
    rig.queue.batches = [[held]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert [(one, round(at - began)) for one, at in rig.queue.kept_hidden] == [(held, 30), (held, 60)]
    assert rig.queue.deleted == [held]


async def test_a_receiver_ticks_through_an_outage_whatever_the_visibility_timeout() -> None:
    rig = Rig(visibility_seconds=43_200)
    rig.machine.answer = failing(10**6, NotConfirmedError("ServiceUnavailable"))
    rig.queue.batches = [[message(seed())]]
    silences = []
    async with rig.running():
        for _ in range(200):
            await rig.clock.sleep(120)
            silences.append(rig.clock.monotonic() - rig.tick.at)
    assert max(silences) < STALL_SECONDS
    assert [round(at, -2) for _, at in rig.queue.kept_hidden] == [21_600], "no more often than it has to be"


async def test_messages_stay_hidden_while_a_function_of_the_users_reads_one_of_them() -> None:
    async def parse(body: str, now: datetime) -> InteractionEvent:
        if "slow" in body:
            await rig.clock.sleep(70)
        return parse_event(body, now=now)

    rig = Rig(parse=parse)
    batch = [message(seed("quick"), 1), message(seed("slow"), 2), message("poison", 3)]
    rig.queue.batches = [batch]
    async with rig.running():
        await rig.queue.polling.wait()
    assert [one for one, _ in rig.queue.kept_hidden] == batch * 2
    assert [event.interaction_id for event in rig.machine.asked] == ["quick", "slow"]
    assert rig.queue.quarantined == [(batch[2], "invalid_json")]


async def test_a_stop_gives_back_what_is_not_started() -> None:
    rig = Rig()
    tried = asyncio.Event()

    def answer(_: InteractionEvent) -> Literal["started", "duplicate"]:
        tried.set()
        raise NotConfirmedError("ThrottlingException")

    rig.machine.answer = answer
    rig.queue.batches = [[message(seed())]]
    async with rig.running():
        await tried.wait()
    assert rig.queue.deleted == []
    assert rig.queue.given_back == [message(seed())]
    assert rig.metrics.of("event") == ["returned"]


async def test_what_an_open_poll_brings_after_a_stop_is_given_back() -> None:
    rig = Rig()
    late = message(seed())
    rig.queue.at_release = [late]
    async with rig.running():
        await rig.queue.polling.wait()
    assert rig.machine.asked == []
    assert rig.queue.given_back == [late]


async def test_nothing_is_received_while_the_gate_is_closed() -> None:
    rig = Rig()
    rig.queue.batches = [[message(seed("id-0"), 0)]]
    rig.may_fetch = False
    async with rig.running():
        await rig.clock.sleep(STALL_SECONDS)
        assert rig.queue.batches
        assert rig.clock.monotonic() - rig.tick.at < 2
        rig.may_fetch = True
        await rig.queue.polling.wait()
    assert len(rig.queue.deleted) == 1


async def test_a_failing_receive_is_tried_again() -> None:
    rig = Rig()
    rig.queue.receive_failures = 3
    rig.queue.batches = [[message(seed())]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert len(rig.queue.deleted) == 1


async def test_no_more_is_received_than_can_be_started() -> None:
    rig = Rig()
    rig.machine.answer = failing(10**6, NotConfirmedError("ThrottlingException"))
    rig.queue.batches = [[message(seed("a"))], [message(seed("b"))]]
    async with rig.running():
        await rig.clock.sleep(600)
        assert len(rig.machine.asked) > 10
        assert len(rig.queue.batches) == 1, "the second batch is not fetched while the first one waits"


async def test_a_covered_events_message_is_deleted_only_after_its_event_is_written() -> None:
    rig = Rig()
    rig.items.known = {"interaction-1": COVERS_ALL}
    deleted_when_written: list[int] = []

    def cover(_: InteractionEvent) -> bool:
        deleted_when_written.append(len(rig.queue.deleted))
        return True

    rig.items.covers = cover
    covered = message(seed())
    rig.queue.batches = [[covered]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert deleted_when_written == [0]
    assert rig.queue.deleted == [covered]
    assert rig.machine.asked == []
    assert rig.metrics.of("event") == ["covered"]


async def test_a_covered_event_is_kept_while_its_write_is_not_confirmed() -> None:
    rig = Rig()
    rig.items.known = {"interaction-1": COVERS_ALL}
    tried = asyncio.Event()

    def refuse(_: InteractionEvent) -> bool:
        tried.set()
        raise NotConfirmedError("ThrottlingException")

    rig.items.covers = refuse
    rig.queue.batches = [[message(seed())]]
    async with rig.running():
        await tried.wait()
    assert (rig.queue.deleted, rig.queue.given_back) == ([], [message(seed())])


async def test_events_that_follow_are_put_off_beside_a_leader_that_starts_and_a_quarantine() -> None:
    rig = Rig()
    first, followers, poison = message(seed(), 1), [], message("poison", 9)
    for number, receives in ((2, 1), (3, 4)):
        body = seed(timestamp=f"2026-03-01T08:00:0{number}.000Z") | {"id": f"event-{number}"}
        followers.append(message(body, number, receives=receives))
    rig.queue.batches = [[followers[0], first, poison, followers[1]]]
    with capture_logs() as lines:
        async with rig.running():
            await rig.queue.polling.wait()
    assert [event.event_id for event in rig.machine.asked] == ["event-1"]
    assert set(rig.queue.deleted) == {first, poison}
    assert dict(rig.queue.waits) == {followers[0]: 10, followers[1]: 80}
    assert sorted(rig.metrics.of("event")) == ["quarantined", "started"], "what is put off is not counted"
    (line,) = (line for line in lines if line["event"] == "intake_batch")
    assert (line["received"], line["started"], line["put_off"], line["quarantined"]) == (4, 1, 2, 1)


async def test_a_stop_during_the_lookup_gives_everything_back() -> None:
    rig = Rig()
    looking, answer = asyncio.Event(), asyncio.Event()

    async def look(interaction_ids: Collection[str]) -> Mapping[str, Known]:
        assert interaction_ids
        looking.set()
        await answer.wait()
        return {}

    rig.items.look = look  # type: ignore[method-assign]
    batch = [message(seed(), 1), message("poison", 2)]
    rig.queue.batches = [batch]
    async with rig.running():
        await looking.wait()
        rig.stopping.request()
        answer.set()
    assert rig.machine.asked == []
    assert set(rig.queue.given_back) == set(batch)
    assert (rig.queue.deleted, rig.queue.quarantined) == ([], [])


async def test_only_a_first_receive_tells_how_long_a_message_waited() -> None:
    rig = Rig()
    rig.queue.batches = [[message(seed(f"id-{n}"), n, receives=n) for n in (1, 2, 3)]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert len(rig.metrics.of("queue_wait")) == 1


@pytest.mark.parametrize(("hours", "reasons"), [(23.9, []), (24.1, ["future_time"])])
async def test_an_event_more_than_a_day_ahead_is_quarantined(hours: float, reasons: list[str]) -> None:
    rig = Rig()
    time = datetime.fromtimestamp(EPOCH, UTC) + timedelta(hours=hours)
    rig.queue.batches = [[message(seed(timestamp=utc_text(time)))]]
    async with rig.running():
        await rig.queue.polling.wait()
    assert [reason for _, reason in rig.queue.quarantined] == reasons
    assert len(rig.queue.deleted) == 1
