"""One run's messages, drawn from its seed: conversations that unfold, repeats, disorder, and what cannot succeed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from worker.events import RECONCILE
from worker.local.simulator.conversations import Conversation, make_conversation
from worker.local.traffic import Event, Shape, events_of, malformed_bodies

Kind = Literal["ordinary", "late", "repeated", "reconcile", "unknown interaction", "in the future", "malformed"]

UNREADABLE: frozenset[Kind] = frozenset({"in the future", "malformed"})
"""Kinds that can never start an execution, so that their bodies end in the dead-letter queue as they are."""

MISSING_PREFIX = "missing-"

_EVENTS = (12, 12, 12, 12, 12, 8, 4, 2, 1)
_MISSING_EVENTS = (1, 2)
"""Few and apart: of a burst whose execution failed, the second event waits 15 minutes for that of the first."""
_BEGIN_BY, _SHORTEST, _LONGEST = 0.7, 0.1, 0.28
"""When the last conversation begins, and how long each takes, as shares of the time of sending."""
_MISSING, _RECONCILED, _MALFORMED, _FUTURE = 0.08, 0.15, 0.2, 0.05
"""Shares of the conversations: unknown to Genesys Cloud, refreshed on purpose, and with a useless message beside."""
_LATE, _REPEATED = 0.06, 0.06
"""Shares of the events."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message for the event queue."""

    kind: Kind
    body: str
    due: float
    """When it is handed over, in seconds after the start; never before its event's time."""
    event: Event | None = None
    """None: no one can read it."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """All of one run."""

    conversations: Sequence[Conversation]
    messages: Sequence[Sent]
    """In the order of handing over."""


def make(count: int, seed: int, start: datetime, seconds: float) -> Traffic:
    """`count` messages, handed over from `start` on; the last ones come some seconds after `seconds`."""
    source = random.Random(f"{seed} traffic")
    conversations: list[Conversation] = []
    messages: list[Sent] = []
    while len(messages) < count:
        conversation = _conversation(source, f"chaos-{seed}-{len(conversations)}", start, seconds)
        conversations.append(conversation)
        messages += _messages(source, conversation, start)
    return Traffic(conversations, sorted(messages[:count], key=lambda message: message.due))


def _conversation(source: random.Random, name: str, start: datetime, seconds: float) -> Conversation:
    begin = start + timedelta(seconds=source.uniform(0, _BEGIN_BY * seconds))
    missing = MISSING_PREFIX if source.random() < _MISSING else ""
    length = source.uniform(_SHORTEST, _LONGEST) * seconds
    end_after = source.choice((0.0, 0.0, 0.0, source.uniform(5, 40), source.uniform(5, 40), None))
    return make_conversation(missing + name, begin, length, end_after=end_after)


def _messages(source: random.Random, conversation: Conversation, start: datetime) -> Iterator[Sent]:
    name = conversation.interaction_id
    missing = name.startswith(MISSING_PREFIX)
    shape: Shape = source.choice(("seed", "genesys"))
    due = 0.0
    count = source.choice(_MISSING_EVENTS if missing else _EVENTS)
    for number, event in enumerate(events_of(conversation, count, shape)):
        due = (event.time - start).total_seconds()
        body = event.envelope(f"{name}-{number}")
        point = source.random()
        if missing:
            yield Sent("unknown interaction", body, due, event)
        elif point < _LATE:
            yield Sent("late", body, due + source.uniform(2, 15), event)
        elif point < _LATE + _REPEATED:
            yield Sent("repeated", body, due, event)
            yield Sent("repeated", body, due + source.uniform(0, 20), event)
        else:
            yield Sent("ordinary", body, due, event)
    if not missing and source.random() < _RECONCILED:
        event = Event(name, RECONCILE, conversation.start, "seed")
        yield Sent("reconcile", event.envelope(f"{name}-reconcile"), due + source.uniform(0, 5), event)
    if source.random() < _MALFORMED:
        yield Sent("malformed", malformed_bodies(1, start=source.randrange(6))[0], due)
    if source.random() < _FUTURE:
        ahead = Event(name, "attributes", start + timedelta(hours=48), shape)
        yield Sent("in the future", ahead.envelope(f"{name}-future"), due)
