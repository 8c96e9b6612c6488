"""The use case: one attempt at one interaction. Details are fetched, the record is kept, and that is all.

Nothing here knows AWS or HTTP, and nothing here retries: the state machine decides whether there is another attempt.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from worker.errors import AttemptError, Invalid, NotFound, NotReady, Unexpected
from worker.events import INTERACTION_ID, InteractionEvent, parse_time
from worker.outcomes import Failed, Outcome, Succeeded
from worker.ports import DetailsSource, Metrics, Store

log = structlog.get_logger()


@dataclass(slots=True)
class Attempt:
    """One attempt, from the task's input to its outcome."""

    task_input: str
    event: InteractionEvent | None = None
    execution_arn: str | None = None
    execution_started: datetime | None = None
    retry_count: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took."""
    outcome: Outcome | None = None


class Process:
    """Runs attempts. One instance serves all slots."""

    def __init__(
        self,
        details: DetailsSource,
        store: Store,
        metrics: Metrics,
        *,
        not_found_after_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._details = details
        self._store = store
        self._metrics = metrics
        self._not_found_after_seconds = not_found_after_seconds
        self._clock = clock

    async def run(self, attempt: Attempt) -> Outcome:
        """The outcome of the attempt; every fault is one, so nothing but a cancellation is raised."""
        try:
            return await self._steps(attempt)
        except AttemptError as error:
            return Failed(self._judge_lateness(attempt, error))
        except Exception as error:
            log.exception("attempt_unexpected")
            return Failed(Unexpected(f"{type(error).__name__}: see the worker's log"))

    async def _steps(self, attempt: Attempt) -> Outcome:
        event = read_task(attempt)
        started = time.perf_counter()
        details = await self._details.fetch(event.interaction_id)
        if isinstance(details, AttemptError):
            raise details
        fetched = time.perf_counter()
        attempt.seconds["details"] = fetched - started
        written = await self._store.put(event, details)
        attempt.seconds["store"] = time.perf_counter() - fetched
        if written:
            self._metrics.event_age(max(0.0, self._clock() - event.time.timestamp()))
        return Succeeded(written)

    def _judge_lateness(self, attempt: Attempt, error: AttemptError) -> AttemptError:
        """Analytics is late, within a bound; an interaction still unknown after it does not exist."""
        started = attempt.execution_started
        if not isinstance(error, NotReady) or started is None:
            return error
        age = self._clock() - started.timestamp()
        if age < self._not_found_after_seconds:
            return error
        return NotFound(f"{error} (still unknown {age:.0f} s after the execution's start)")


def read_task(attempt: Attempt) -> InteractionEvent:
    """Fill `attempt` from its task's input, and give the event in it.

    Raises errors.Invalid when the state machine hands out something else.
    """
    try:
        document: dict[str, Any] = json.loads(attempt.task_input)
        attempt.execution_arn = document.get("executionArn")
        attempt.retry_count = document.get("retryCount")
        if started := document.get("executionStartTime"):
            attempt.execution_started = parse_time(started)
        event = InteractionEvent(
            interaction_id=document["interactionId"],
            event_type=str(document["eventType"]),
            time=parse_time(document["timestamp"]),
            event_id=str(document["eventId"]),
        )
        valid = bool(INTERACTION_ID.match(event.interaction_id))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(f"the task's input is not an interaction event: {type(error).__name__}") from error
    if not valid:
        raise Invalid("the task's interactionId is not of [A-Za-z0-9_-]{1,64}")
    attempt.event = event
    return event
