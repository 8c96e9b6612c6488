"""What `/livez` and `/readyz` say, and the protection that follows the work."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from worker.errors import NotConfirmedError
from worker.runtime import health
from worker.runtime.health import Outage, Readiness, Watchdog
from worker.runtime.protection import EXPIRES_MINUTES, ScaleInProtection


def test_an_outage_makes_two_lines_however_many_calls_fail() -> None:
    outage = Outage("sqs")
    with capture_logs() as lines:
        for _ in range(1000):
            outage.failed(NotConfirmedError("Throttling"))
        outage.ok()
        outage.ok()
    assert [line["event"] for line in lines] == ["dependency_failing", "dependency_back"]
    assert lines[1]["failures"] == 1000


async def test_a_loop_that_does_not_move_makes_the_process_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog(lambda _: None)
    tick = watchdog.tick("receiver 0")
    assert watchdog.problems() == []
    now = time.monotonic() + health.STALL_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watchdog._own()
    assert watchdog.problems() == ["receiver 0 has not moved for 181 s"]
    tick()
    assert watchdog.problems() == []


async def test_a_watchdog_that_does_not_run_means_the_event_loop_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog = Watchdog(lambda _: None)
    now = time.monotonic() + health.LAG_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert watchdog.problems() == ["the event loop is 11 s late"]


async def test_the_watchdog_measures_the_lag_and_tells_a_stall_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "STALL_SECONDS", -1)
    lags: list[float] = []
    watchdog = Watchdog(lags.append)
    watchdog.tick("slot 0")
    rounds = iter(range(3))

    async def wait(_: float) -> None:
        if next(rounds, None) is None:
            raise asyncio.CancelledError

    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await watchdog.run(wait)
    assert lags == [0.0, 0.0, 0.0]
    assert [(line["event"], line["loop"]) for line in lines] == [("loop_stalled", "slot 0")]


async def test_readiness_names_the_dependency_that_does_not_answer() -> None:
    async def good() -> None: ...

    async def bad() -> None:
        raise NotConfirmedError("AccessDeniedException")

    assert await Readiness({"table": good, "activity": bad}).problems() == ["activity: AccessDeniedException"]


async def test_readiness_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_PROBE_SECONDS", 0.01)

    async def stuck() -> None:
        await asyncio.Event().wait()

    assert await Readiness({"table": stuck}).problems() == ["table: no answer within 0.01 s"]


async def test_a_good_answer_is_not_asked_for_again_at_once_and_a_bad_one_is() -> None:
    asked: list[str] = []
    wrong = [NotConfirmedError("later")]

    async def probe() -> None:
        asked.append("probe")
        if wrong:
            raise wrong.pop()

    readiness = Readiness({"table": probe})
    assert await readiness.problems()
    assert not await readiness.problems()
    assert not await readiness.problems()
    assert len(asked) == 2


class FakeAgent:
    """Remembers what it was asked for; refuses when told to."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.refuses = False

    async def protect(self, minutes: int | None) -> None:
        self.asked.append(minutes)
        if self.refuses:
            raise NotConfirmedError("no")


async def test_protection_is_on_while_there_is_work_renewed_and_off_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = FakeAgent()
    busy = [0]
    protection = ScaleInProtection(agent, lambda: busy[0])
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    await protection.look()
    assert agent.asked == []
    busy[0] = 3
    await protection.look()
    await protection.look()
    assert agent.asked == [EXPIRES_MINUTES]
    now[0] += EXPIRES_MINUTES * 60 * 0.6
    await protection.look()
    assert agent.asked == [EXPIRES_MINUTES, EXPIRES_MINUTES]
    busy[0] = 0
    await protection.look()
    await protection.look()
    assert agent.asked == [EXPIRES_MINUTES, EXPIRES_MINUTES, None]


async def test_an_agent_that_refuses_is_asked_again_and_complained_about_once() -> None:
    agent = FakeAgent()
    agent.refuses = True
    protection = ScaleInProtection(agent, lambda: 1)
    with capture_logs() as lines:
        await protection.look()
        await protection.look()
    assert agent.asked == [EXPIRES_MINUTES, EXPIRES_MINUTES]
    assert [line["event"] for line in lines] == ["task_protection_failing"]
