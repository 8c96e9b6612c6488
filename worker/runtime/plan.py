"""What the intake does with the events that it received together. Pure: values in, one action for each event out.

An execution that starts now asks for details after now. So it covers each event that happened DETAILS_LAG_SECONDS ago
or earlier, and of such events of one interaction only one needs an execution. Workers that receive a part of a burst
each agree on one without a lock: the execution is named for a bucket of a few seconds of event time, and so named only
when its details are sure to cover the whole bucket. Whoever finds the name taken knows that its event will be covered.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from worker.events import RECONCILE, InteractionEvent, execution_name
from worker.record import Coverage, Freshness, Known, coverage, is_newest

CLOCK_SLACK = timedelta(seconds=1)
"""How far the clocks of two workers may be apart. Beyond it an execution too many is started, never one too few."""

PATIENCE = 8
"""Receives of one message up to which it waits for another event's execution without asking for it: half an hour."""

LONGEST_WAIT_SECONDS = 900.0

_BUCKETS_PER_LAG = 9
_BUCKET_SECONDS = (1.0, 10.0)
"""Shortest and longest bucket. Hang-up sends four events within a second or two."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as this worker received it."""

    event: InteractionEvent
    receives: int = 1
    """How often its message was received, this time included."""
    first: datetime | None = None
    """When its message was received first; None: just now."""


@dataclass(frozen=True, slots=True)
class Started:
    """An execution that this worker started lately."""

    at: datetime
    ends: bool
    """Whether it looks again for a missing end."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start an execution under this name."""

    name: str
    shared: bool = False
    """Other events may have started it: whoever finds it there follows it."""


@dataclass(frozen=True, slots=True)
class Settle:
    """The stored item covers the event already."""

    write: bool
    """It is the newest event known, so the item's event fields become its own."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Another event's execution will cover this one: look again when the item should be there."""


Action = Start | Settle | Follow


def bucket_seconds(fresh: Freshness) -> float:
    """How many seconds of event time share an execution's name; also the first wait of an event that follows."""
    shortest, longest = _BUCKET_SECONDS
    return min(max(fresh.lag.total_seconds() / _BUCKETS_PER_LAG, shortest), longest)


def wait_seconds(receives: int, fresh: Freshness) -> float:
    """How long a message stays hidden whose event follows another one's execution; twice as long each time."""
    return min(bucket_seconds(fresh) * 2.0 ** min(receives - 1, 20), LONGEST_WAIT_SECONDS)


def plan(
    arrivals: Sequence[Arrival],
    known: Mapping[str, Known],
    started: Mapping[str, Started],
    fresh: Freshness,
    now: datetime,
) -> list[Action]:
    """One action for each arrival, in their order.

    `known` has the items that were found, by interaction id. One that was not looked up, or read when it was older than
    it is, leads to an execution too many at the most.
    """
    by_interaction: dict[str, list[int]] = defaultdict(list)
    for number, arrival in enumerate(arrivals):
        by_interaction[arrival.event.interaction_id].append(number)
    actions: dict[int, Action] = {}
    for interaction_id, numbers in by_interaction.items():
        group = _Group(known.get(interaction_id), started.get(interaction_id), fresh, now)
        actions |= zip(numbers, group.plan([arrivals[number] for number in numbers]), strict=True)
    return [actions[number] for number in range(len(arrivals))]


@dataclass(frozen=True, slots=True)
class _Group:
    """The events of one interaction, beside its item and what this worker started for it lately."""

    known: Known | None
    started: Started | None
    fresh: Freshness
    now: datetime

    def plan(self, arrivals: Sequence[Arrival]) -> list[Action]:
        found = [coverage(self.known, arrival.event, self.fresh) for arrival in arrivals]
        newest = _newest(arrival.event for arrival in arrivals if arrival.event.event_type != RECONCILE)
        leader = self._leader(arrivals, found)
        return [
            Settle(write=arrival.event is newest and self.known is not None and is_newest(self.known, arrival.event))
            if covered is Coverage.COVERED
            else self._open(arrival, leader, looks_again=covered is Coverage.NO_END)
            for arrival, covered in zip(arrivals, found, strict=True)
        ]

    def _leader(self, arrivals: Sequence[Arrival], found: Sequence[Coverage]) -> InteractionEvent | None:
        """The event whose execution the others follow: one that waits for the end, where there is one."""
        uncovered = [
            (arrival.event, covered)
            for arrival, covered in zip(arrivals, found, strict=True)
            if covered is not Coverage.COVERED and arrival.event.event_type != RECONCILE
        ]
        lack_their_end = [event for event, covered in uncovered if covered is Coverage.NO_END]
        tell_of_an_end = [event for event, _ in uncovered if self.fresh.ends(event.event_type)]
        choice = lack_their_end or tell_of_an_end or [event for event, _ in uncovered]
        return _newest(choice)

    def _open(self, arrival: Arrival, leader: InteractionEvent | None, *, looks_again: bool) -> Action:
        event = arrival.event
        if event.event_type == RECONCILE:
            return Start(event.execution_name)
        if arrival.receives <= PATIENCE:
            if leader is not None and leader != event and self._settles(self.now, event.time):
                return Follow()
            lately = self.started
            if lately is not None and self._settles(lately.at, event.time) and (lately.ends or not looks_again):
                return Follow()
        seconds = bucket_seconds(self.fresh)
        bucket = math.floor(event.time.timestamp() / seconds)
        # By the first receive, so that a message that comes again asks for the same name as before.
        first = min(arrival.first or self.now, self.now)
        if not self._settles(first, datetime.fromtimestamp((bucket + 1) * seconds, UTC)):
            return Start(event.execution_name)
        kind = "end" if looks_again else "any"
        distinct = f"{event.interaction_id}\0{kind}\0{seconds:g}\0{bucket}"
        return Start(execution_name(event.interaction_id, distinct), shared=True)

    def _settles(self, start: datetime, until: datetime) -> bool:
        """Whether an execution started at `start` asks for details late enough to cover events up to `until`."""
        return start >= until + self.fresh.lag + CLOCK_SLACK


def _newest(events: Iterable[InteractionEvent]) -> InteractionEvent | None:
    return max(events, key=lambda event: event.time, default=None)
