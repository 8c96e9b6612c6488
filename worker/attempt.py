"""The use case: one attempt at one interaction. Details are fetched, the record is kept, and that is all.

Nothing here knows AWS or HTTP, and nothing here retries: the state machine decides whether there is another attempt.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.clock import Clock
from worker.errors import AttemptError, Incomplete, Invalid, NotFound, NotReady, Unexpected
from worker.events import INTERACTION_ID, RECONCILE, InteractionEvent, parse_time
from worker.outcomes import Failed, Outcome, Succeeded
from worker.ports import ActivityTask, DetailsSource, Kept, Metrics, Store
from worker.record import Freshness, Known, should_look_again

KNOWN_DEFINITION = 3
"""The definition of the state machine that this version comes with: the first that sets suspects apart. Under an older
one `Interaction.Unavailable` takes the retrier for whatever has no name, and no task says `alone`."""

_KNOWS_INCOMPLETE = 2
"""The first definition of the state machine that knows Interaction.Incomplete. An older one would make it a dead letter
after its retries, and executions go on under the definition that they started with."""

_WHY_UNKNOWN = "deleted, of another organisation, or in a division that the OAuth client's role does not cover"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Task:
    """One task of Step Functions, read."""

    token: str = field(repr=False)
    """Whoever has it can end the task: never log it."""
    event: InteractionEvent | Invalid
    """Invalid when the input is malformed: then no attempt can succeed."""
    execution_arn: str | None = None
    entered: datetime | None = None
    """When the execution's state was entered: what lateness counts from."""
    definition: int = 1
    """Which version of the state machine's definition the execution runs under; 0.1.0's does not say."""
    retry_count: int | None = None
    """How many attempts the state machine has made before this one."""
    alone: bool = False
    """Whether an attempt before this one failed for a reason that may be the interaction's own: then its details are
    asked for by a request of their own, which can spoil nobody else's."""


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
        fresh: Freshness,
        not_found_after_seconds: float,
        clock: Clock,
        open_since: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`open_since`: when an outage or a pause last ended (seconds since the epoch); lateness counts from then."""
        self._open_since = open_since
        self._details = details
        self._store = store
        self._metrics = metrics
        self._fresh = fresh
        self._not_found_after_seconds = not_found_after_seconds
        self._clock = clock

    async def make(self, task: Task) -> Attempt:
        """Make one attempt at `task`. Every fault is an outcome, so nothing but a cancellation is raised."""
        seconds: dict[str, float] = {}
        try:
            outcome = await self._steps(task, seconds)
        except AttemptError as error:
            # A traceback would refer to this frame, and hold the details until the garbage collector's next round.
            outcome = Failed(error.with_traceback(None))
        except Exception as error:
            log.exception("attempt_unexpected")
            outcome = Failed(Unexpected(f"{type(error).__name__}: see the worker's log"))
        return Attempt(self._judge_lateness(task, outcome), seconds)

    async def _steps(self, task: Task, seconds: dict[str, float]) -> Outcome:
        if isinstance(task.event, Invalid):
            return Failed(task.event)
        started = self._clock.monotonic()
        details = await self._details.fetch(task.event.interaction_id, alone=task.alone)
        fetched = self._clock.monotonic()
        seconds["details"] = fetched - started
        if isinstance(details, AttemptError):
            return Failed(details)
        kept = await self._store.put(task.event, details)
        seconds["store"] = self._clock.monotonic() - fetched
        self._count(task.event, kept)
        if self._lacks_its_end(task, task.event, kept.known):
            return Failed(Incomplete("stored; the details have no end yet"))
        return Succeeded(kept.details, kept.event)

    def _count(self, event: InteractionEvent, kept: Kept) -> None:
        self._metrics.record("details" if kept.details else "event_only" if kept.event else "unchanged")
        if kept.event and event.event_type != RECONCILE:
            self._metrics.event_age(max(0.0, self._clock.time() - event.time.timestamp()))

    def _lacks_its_end(self, task: Task, event: InteractionEvent, known: Known) -> bool:
        """Whether another attempt should look for the end; a definition that does not know the error has none."""
        if task.entered is None or task.definition < _KNOWS_INCOMPLETE:
            return False
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        return should_look_again(known, event, self._fresh, entered=self._counts_from(task.entered), now=now)

    def _counts_from(self, entered: datetime) -> datetime:
        """When lateness begins: Genesys Cloud catches up after an outage, and nothing was asked during it."""
        return max(entered, datetime.fromtimestamp(self._open_since(), UTC))

    def _judge_lateness(self, task: Task, outcome: Outcome) -> Outcome:
        """Analytics is late, within a bound; an interaction still unknown after it does not exist."""
        match outcome:
            case Failed(NotReady() as error) if task.entered is not None:
                age = self._clock.time() - self._counts_from(task.entered).timestamp()
                if age >= self._not_found_after_seconds:
                    return Failed(NotFound(f"{error} (still unknown after {age:.0f} s): {_WHY_UNKNOWN}"))
        return outcome


def read_task(raw: ActivityTask) -> Task:
    """The task in what Step Functions hands out."""
    try:
        document = json.loads(raw.input)
    except (ValueError, RecursionError) as error:
        return Task(raw.token, _not_an_event(error))
    if not isinstance(document, dict):
        return Task(raw.token, Invalid(f"the task's input is a JSON {type(document).__name__}, not an object"))
    arn, retries, definition = (document.get(name) for name in ("executionArn", "retryCount", "definition"))
    entered: datetime | None = None
    event: InteractionEvent | Invalid
    try:
        if text := document.get("enteredTime") or document.get("executionStartTime"):
            entered = parse_time(text)
        event = _read_event(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        event = _not_an_event(error)
    return Task(
        raw.token,
        event,
        execution_arn=arn if isinstance(arn, str) else None,
        entered=entered,
        definition=definition if isinstance(definition, int) else 1,
        retry_count=retries if isinstance(retries, int) else None,
        alone=document.get("alone") is True,
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
