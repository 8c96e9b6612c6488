"""What a record is, which of two is newer, and what covers an event. Pure functions on values.

An item has two orders, and neither ever goes back: its details are those asked for last, its event fields those of the
newest event known. `aws/records.py` says the same in DynamoDB's expressions, and is tested against this file.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from worker.events import RECONCILE, InteractionEvent


@dataclass(frozen=True, slots=True)
class Known:
    """What decides of one stored item, as it was read or written now."""

    event_time: datetime | None = None
    """Of the newest event known. None: no event yet."""
    event_type: str = ""
    details_at: datetime | None = None
    """When the request was sent that the details are from. None: an item of 0.1.0, which does not say."""
    complete: bool = False
    """The details have an end."""
    erased: bool = False
    """A tombstone: nothing of this interaction is stored any more."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh details must be, from the settings."""

    lag: timedelta
    """How long after an event the details may still lack it (DETAILS_LAG_SECONDS)."""
    end_types: frozenset[str] = frozenset()
    """Event types after which the details should have an end (END_EVENT_TYPES); empty where the source has no ends."""
    final_wait: timedelta = timedelta()
    """For how long an interaction that should have ended is looked at again (FINAL_WAIT_SECONDS)."""

    def ends(self, event_type: str) -> bool:
        """Whether the details should have an end after an event of this type."""
        return event_type in self.end_types


class Coverage(Enum):
    """What a stored item is to an event."""

    COVERED = "covered"
    """Nothing has to be asked for this event."""
    NO_END = "no_end"
    """The details are fresh enough, but lack the end that this event tells of."""
    STALE = "stale"
    """The details may lack what this event tells of, or there are none."""


def coverage(known: Known | None, event: InteractionEvent, fresh: Freshness) -> Coverage:
    """What the stored item (None: there is none) is to `event`."""
    if known is None:
        return Coverage.STALE
    if known.erased:
        return Coverage.COVERED
    if event.event_type == RECONCILE or known.details_at is None or known.details_at < event.time + fresh.lag:
        return Coverage.STALE
    if fresh.ends(event.event_type) and not known.complete and known.details_at < event.time + fresh.final_wait:
        return Coverage.NO_END
    return Coverage.COVERED


@dataclass(frozen=True, slots=True)
class Newer:
    """Which half of an attempt's result is newer than what is stored."""

    details: bool
    event: bool

    @property
    def nothing(self) -> bool:
        return not (self.details or self.event)


def newer(known: Known, event: InteractionEvent, details_at: datetime) -> Newer:
    """Compare `event`, and details asked for at `details_at`, with the stored item; on a tie the stored one stays."""
    if known.erased:
        return Newer(details=False, event=False)
    return Newer(details=known.details_at is None or details_at > known.details_at, event=is_newest(known, event))


def is_newest(known: Known, event: InteractionEvent) -> bool:
    """Whether the item's event fields become those of `event`. A reconcile event changes none that are there."""
    if known.event_time is None:
        return True
    return not known.erased and event.event_type != RECONCILE and event.time > known.event_time


def should_look_again(
    known: Known, event: InteractionEvent, fresh: Freshness, *, entered: datetime, now: datetime
) -> bool:
    """Whether an attempt that stored what there is should be followed by another one, for the end that is missing.

    `known` is the item after the attempt, `entered` when the execution's state was entered. A later end event has an
    execution of its own that looks again, so this one's is over: on message channels, where a customer's session ends
    and begins again many times, only the last end is waited for.
    """
    if known.complete or known.erased or not fresh.ends(event.event_type) or now >= entered + fresh.final_wait:
        return False
    later_end = known.event_time is not None and known.event_time > event.time and fresh.ends(known.event_type)
    return not later_end
