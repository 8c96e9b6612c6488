"""Slots: heartbeats beside the work, a report for every task, and hand-back at a stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.fakes import DETAILS, FakeActivity, FakeDetails, FakeStore, RecordingMetrics
from tests.unit.samples import task
from worker.attempt import Process
from worker.errors import NotConfirmedError, NotReady, TaskGoneError
from worker.ports import Details
from worker.runtime.health import Tick
from worker.runtime.slots import Slots
from worker.runtime.stopping import Backoff, Stopping


class Rig:
    """One slot on fakes."""

    def __init__(self, *, heartbeat_seconds: float = 1000) -> None:
        self.activity = FakeActivity(tasks=[task()])
        self.details = FakeDetails()
        self.metrics = RecordingMetrics()
        self.stopping = Stopping()
        self.faults: list[BaseException] = []
        process = Process(self.details, FakeStore(), self.metrics, not_found_after_seconds=10**12)
        self.slots = Slots(
            self.activity,
            process,
            self.metrics,
            self.stopping,
            heartbeat_seconds=heartbeat_seconds,
            fault=lambda _, error: self.faults.append(error),
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
        slot = asyncio.create_task(self.slots.slot(Tick("slot")))
        try:
            yield slot
        finally:
            self.stopping.request()
            self.activity.release.set()
            await slot
        assert self.slots.busy == 0
        assert not self.slots._working


@pytest.fixture(autouse=True)
def _fast_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda _: 0.001)


async def test_a_task_is_worked_on_and_reported() -> None:
    rig = Rig()
    async with rig.running():
        await rig.activity.polling.wait()
    assert rig.activity.succeeded == [("token-1", '{"written": true}')]
    assert rig.metrics.of("interaction") == ["succeeded"]


async def test_a_failure_is_reported_under_its_name() -> None:
    rig = Rig()

    async def answer(_: str) -> Details:
        raise NotReady("not in the answer yet")

    rig.details.answer = answer
    async with rig.running():
        await rig.activity.polling.wait()
    assert rig.activity.failed == [("token-1", "Interaction.NotReady", "not in the answer yet")]
    assert rig.metrics.of("interaction") == ["Interaction.NotReady"]


async def test_heartbeats_go_on_while_the_work_lasts_and_end_with_it() -> None:
    rig = Rig(heartbeat_seconds=0.001)
    rig.work_until_told()
    async with rig.running():
        while len(rig.activity.beats) < 5:
            await asyncio.sleep(0.001)
        rig.finish.set()
        await rig.activity.reported.wait()
        beats = len(rig.activity.beats)
        await rig.activity.polling.wait()
        await asyncio.sleep(0.02)
        assert len(rig.activity.beats) == beats


async def test_a_failing_heartbeat_is_sent_again() -> None:
    rig = Rig(heartbeat_seconds=0.001)
    rig.work_until_told()

    def throttle() -> None:
        if len(rig.activity.beats) < 4:
            raise NotConfirmedError("ThrottlingException")

    rig.activity.on_beat = throttle
    async with rig.running():
        while len(rig.activity.beats) < 6:
            await asyncio.sleep(0.001)
        rig.finish.set()
        await rig.activity.reported.wait()
    assert rig.metrics.of("heartbeat")[:4] == ["failed", "failed", "failed", "sent"]


async def test_a_lost_heartbeat_cancels_the_work_and_nothing_is_reported() -> None:
    rig = Rig(heartbeat_seconds=0.001)
    rig.work_until_told()

    def gone() -> None:
        raise TaskGoneError("TaskTimedOut")

    rig.activity.on_beat = gone
    async with rig.running():
        await rig.activity.polling.wait()
    assert rig.activity.succeeded == []
    assert rig.activity.failed == []
    assert rig.metrics.of("heartbeat") == ["lost"]
    assert rig.metrics.of("interaction") == ["abandoned"]


async def test_a_heartbeat_that_dies_is_a_fault_of_the_process() -> None:
    rig = Rig(heartbeat_seconds=0.001)
    rig.work_until_told()

    def bug() -> None:
        raise ZeroDivisionError

    rig.activity.on_beat = bug
    async with rig.running():
        while not rig.faults:
            await asyncio.sleep(0.001)
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


async def test_a_report_is_given_up_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.runtime.slots._REPORT_SECONDS", 0)
    rig = Rig()

    def throttle() -> None:
        raise NotConfirmedError("ThrottlingException")

    rig.activity.on_report = throttle
    async with rig.running():
        await rig.activity.polling.wait()
    assert rig.activity.succeeded == []


async def test_a_report_that_comes_too_late_is_no_fault() -> None:
    rig = Rig()

    def gone() -> None:
        raise TaskGoneError("TaskTimedOut")

    rig.activity.on_report = gone
    async with rig.running():
        await rig.activity.polling.wait()
    assert rig.faults == []


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
