"""What one conversation makes the service do: its events, played through the intake's own planner.

Nothing waits here: a heap has what happens next, and times are seconds of the conversation. No attempt fails, and
Genesys Cloud's analytics lags by the whole of the lag, so that counts are rather too high than too low.
"""

import heapq
import itertools
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from worker.events import InteractionEvent
from worker.local.simulator.conversations import Conversation, make_conversation
from worker.local.topics import topics
from worker.record import Freshness, Known, newer, should_look_again
from worker.runtime.plan import Arrival, Settle, Start, Started, plan, wait_seconds

ASKED_AFTER = timedelta(seconds=0.5)
"""From an execution's start to its request for details."""

FIRST_LOOK = timedelta(seconds=150)
"""Until the second attempt for an end that is missing; each further wait is twice as long (Interaction.Incomplete)."""

_START = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass(slots=True)
class Counts:
    """What one conversation needs."""

    events: int = 0
    receives: int = 0
    """Of messages; one that follows another event's execution is received again."""
    executions: int = 0
    attempts: int = 0
    """Each is a transition of Step Functions, and one id that Genesys Cloud is asked for."""
    reads: int = 0
    """Of whole items, eventually consistent."""
    writes: int = 0
    """Of whole items, refused ones included, which cost as much."""

    @property
    def hides(self) -> int:
        """Calls that keep a message hidden which will be received again."""
        return self.receives - self.events


def call(events: int) -> Conversation:
    """An answered call of six minutes, after-call work included, that `events` events tell of."""
    return make_conversation(f"call-of-{events}", _START, 360, outcome="answered", channels=["voice"])


def count(events: int, delay: float, lag: float = 90.0, final_wait: float = 900.0) -> Counts:
    """What a call with so many events needs: 1 is `customer.end` alone, 12 is all that a usual call sends.

    `delay` is the queue's delivery delay, `lag` and `final_wait` are DETAILS_LAG_SECONDS and FINAL_WAIT_SECONDS.
    """
    fresh = Freshness(timedelta(seconds=lag), frozenset({"customer.end"}), timedelta(seconds=final_wait))
    conversation = call(events)
    play = _Play(conversation, fresh)
    for number, (event_type, moment) in enumerate(topics(conversation, events)):
        event = InteractionEvent(conversation.interaction_id, event_type, moment, str(number))
        play.later(moment + timedelta(seconds=delay), Arrival(event))
    play.counts.events = events
    play.run()
    return play.counts


@dataclass(frozen=True, slots=True)
class _Attempt:
    event: InteractionEvent
    entered: datetime
    tries: int = 0


@dataclass(slots=True)
class _Play:
    conversation: Conversation
    fresh: Freshness
    counts: Counts = field(default_factory=Counts)
    known: Known | None = None
    started: Started | None = None
    names: set[str] = field(default_factory=set)
    _next: list[tuple[datetime, int, Arrival | _Attempt]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def later(self, moment: datetime, what: Arrival | _Attempt) -> None:
        heapq.heappush(self._next, (moment, next(self._order), what))

    def run(self) -> None:
        while self._next:
            now, _, what = heapq.heappop(self._next)
            if isinstance(what, Arrival):
                self._receive(what, now)
            else:
                self._attempt(what, now)

    def _receive(self, arrival: Arrival, now: datetime) -> None:
        self.counts.receives += 1
        self.counts.reads += 1
        interaction_id = arrival.event.interaction_id
        known = {} if self.known is None else {interaction_id: self.known}
        started = {} if self.started is None else {interaction_id: self.started}
        (action,) = plan([arrival], known, started, self.fresh, now)
        match action:
            case Start(name) if name not in self.names:
                self.names.add(name)
                self.started = Started(now, ends=self.fresh.ends(arrival.event.event_type))
                self.counts.executions += 1
                self.later(now + ASKED_AFTER, _Attempt(arrival.event, entered=now))
            case Settle(write):
                self.counts.writes += write
            case _:
                wait = timedelta(seconds=wait_seconds(arrival.receives, self.fresh))
                self.later(now + wait, Arrival(arrival.event, arrival.receives + 1))

    def _attempt(self, attempt: _Attempt, now: datetime) -> None:
        self.counts.attempts += 1
        end = self.conversation.end
        complete = end is not None and end <= now - self.fresh.lag
        event, before = attempt.event, self.known or Known()
        found = newer(before, event, now)
        # One Put where both halves are newer; else it is refused, and what is merged is put.
        self.counts.writes += 1 if found.details and found.event else 2
        newest = event if found.event else None
        self.known = Known(
            event_time=newest.time if newest else before.event_time,
            event_type=newest.event_type if newest else before.event_type,
            details_at=now,
            complete=complete,
        )
        if should_look_again(self.known, event, self.fresh, entered=attempt.entered, now=now):
            wait = FIRST_LOOK * math.pow(2, attempt.tries)
            self.later(now + wait, _Attempt(event, attempt.entered, attempt.tries + 1))
