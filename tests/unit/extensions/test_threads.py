"""Users' functions run beside the event loop, each call with a deadline."""

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.support.worker_process import until
from worker.clock import SystemClock
from worker.extensions import threads
from worker.extensions.threads import AT_ONCE, MOST_HUNG, FunctionsHangError, FunctionThreads


class Rig:
    """The threads, and the faults that they report."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, BaseException]] = []
        self.threads = FunctionThreads(SystemClock(), lambda name, error: self.faults.append((name, error)))
        self.let_go = threading.Event()

    def hang(self, _: object) -> None:
        """In a function of C, which no exception reaches."""
        self.let_go.wait()

    async def hung(self, name: str = "mine:hang", times: int = 1) -> None:
        calls = (self.threads.call(name, self.hang, None) for _ in range(times))
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ended] == [TimeoutError] * times


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(threads, "DEADLINE_SECONDS", 0.05)
    monkeypatch.setattr(threads, "_JUDGED_AFTER_SECONDS", 0.1)
    rig = Rig()
    yield rig
    rig.let_go.set()


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "users-function"]


async def test_the_event_loop_goes_on_while_a_function_runs() -> None:
    rig = Rig()
    began = threading.Event()

    def waits_for_the_loop(seconds: float) -> str:
        began.set()
        assert rig.let_go.wait(seconds)
        return "done"

    call = asyncio.create_task(rig.threads.call("mine:function", waits_for_the_loop, 20))
    await until(began.is_set)
    rig.let_go.set()
    assert await call == "done"


async def test_one_thread_serves_calls_one_after_the_other() -> None:
    rig = Rig()
    names = {await rig.threads.call("mine:function", lambda _: threading.get_ident(), None) for _ in range(20)}
    assert len(names) == 1


async def test_threads_never_hold_up_the_interpreters_end(rig: Rig) -> None:
    await rig.hung()
    assert running()
    assert all(thread.daemon for thread in running())


async def test_a_function_that_hangs_costs_its_own_call_and_is_named_once(rig: Rig) -> None:
    with capture_logs() as lines:
        await rig.hung(times=3)
        await rig.hung("mine:other")
    assert [(line["event"], line["function"]) for line in lines] == [
        ("function_hangs", "mine:hang"),
        ("function_hangs", "mine:other"),
    ]
    assert await rig.threads.call("mine:function", str, 1) == "1"
    rig.threads._judge("mine:function")
    assert rig.faults == []


async def test_others_are_called_while_as_many_hang_as_run_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST_HUNG", AT_ONCE + 1)
    await rig.hung(times=AT_ONCE)
    assert await rig.threads.call("mine:function", str, 1) == "1"


async def test_a_worker_in_which_many_hang_ends_itself(rig: Rig) -> None:
    await rig.hung(times=MOST_HUNG)
    assert rig.faults == [], "not before what the calls were for has been quarantined or reported"
    await until(lambda: rig.faults)
    name, error = rig.faults[0]
    assert (name, type(error)) == ("mine:hang", FunctionsHangError)


async def test_a_loop_without_an_end_is_ended_and_does_not_count(rig: Rig) -> None:
    ended: list[BaseException] = []

    def spin(_: object) -> None:
        try:
            while True:
                pass
        except BaseException as error:
            ended.append(error)
            raise

    def guarded(argument: object) -> None:
        try:
            spin(argument)
        except BaseException:  # noqa: BLE001 - as the callers of users' functions do
            return

    before = len(running())
    for _ in range(MOST_HUNG + 2):
        with pytest.raises(TimeoutError):
            await rig.threads.call("mine:spin", guarded, None)
    await until(lambda: len(running()) == before)
    assert len(ended) == MOST_HUNG + 2
    rig.threads._judge("mine:function")
    assert rig.faults == []


async def test_threads_that_came_back_late_do_not_count(rig: Rig) -> None:
    for _ in range(MOST_HUNG + 2):
        await rig.hung()
        rig.let_go.set()
        await until(lambda: not any(thread.alive for thread in rig.threads._left_behind))
        rig.let_go.clear()
    rig.threads._judge("mine:function")
    assert rig.faults == []


async def test_a_thread_that_is_left_when_its_call_has_just_ended_ends_too() -> None:
    thread = threads._Thread()
    await thread.begin(lambda: None)
    await until(lambda: sys._current_frames()[thread._thread.ident or 0].f_code.co_name == "_run")
    thread.leave()
    await until(lambda: not thread.alive)


async def test_a_call_that_nobody_waits_for_any_more_gives_its_place_back() -> None:
    rig = Rig()
    begun = threading.Semaphore(0)

    def hang(_: object) -> None:
        begun.release()
        rig.let_go.wait()

    calls = [asyncio.create_task(rig.threads.call("mine:hang", hang, None)) for _ in range(AT_ONCE)]
    await until(lambda: begun._value == AT_ONCE)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert await rig.threads.call("mine:function", str, 1) == "1"
    rig.let_go.set()
