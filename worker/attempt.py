"""The use case: one attempt at one interaction. Details are fetched, the record is kept, and that is all.

Nothing here knows AWS or HTTP, and nothing here retries: the state machine decides whether there is another attempt.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from worker.clock import Clock
from worker.errors import AttemptError, Invalid, NotFound, NotReady, Unexpected
from worker.events import INTERACTION_ID, InteractionEvent, parse_time
from worker.outcomes import Failed, Outcome, Succeeded
from worker.ports import ActivityTask, DetailsSource, Metrics, Store

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Task:
    """One task of Step Functions, read."""

    token: str = field(repr=False)
    """Whoever has it can end the task: never log it."""
    event: InteractionEvent | Invalid
    """Invalid when the input is malformed: then no attempt can succeed."""
    execution_arn: str | None = None
    execution_started: datetime | None = None
    retry_count: int | None = None
    """How many attempts the state machine has made before this one."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt."""

    outcome: Outcome
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step took that was begun: details, store."""


class Attempts:
    """Makes attempts. One instance serves all slots."""

    def __init__(
        self,
        details: DetailsSource,
        store: Store,
        metrics: Metrics,
        *,
        not_found_after_seconds: float,
        clock: Clock,
    ) -> None:
        self._details = details
        self._store = store
        self._metrics = metrics
        self._not_found_after_seconds = not_found_after_seconds
        self._clock = clock

    async def make(self, task: Task) -> Attempt:
        """Make one attempt at `task`. Every fault is an outcome, so nothing but a cancellation is raised."""
        seconds: dict[str, float] = {}
        try:
            outcome = await self._steps(task, seconds)
        except AttemptError as error:
            outcome = Failed(error)
        except Exception as error:
            log.exception("attempt_unexpected")
            outcome = Failed(Unexpected(f"{type(error).__name__}: see the worker's log"))
        return Attempt(self._judge_lateness(task, outcome), seconds)

    async def _steps(self, task: Task, seconds: dict[str, float]) -> Outcome:
        if isinstance(task.event, Invalid):
            return Failed(task.event)
        started = self._clock.monotonic()
        details = await self._details.fetch(task.event.interaction_id)
        fetched = self._clock.monotonic()
        seconds["details"] = fetched - started
        if isinstance(details, AttemptError):
            return Failed(details)
        written = await self._store.put(task.event, details)
        seconds["store"] = self._clock.monotonic() - fetched
        if written:
            self._metrics.event_age(max(0.0, self._clock.time() - task.event.time.timestamp()))
        return Succeeded(written)

    def _judge_lateness(self, task: Task, outcome: Outcome) -> Outcome:
        """Analytics is late, within a bound; an interaction still unknown after it does not exist."""
        match outcome:
            case Failed(NotReady() as error) if task.execution_started is not None:
                age = self._clock.time() - task.execution_started.timestamp()
                if age >= self._not_found_after_seconds:
                    return Failed(NotFound(f"{error} (still unknown {age:.0f} s after the execution's start)"))
        return outcome


def read_task(raw: ActivityTask) -> Task:
    """The task in what Step Functions hands out."""
    try:
        document = json.loads(raw.input)
    except (ValueError, RecursionError) as error:
        return Task(raw.token, _not_an_event(error))
    if not isinstance(document, dict):
        return Task(raw.token, Invalid(f"the task's input is a JSON {type(document).__name__}, not an object"))
    arn, retries = document.get("executionArn"), document.get("retryCount")
    started: datetime | None = None
    event: InteractionEvent | Invalid
    try:
        if text := document.get("executionStartTime"):
            started = parse_time(text)
        event = _read_event(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        event = _not_an_event(error)
    return Task(
        raw.token,
        event,
        execution_arn=arn if isinstance(arn, str) else None,
        execution_started=started,
        retry_count=retries if isinstance(retries, int) else None,
    )


def _read_event(document: Mapping[str, Any]) -> InteractionEvent | Invalid:
    """Raises ValueError, KeyError, TypeError or AttributeError for what is missing or of another type."""
    interaction_id = document["interactionId"]
    if not INTERACTION_ID.match(interaction_id):
        return Invalid("the task's interactionId is not of [A-Za-z0-9_-]{1,64}")
    return InteractionEvent(
        interaction_id=interaction_id,
        event_type=str(document["eventType"]),
        time=parse_time(document["timestamp"]),
        event_id=str(document["eventId"]),
    )


def _not_an_event(error: Exception) -> Invalid:
    return Invalid(f"the task's input is not an interaction event: {type(error).__name__}")
