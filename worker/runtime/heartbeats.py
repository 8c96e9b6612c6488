"""The heartbeats beside one attempt; they end its work when Step Functions no longer waits for it."""

import asyncio
from collections.abc import Callable

from worker.clock import Clock
from worker.errors import NotConfirmedError, TaskGoneError
from worker.ports import ActivityQueue, Metrics
from worker.runtime.health import Tick
from worker.runtime.stopping import Interruptible, Interruption


class Heartbeats:
    """One every `seconds` from now until `stop`, for the task with `token`, whose work happens in `work`.

    Nearly every attempt ends before its first heartbeat, so there is no asyncio task before that one is due.
    """

    def __init__(
        self,
        activity: ActivityQueue,
        token: str,
        work: Interruptible,
        *,
        seconds: float,
        metrics: Metrics,
        tick: Tick,
        clock: Clock,
        fault: Callable[[str, BaseException], None],
    ) -> None:
        self._activity = activity
        self._token = token
        self._work = work
        self._seconds = seconds
        self._metrics = metrics
        self._tick = tick
        self._clock = clock
        self._fault = fault
        self._sending: asyncio.Task[None] | None = None
        self._first = clock.call_later(seconds, self._start)

    def stop(self) -> None:
        self._first.cancel()
        if self._sending is not None:
            self._sending.cancel()

    def _start(self) -> None:
        self._sending = asyncio.create_task(self._send())
        self._sending.add_done_callback(self._watch)

    async def _send(self) -> None:
        while True:
            self._tick()
            delay = self._seconds
            try:
                await self._activity.heartbeat(self._token)
            except TaskGoneError:
                self._metrics.heartbeat("lost")
                self._work.interrupt(Interruption.TASK_GONE)
                return
            except NotConfirmedError:
                self._metrics.heartbeat("failed")
                delay /= 4  # sooner, so that a few failures in a row do not cost the task
            else:
                self._metrics.heartbeat("sent")
            await self._clock.sleep(delay)

    def _watch(self, sending: asyncio.Task[None]) -> None:
        if not sending.cancelled() and (error := sending.exception()):
            self._fault("heartbeat", error)
