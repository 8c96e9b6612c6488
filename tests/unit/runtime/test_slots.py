"""Slots: heartbeats beside the work, a report for every task, and hand-back at a stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from structlog.testing import capture_logs

from tests.support.fakes import DETAILS, FakeActivity, FakeDetails, FakeStore, RecordingMetrics
from tests.support.samples import task
from tests.support.virtual_time import VirtualClock
from worker.attempt import Attempts
from worker.errors import NotConfirmedError, NotReady, TaskGoneError
from worker.ports import ActivityTask, Details
from worker.record import Freshness
from worker.runtime.health import Tick
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping

HEARTBEAT_SECONDS = 20.0


class Rig:
    """One slot on fakes."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.activity = FakeActivity(tasks=[task()])
        self.details = FakeDetails()
        self.metrics = RecordingMetrics()
        self.stopping = Stopping(self.clock)
        self.faults: list[BaseException] = []
        self.may_fetch = True
        attempts = Attempts(
            self.details,
            FakeStore(),
            self.metrics,
            fresh=Freshness(timedelta(seconds=90)),
            not_found_after_seconds=10**12,
            clock=self.clock,
        )
        self.slots = Slots(
            self.activity,
            attempts,
            self.metrics,
            self.stopping,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            clock=self.clock,
            fault=lambda _, error: self.faults.append(error),
            may_fetch=lambda: self.may_fetch,
        )
        self.working = asyncio.Event()
        self.finish = asyncio.Event()

    def work_until_told(self) -> None:
        async def answer(_: str) -> Details:
            self.working.set()
            await self.finish.wait()
            return DETAILS

        self.details.answer = answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        slot = asyncio.create_task(self.slots.slot(Tick("slot", self.clock)))
        try:
            yield slot
        finally:
            self.stopping.request()
            self.activity.release.set()
            await slot
        assert self.slots.busy == 0
        assert not self.slots._working


async def test_a_task_is_worked_on_and_reported() -> None:
    rig = Rig()
    with capture_logs() as lines:
        async with rig.running():
            await rig.activity.polling.wait()
    assert rig.activity.succeeded == [("token-1", '{"written": true, "new_details": true, "new_event": true}')]
    assert rig.metrics.of("interaction") == ["succeeded"]
    (line,) = lines
    assert (line["event"], line["outcome"], line["report"]) == ("attempt", "succeeded", "accepted")
    assert line["written"] is True
    assert {"details_seconds", "store_seconds", "report_seconds", "seconds"} <= line.keys()


async def test_a_malformed_task_is_reported_as_invalid() -> None:
    rig = Rig()
    rig.activity.tasks = [ActivityTask("token-1", "[]")]
    async with rig.running():
        await rig.activity.polling.wait()
    assert [(token, error) for token, error, _ in rig.activity.failed] == [("token-1", "Interaction.Invalid")]


async def test_a_failure_is_reported_under_its_name() -> None:
    rig = Rig()

    async def answer(_: str) -> NotReady:
        return NotReady("not in the answer yet")

    rig.details.answer = answer
    async with rig.running():
        await rig.activity.polling.wait()
    assert rig.activity.failed == [("token-1", "Interaction.NotReady", "not in the answer yet")]
    assert rig.metrics.of("interaction") == ["Interaction.NotReady"]


async def test_heartbeats_go_on_while_the_work_lasts_and_end_with_it() -> None:
    rig = Rig()
    rig.work_until_told()
    async with rig.running():
        await rig.clock.sleep(5.5 * HEARTBEAT_SECONDS)
        assert len(rig.activity.beats) == 5
        rig.finish.set()
        await rig.activity.reported.wait()
        await rig.clock.sleep(5.5 * HEARTBEAT_SECONDS)
        assert len(rig.activity.beats) == 5


async def test_a_failing_heartbeat_is_sent_again() -> None:
    rig = Rig()
    rig.work_until_told()

    def throttle() -> None:
        if len(rig.activity.beats) < 4:
            raise NotConfirmedError("ThrottlingException")

    rig.activity.on_beat = throttle
    async with rig.running():
        await rig.clock.sleep(2 * HEARTBEAT_SECONDS)
        rig.finish.set()
        await rig.activity.reported.wait()
    assert rig.metrics.of("heartbeat") == ["failed", "failed", "failed", "sent"]


