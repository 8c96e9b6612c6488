"""The two orders of each item, followed through the writes that pass the proxy, and which events an item covers.

Written anew here: the worker's own rules would agree with themselves whatever they say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from worker.events import RECONCILE, InteractionEvent, parse_time

END_TYPE = "customer.end"


@dataclass(frozen=True, slots=True)
class State:
    """What decides of an item."""

    event_time: datetime
    details_at: datetime | None
    complete: bool


def read_state(item: Mapping[str, Any]) -> State:
    """Of an item as DynamoDB has it."""
    details_at = item.get("detailsAt")
    return State(
        parse_time(item["eventTime"]["S"]),
        None if details_at is None else parse_time(details_at["S"]),
        item.get("complete", {}).get("BOOL", False),
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """How fresh details have to be: what the workers' settings say."""

    lag: timedelta = timedelta(seconds=90)
    final_wait: timedelta = timedelta(seconds=900)

    def covers(self, state: State | None, event: InteractionEvent) -> bool:
        """Whether nothing has to be asked for the event."""
        if state is None or state.details_at is None or event.event_type == RECONCILE:
            return False
        if state.details_at < event.time + self.lag:
            return False
        return event.event_type != END_TYPE or state.complete or state.details_at >= event.time + self.final_wait


class Orders:
    """Each item's state after the writes so far. They have to come in the order in which they were done."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}

    def write(self, interaction_id: str, state: State) -> Iterator[str]:
        """Take in a write; yields what it did wrong."""
        before = self.states.get(interaction_id)
        self.states[interaction_id] = state
        if before is None:
            return
        if state.event_time < before.event_time:
            yield f"eventTime of {interaction_id} went back from {before.event_time} to {state.event_time}"
        if before.details_at is not None and (state.details_at is None or state.details_at < before.details_at):
            yield f"detailsAt of {interaction_id} went back from {before.details_at} to {state.details_at}"

    def set_event_time(self, interaction_id: str, event_time: datetime) -> Iterator[str]:
        """Take in an update of the event fields; yields what it did wrong."""
        before = self.states.get(interaction_id)
        if before is None:
            yield f"an update made an item for {interaction_id} that has no details"
            return
        yield from self.write(interaction_id, State(event_time, before.details_at, before.complete))
