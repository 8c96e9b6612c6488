"""Calls users' functions beside the event loop: in daemon threads, each call with a deadline.

A function that hangs costs its own call. Its thread is left behind, and nobody ever waits for it: the threads of
`concurrent.futures` would be joined when the interpreter ends.
"""

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import structlog

from worker.clock import Clock

DEADLINE_SECONDS = 30.0
"""How long one call may take, from when it begins to run."""

AT_ONCE = 4
"""Calls at the same time. Functions that compute take turns with the event loop: beside four that do not stop it still
answered 1,400 times per second on two cores, beside eight 230 times, alone 25,000 times."""

MOST_HUNG = 8
"""Threads that hang at the same time, after which the worker ends itself. Each keeps what it holds (memory, a
connection, a lock of its module), and a fresh process has none of that. Fewer would let a few odd interactions end
worker after worker."""

_JUDGED_AFTER_SECONDS = 2.0
"""From a deadline to the look at what still hangs. By then the thread has ended if it ends at all, and what the call
was for is quarantined or reported; a worker that stopped before would hand the same one to the next worker."""

A = TypeVar("A")
R = TypeVar("R")

log = structlog.get_logger()


class FunctionsHangError(Exception):
    """So many threads hang in a user's function that the worker has to be replaced."""


class FunctionThreads:
    """The threads of one worker, for all of its users' functions."""

    def __init__(self, clock: Clock, fault: Callable[[str, BaseException], None]) -> None:
        """`fault` ends the worker, as Lifecycle.fault does."""
        self._clock = clock
        self._fault = fault
        self._free = asyncio.Semaphore(AT_ONCE)
        self._idle: list[_Thread] = []
        self._left_behind: list[_Thread] = []
        self._told: set[str] = set()
        self._faulty = False

    async def call(self, name: str, function: Callable[[A], R], argument: A) -> R:
        """What `function` returns; it raises nothing. `name` is the setting's, for the log.

        Raises TimeoutError when it takes longer than DEADLINE_SECONDS.
        """
        async with self._free:
            thread = self._idle.pop() if self._idle else _Thread()
            try:
                async with self._clock.timeout(DEADLINE_SECONDS):
                    result: R = await thread.begin(partial(function, argument))
            except TimeoutError:
                self._leave_behind(thread)
                self._tell(name)
                self._clock.call_later(_JUDGED_AFTER_SECONDS, partial(self._judge, name))
                raise TimeoutError(f"no answer within {DEADLINE_SECONDS:g} s") from None
            except asyncio.CancelledError:
                self._leave_behind(thread)
                raise
            self._idle.append(thread)
            return result

    def _leave_behind(self, thread: "_Thread") -> None:
        thread.leave()
        self._left_behind = [one for one in self._left_behind if one.alive]
        self._left_behind.append(thread)

    def _tell(self, name: str) -> None:
        if name not in self._told:
            self._told.add(name)
            log.error("function_hangs", function=name, seconds=DEADLINE_SECONDS, detail="told once per function")

    def _judge(self, name: str) -> None:
        if not self._faulty and sum(thread.alive for thread in self._left_behind) >= MOST_HUNG:
            self._faulty = True
            self._fault(name, FunctionsHangError())


class _Overdue(BaseException):
    """Raised inside a function whose call nobody waits for any more."""


class _Thread:
    """One thread, which works off one call after the other until it is left."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._left = False
        self._thread = threading.Thread(target=self._run, name="users-function", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def begin(self, call: Callable[[], R]) -> "asyncio.Future[R]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()

        def work() -> None:
            result = call()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_resolve, future, result)

        self._calls.put(work)
        return future

    def leave(self) -> None:
        """Let the thread end with its call, and now where that is Python code: a loop without an end, say.

        One that is in a C function gets the exception when that returns.
        """
        self._left = True
        self._calls.put(_nothing)  # the call may have ended this moment
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(_Overdue))

    def _run(self) -> None:
        with contextlib.suppress(_Overdue):
            while not self._left:
                self._calls.get()()


def _nothing() -> None:
    """A call that ends at once."""


def _resolve(future: "asyncio.Future[Any]", result: object) -> None:
    if not future.done():
        future.set_result(result)
