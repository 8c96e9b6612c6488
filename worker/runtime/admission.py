"""What becomes of the events that the intake received together: the plan, and its execution."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from worker.clock import Clock
from worker.errors import NotConfirmedError
from worker.ports import EventOutcome, Executions, Items
from worker.record import Freshness, Known
from worker.runtime.health import dependency_trouble
from worker.runtime.plan import (
    PATIENCE,
    Action,
    Arrival,
    Follow,
    Settle,
    Start,
    Started,
    plan,
    wait_seconds,
)

_LOOK_SECONDS = 5.0
"""How long the lookup may take, well within the shortest visibility timeout; it usually takes a hundredth of it."""

_MOST_REMEMBERED = 10_000
"""Executions that this worker remembers to have started; beyond, an event that could follow starts one too many."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """Another event's execution will cover this one: look again in so many seconds."""

    seconds: float


Ending = EventOutcome | PutOff
Call = Callable[[], Awaitable[Ending]]
"""Carries out the action for one event. Raises NotConfirmedError, and InvalidEventError as Executions.start does."""


class Admission:
    """Shared by the receivers of one worker."""

    def __init__(self, executions: Executions, items: Items, fresh: Freshness, clock: Clock) -> None:
        self._executions = executions
        self._items = items
        self._fresh = fresh
        self._clock = clock
        self._lately: dict[str, Started] = {}
        self._looking = dependency_trouble(clock, "interaction_table_lookup")

    async def calls(self, arrivals: Sequence[Arrival]) -> list[Call]:
        """What to do for each of the events, in their order; nothing is done yet."""
        known = await self._look({arrival.event.interaction_id for arrival in arrivals})
        if known is None:
            # Nothing could be found to be covered later either, so each event gets an execution of its own.
            actions: Sequence[Action] = [Start(arrival.event.execution_name) for arrival in arrivals]
        else:
            actions = plan(arrivals, known, self._lately, self._fresh, self._now())
        return [partial(self._carry_out, arrival, action) for arrival, action in zip(arrivals, actions, strict=True)]

    async def _look(self, interaction_ids: set[str]) -> Mapping[str, Known] | None:
        """The items that are there; None when they cannot be had, which costs executions and loses nothing."""
        if not interaction_ids:
            return {}
        try:
            async with self._clock.timeout(_LOOK_SECONDS):
                known = await self._items.look(interaction_ids)
        except (NotConfirmedError, TimeoutError) as error:
            code = error.code if isinstance(error, NotConfirmedError) else type(error).__name__
            self._looking.failed(code, "each event starts an execution of its own")
            return None
        self._looking.succeeded()
        return known

    async def _carry_out(self, arrival: Arrival, action: Action) -> Ending:
        match action:
            case Follow():
                return PutOff(wait_seconds(arrival.receives, self._fresh))
            case Settle(write):
                if not write or await self._items.settle(arrival.event):
                    return "covered"
                # Erased, expired or replaced since it was read.
                return await self._start(arrival, Start(arrival.event.execution_name))
            case Start():
                return await self._start(arrival, action)

    async def _start(self, arrival: Arrival, start: Start) -> Ending:
        event, now = arrival.event, self._now()
        answer = await self._executions.start(event, start.name)
        if answer == "taken" and start.shared:
            return await self._follow(arrival, start.name)
        if answer != "started":
            return "duplicate"
        self._lately.pop(event.interaction_id, None)
        self._lately[event.interaction_id] = Started(now, ends=self._fresh.ends(event.event_type))
        if len(self._lately) > _MOST_REMEMBERED:
            del self._lately[next(iter(self._lately))]
        return "started"

    async def _follow(self, arrival: Arrival, name: str) -> Ending:
        """The name is taken, so that execution covers the event; unless it failed, or this event started it."""
        if arrival.receives <= PATIENCE:
            return PutOff(wait_seconds(arrival.receives, self._fresh))
        execution = await self._executions.look(name)
        if execution is not None and execution.running:
            return PutOff(wait_seconds(arrival.receives, self._fresh))
        if execution is not None and execution.event_id == arrival.event.event_id:
            return "duplicate"
        return await self._start(arrival, Start(arrival.event.execution_name))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)
