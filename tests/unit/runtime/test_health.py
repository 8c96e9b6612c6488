"""What `/livez` and `/readyz` say."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.support.virtual_time import VirtualClock
from worker.cancellation import cancel_and_wait
from worker.errors import NotConfirmedError
from worker.runtime import health
from worker.runtime.health import Readiness, Watchdog, dependency_trouble

CLOCK = VirtualClock()


async def test_a_dependency_that_fails_makes_two_lines_however_many_calls_fail() -> None:
    trouble = dependency_trouble(CLOCK, "sqs")
    with capture_logs() as lines:
        for _ in range(1000):
            trouble.failed("Throttling")
        await CLOCK.sleep(60)
        trouble.succeeded()
        trouble.succeeded()
    failing, back = lines
    assert (failing["event"], failing["dependency"], failing["error"]) == ("dependency_failing", "sqs", "Throttling")
    assert (back["event"], back["dependency"], back["failures"]) == ("dependency_back", "sqs", 1000)
    assert back["seconds"] == 60


async def test_a_loop_that_does_not_move_makes_the_process_not_alive() -> None:
    watchdog = Watchdog(lambda _: None, CLOCK)
    tick = watchdog.tick("receiver_0")
    assert watchdog.problems() == []
    await CLOCK.sleep(health.STALL_SECONDS + 1)
    watchdog._own()
    assert watchdog.problems() == ["receiver_0 has not moved for 181 s"]
    tick()
    assert watchdog.problems() == []


async def test_a_watchdog_that_does_not_run_means_the_event_loop_is_late() -> None:
    watchdog = Watchdog(lambda _: None, CLOCK)
    await CLOCK.sleep(health.LAG_SECONDS + 1)
    assert watchdog.problems() == ["the event loop is 11 s late"]


class LateClock(VirtualClock):
    """Half a second late with every timer."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + 0.5)


async def test_the_watchdog_measures_the_lag_and_tells_a_stall_once() -> None:
    lags: list[float] = []
    watchdog = Watchdog(lags.append, LateClock())
    watchdog.tick("slot_0")
    running = asyncio.create_task(watchdog.run())
    with capture_logs() as lines:
        await CLOCK.sleep(health.STALL_SECONDS * 2)
    await cancel_and_wait(running)
    assert set(lags) == {0.5}
    assert [(line["event"], line["loop"]) for line in lines] == [("loop_stalled", "slot_0")]


async def test_each_round_puts_off_the_end_of_a_stuck_process(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[tuple[float, float, bool]] = []

    def dump_traceback_later(seconds: float, *, exit: bool) -> None:  # noqa: A002 -- the name of the real one
        armed.append((CLOCK.monotonic(), seconds, exit))

    monkeypatch.setattr("faulthandler.dump_traceback_later", dump_traceback_later)
    running = asyncio.create_task(Watchdog(lambda _: None, CLOCK, health.end_when_stuck).run())
    began = CLOCK.monotonic()
    await CLOCK.sleep(4.5)
    await cancel_and_wait(running)
    assert armed == [(began + second, health.STUCK_SECONDS, True) for second in range(5)]


async def test_readiness_names_the_dependency_that_does_not_answer() -> None:
    async def good() -> None: ...

    async def bad() -> None:
        raise NotConfirmedError("AccessDeniedException")

    assert await Readiness({"table": good, "activity": bad}, CLOCK).problems() == ["activity: AccessDeniedException"]


async def test_readiness_does_not_wait_for_ever() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    assert await Readiness({"table": stuck}, CLOCK).problems() == ["table: no answer within 3 s"]


async def test_no_answer_is_asked_for_again_at_once_be_it_good_or_bad() -> None:
    asked: list[str] = []
    wrong = [NotConfirmedError("later")]

    async def probe() -> None:
        asked.append("probe")
        if wrong:
            raise wrong.pop()

    readiness = Readiness({"table": probe}, CLOCK)
    for expected in (["table: later"], []):
        for _ in range(3):
            assert await readiness.problems() == expected
        await CLOCK.sleep(6)
    assert len(asked) == 2