async def test_a_lost_heartbeat_cancels_the_work_and_nothing_is_reported() -> None:
    rig = Rig()
    rig.work_until_told()

    def gone() -> None:
        raise TaskGoneError("TaskTimedOut")

    rig.activity.on_beat = gone
    with capture_logs() as lines:
        async with rig.running():
            await rig.activity.polling.wait()
    assert rig.activity.succeeded == []
    assert rig.activity.failed == []
    assert [line["report"] for line in lines if line["event"] == "attempt"] == ["not_needed"]
    assert rig.metrics.of("heartbeat") == ["lost"]
    assert rig.metrics.of("interaction") == ["abandoned"]


async def test_a_heartbeat_that_dies_is_a_fault_of_the_process() -> None:
    rig = Rig()
    rig.work_until_told()

    def bug() -> None:
        raise ZeroDivisionError

    rig.activity.on_beat = bug
    async with rig.running():
        await rig.clock.sleep(HEARTBEAT_SECONDS + 1)
        rig.finish.set()
    assert isinstance(rig.faults[0], ZeroDivisionError)


async def test_a_report_is_tried_again_and_counts_once() -> None:
    rig = Rig()
    failures = [NotConfirmedError("ThrottlingException")] * 3

    def throttle() -> None:
        if failures:
            raise failures.pop()

    rig.activity.on_report = throttle
    async with rig.running():
        await rig.activity.polling.wait()
    assert len(rig.activity.succeeded) == 1
    assert rig.metrics.of("interaction") == ["succeeded"]


async def test_a_report_is_given_up_at_its_deadline() -> None:
    rig = Rig()
    began = rig.clock.monotonic()

    def throttle() -> None:
        raise NotConfirmedError("ThrottlingException")

    rig.activity.on_report = throttle
    with capture_logs() as lines:
        async with rig.running():
            await rig.activity.polling.wait()
    assert rig.activity.succeeded == []
    assert 10 < rig.clock.monotonic() - began < 13
    assert [line["report"] for line in lines if line["event"] == "attempt"] == ["given_up"]


async def test_a_report_that_comes_too_late_is_no_fault() -> None:
    rig = Rig()

    def gone() -> None:
        raise TaskGoneError("TaskTimedOut")

    rig.activity.on_report = gone
    with capture_logs() as lines:
        async with rig.running():
            await rig.activity.polling.wait()
    assert rig.faults == []
    assert [line["report"] for line in lines if line["event"] == "attempt"] == ["too_late"]


async def test_a_task_that_an_open_poll_brings_after_a_stop_is_handed_back_at_once() -> None:
    rig = Rig()
    rig.activity.tasks = []
    rig.activity.at_release = task("late")
    async with rig.running():
        await rig.activity.polling.wait()
    assert [(token, error) for token, error, _ in rig.activity.failed] == [("late", "Worker.Draining")]
    assert rig.details.asked == []


async def test_work_in_progress_ends_by_itself_after_a_stop() -> None:
    rig = Rig()
    rig.work_until_told()
    async with rig.running():
        await rig.working.wait()
        rig.stopping.request()
        rig.finish.set()
    assert len(rig.activity.succeeded) == 1


async def test_hand_back_ends_the_work_and_reports_draining() -> None:
    rig = Rig()
    rig.work_until_told()
    async with rig.running() as slot:
        await rig.working.wait()
        rig.stopping.request()
        assert rig.slots.busy == 1
        assert rig.slots.hand_back() == {slot}
    assert [error for _, error, _ in rig.activity.failed] == ["Worker.Draining"]
    assert rig.metrics.of("interaction") == ["Worker.Draining"]


async def test_a_slot_does_not_poll_while_the_gate_is_closed() -> None:
    rig = Rig()
    rig.may_fetch = False
    async with rig.running():
        await rig.clock.sleep(60)
        assert rig.activity.tasks
        rig.may_fetch = True
        await rig.activity.polling.wait()
    assert len(rig.activity.succeeded) == 1


async def test_a_failing_poll_is_tried_again() -> None:
    rig = Rig()
    polls = [NotConfirmedError("ActivityWorkerLimitExceeded")] * 3
    poll = rig.activity.poll

    async def flaky() -> object:
        if polls:
            raise polls.pop()
        return await poll()

    rig.activity.poll = flaky  # type: ignore[assignment, method-assign]
    async with rig.running():
        await rig.activity.polling.wait()
    assert len(rig.activity.succeeded) == 1


async def test_the_gauge_of_slots_returns_to_nothing() -> None:
    rig = Rig()
    async with rig.running():
        await rig.activity.polling.wait()
    changes: dict[str, int] = {}
    for _, state, change in (call for call in rig.metrics.calls if call[0] == "slot"):
        changes[state] = changes.get(state, 0) + change
    assert changes == {"polling": 0, "busy": 0}
