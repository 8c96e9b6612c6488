"""Intake: deleted only after confirmed, held through an outage, given back at a stop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from tests.support.fakes import FakeQueue, FakeStateMachine, RecordingMetrics
from tests.support.samples import message, seed
from tests.support.virtual_time import VirtualClock
from worker.errors import NotConfirmedError
from worker.events import InteractionEvent, InvalidEventError
from worker.runtime.health import Tick
from worker.runtime.intake import Intake
from worker.runtime.stopping import Stopping


class Rig:
    """One receiver on fakes."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.queue = FakeQueue()
        self.machine = FakeStateMachine()
        self.metrics = RecordingMetrics()
        self.stopping = Stopping(self.clock)
        self.intake = Intake(
            self.queue,
            self.machine,
            self.metrics,
            self.stopping,
            concurrency=3,
            visibility_seconds=60,
            clock=self.clock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        receiver = asyncio.create_task(self.intake.receive(Tick("receiver", self.clock)))
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
