"""Activity slots: poll, work, report, again.

A slot is one open poll or one interaction in work, so concurrency is bounded by construction and no task waits in
memory while its heartbeat runs out.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Literal, cast

import structlog

from worker.attempt import Attempt, Attempts, Task, read_task
from worker.clock import Clock
from worker.errors import Draining, NotConfirmedError, TaskGoneError
from worker.events import InteractionEvent
from worker.outcomes import Abandoned, Failed, Outcome, Succeeded
from worker.ports import ActivityQueue, ActivityTask, Metrics
from worker.runtime.health import Tick, dependency_trouble
from worker.runtime.heartbeats import Heartbeats
from worker.runtime.stopping import LOOK_AGAIN_SECONDS, Backoff, Interruptible, Interruption, Stopping

_REPORT_SECONDS = 10.0
"""How long a report is tried, besides the last call's own timeouts. Less than what is left of the state machine's
HeartbeatSeconds when the last heartbeat was sent, so that a report never races the next attempt."""

Report = Literal["accepted", "too_late", "not_needed", "given_up"]
"""What became of a report: Step Functions took it; no longer waited; had said before that it does not wait; was never
told, because no call was confirmed."""

log = structlog.get_logger()


class Slots:
    """The state that slots share; `slot` is the loop of one."""

    def __init__(
        self,
        activity: ActivityQueue,
        attempts: Attempts,
        metrics: Metrics,
        stopping: Stopping,
        *,
        heartbeat_seconds: float,
        clock: Clock,
        fault: Callable[[str, BaseException], None],
        may_fetch: Callable[[], bool] = lambda: True,
    ) -> None:
        """While `may_fetch` says no, slots do not poll; what is in work goes on."""
        self._may_fetch = may_fetch
        self._activity = activity
        self._attempts = attempts
        self._metrics = metrics
        self._stopping = stopping
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        self._fault = fault
        self._working: set[Interruptible] = set()
        self._in_hand: set[asyncio.Task[None]] = set()
        self._polling = dependency_trouble(clock, "stepfunctions_activity")

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
        backoff = Backoff(self._clock)
        while not self._stopping.requested:
            tick()
            if not self._may_fetch():
                await self._stopping.sleep(self._clock.uniform(*LOOK_AGAIN_SECONDS))
                continue
            self._metrics.slot("polling", 1)
            try:
                task = await self._activity.poll()
            except NotConfirmedError as error:
                self._polling.failed(error.code)
                await self._stopping.sleep(backoff.delay())
                continue
            finally:
                self._metrics.slot("polling", -1)
            backoff.reset()
            self._polling.succeeded()
            if task is not None:
                tick()
                await self._take(task, tick)

    async def _take(self, raw: ActivityTask, tick: Tick) -> None:
        started = self._clock.monotonic()
        task = read_task(raw)
        slot = cast("asyncio.Task[None]", asyncio.current_task())
        self._in_hand.add(slot)
        self._metrics.slot("busy", 1)
        try:
            if self._stopping.requested:
                attempt = Attempt(Failed(Draining("the worker was shutting down when the task arrived")))
            else:
                attempt = await self._work(task, tick)
            reporting = self._clock.monotonic()
            report = await self._report(task, attempt.outcome)
            ended = self._clock.monotonic()
        finally:
            self._metrics.slot("busy", -1)
            self._in_hand.discard(slot)
        self._metrics.interaction(attempt.outcome.label, ended - started)
        _log_attempt(task, attempt, report, {**attempt.seconds, "report": ended - reporting}, ended - started)

    async def _work(self, task: Task, tick: Tick) -> Attempt:
        """The attempt, with heartbeats beside it; ends early when the task is gone or the drain is over."""
        attempt: Attempt | None = None
        scope = Interruptible()
        heartbeats = Heartbeats(
            self._activity,
            task.token,
            scope,
            seconds=self._heartbeat_seconds,
            metrics=self._metrics,
            tick=tick,
            clock=self._clock,
            fault=self._fault,
        )
        self._working.add(scope)
        try:
            async with scope:
                attempt = await self._attempts.make(task)
        finally:
            self._working.discard(scope)
            heartbeats.stop()
        if attempt is not None:
            return attempt
        if scope.reason is Interruption.TASK_GONE:
            return Attempt(Abandoned(Interruption.TASK_GONE))
        return Attempt(Failed(Draining("the worker shut down before the attempt was done")))

    async def _report(self, task: Task, outcome: Outcome) -> Report:
        """Tell Step Functions. Given up loudly: the missing heartbeats bring the task back."""
        deadline = self._clock.monotonic() + _REPORT_SECONDS
        backoff = Backoff(self._clock, 0.1, 2.0)
        while True:
            try:
                match outcome:
                    case Succeeded() as success:
                        await self._activity.succeed(task.token, json.dumps(success.changes))
                    case Failed(error):
                        await self._activity.fail(task.token, error.name, str(error))
                    case Abandoned():
                        return "not_needed"
            except TaskGoneError:
                return "too_late"
            except NotConfirmedError as error:
                if self._clock.monotonic() > deadline:
                    log.error("report_given_up", outcome=outcome.label, error=error.code)  # noqa: TRY400
                    return "given_up"
                await self._clock.sleep(backoff.delay())
            else:
                return "accepted"


def _log_attempt(task: Task, attempt: Attempt, report: Report, steps: Mapping[str, float], seconds: float) -> None:
    """The one line about an attempt."""
    fields: dict[str, object] = {f"{step}_seconds": round(took, 4) for step, took in steps.items()}
    match attempt.outcome:
        case Succeeded() as success:
            fields |= success.changes
        case Failed(error):
            fields["detail"] = str(error)
        case Abandoned(reason):
            fields["detail"] = reason
    if isinstance(task.event, InteractionEvent):
        fields |= {"interaction_id": task.event.interaction_id, "event_id": task.event.event_id}
    write = log.info if isinstance(attempt.outcome, Succeeded) else log.warning
    write(
        "attempt",
        outcome=attempt.outcome.label,
        report=report,
        seconds=round(seconds, 4),
        execution_arn=task.execution_arn,
        retry_count=task.retry_count,
        **fields,
    )
