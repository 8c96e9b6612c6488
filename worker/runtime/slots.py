"""Activity slots: poll, work, report, again.

A slot is one open poll or one interaction in work, so concurrency is bounded by construction and no task waits in
memory while its heartbeat runs out.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import cast

import structlog

from worker.attempt import Attempt, Process
from worker.errors import Draining, NotConfirmedError, TaskGoneError
from worker.outcomes import Abandoned, Failed, Outcome, Succeeded
from worker.ports import ActivityQueue, ActivityTask, Metrics
from worker.runtime.health import Outage, Tick
from worker.runtime.heartbeats import Heartbeats
from worker.runtime.stopping import Backoff, Interruptible, Interruption, Stopping

_REPORT_SECONDS = 10.0
"""How long a report is tried, besides the last call's own time-outs. Less than what is left of the state machine's
HeartbeatSeconds when the last heartbeat was sent, so that a report never races the next attempt."""

log = structlog.get_logger()


class Slots:
    """The state that slots share; `slot` is the loop of one."""

    def __init__(
        self,
        activity: ActivityQueue,
        process: Process,
        metrics: Metrics,
        stopping: Stopping,
        *,
        heartbeat_seconds: float,
        fault: Callable[[str, BaseException], None],
    ) -> None:
        self._activity = activity
        self._process = process
        self._metrics = metrics
        self._stopping = stopping
        self._heartbeat_seconds = heartbeat_seconds
        self._fault = fault
        self._working: set[Interruptible] = set()
        self._in_hand: set[asyncio.Task[None]] = set()
        self._polling = Outage("stepfunctions activity")

    @property
    def busy(self) -> int:
        """How many tasks are in hand: in work or being reported."""
        return len(self._in_hand)

    def hand_back(self) -> set[asyncio.Task[None]]:
        """End all work now; each slot reports Worker.Draining, so that another worker takes the task at once.

        The slots that have a task in hand: each ends when it has reported.
        """
        for work in list(self._working):
            work.interrupt(Interruption.DRAIN_OVER)
        return set(self._in_hand)

    async def slot(self, tick: Tick) -> None:
        """One slot, until a stop is requested. An open poll is awaited, because a task is handed out only once."""
        backoff = Backoff()
        while not self._stopping.requested:
            tick()
            self._metrics.slot("polling", 1)
            try:
                task = await self._activity.poll()
            except NotConfirmedError as error:
                self._polling.failed(error)
                await self._stopping.sleep(backoff.delay())
                continue
            finally:
                self._metrics.slot("polling", -1)
            backoff.reset()
            self._polling.ok()
            if task is not None:
                tick()
                await self._take(task, tick)

    async def _take(self, task: ActivityTask, tick: Tick) -> None:
        started = time.perf_counter()
        attempt = Attempt(task.input)
        slot = cast("asyncio.Task[None]", asyncio.current_task())
        self._in_hand.add(slot)
        self._metrics.slot("busy", 1)
        try:
            if self._stopping.requested:
                attempt.outcome = Failed(Draining("the worker was shutting down when the task arrived"))
            else:
                attempt.outcome = await self._work(task, attempt, tick)
            reporting = time.perf_counter()
            report = await self._report(task, attempt.outcome)
            attempt.seconds["report"] = time.perf_counter() - reporting
        finally:
            self._metrics.slot("busy", -1)
            self._in_hand.discard(slot)
        seconds = time.perf_counter() - started
        self._metrics.interaction(attempt.outcome.label, seconds)
        _log_attempt(attempt, attempt.outcome, report, seconds)

    async def _work(self, task: ActivityTask, attempt: Attempt, tick: Tick) -> Outcome:
        """The attempt, with heartbeats beside it; ends early when the task is gone or the drain is over."""
        outcome: Outcome | None = None
        scope = Interruptible()
        heartbeats = Heartbeats(
            self._activity,
            task.token,
            scope,
            seconds=self._heartbeat_seconds,
            metrics=self._metrics,
            tick=tick,
            fault=self._fault,
        )
        self._working.add(scope)
        try:
            async with scope:
                outcome = await self._process.run(attempt)
        finally:
            self._working.discard(scope)
            heartbeats.stop()
        if outcome is not None:
            return outcome
        if scope.reason is Interruption.TASK_GONE:
            return Abandoned(Interruption.TASK_GONE)
        return Failed(Draining("the worker shut down before the attempt was done"))

    async def _report(self, task: ActivityTask, outcome: Outcome) -> str:
        """Tell Step Functions; says how that went. Given up loudly: the missing heartbeats bring the task back."""
        deadline = time.monotonic() + _REPORT_SECONDS
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                match outcome:
                    case Succeeded(written):
                        await self._activity.succeed(task.token, json.dumps({"written": written}))
                    case Failed(error):
                        await self._activity.fail(task.token, error.name, str(error))
                    case Abandoned():
                        return "nobody waits"
            except TaskGoneError:
                return "came too late"
            except NotConfirmedError as error:
                if time.monotonic() > deadline:
                    log.error("report_given_up", outcome=outcome.label, error=str(error))  # noqa: TRY400
                    return "given up"
                await asyncio.sleep(backoff.delay())
            else:
                return "taken"


def _log_attempt(attempt: Attempt, outcome: Outcome, report: str, seconds: float) -> None:
    """The one line about an attempt."""
    fields: dict[str, object] = {f"{step}_seconds": round(took, 4) for step, took in attempt.seconds.items()}
    match outcome:
        case Succeeded(written):
            fields["written"] = written
        case Failed(error):
            fields["cause"] = str(error)
        case Abandoned(reason):
            fields["cause"] = reason
    if attempt.event is not None:
        fields |= {"interaction_id": attempt.event.interaction_id, "event_id": attempt.event.event_id}
    write = log.info if isinstance(outcome, Succeeded) else log.warning
    write(
        "attempt",
        outcome=outcome.label,
        report=report,
        seconds=round(seconds, 4),
        execution_arn=attempt.execution_arn,
        retry_count=attempt.retry_count,
        **fields,
    )
