"""One run's messages, drawn from its seed: conversations that unfold, repeats, disorder, and what cannot succeed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from chaos.functions import READER_HANGS, READER_IS_ODD, TRANSFORM_HANGS, TRANSFORM_IS_ODD
from chaos.genesys import ENDLESS_PREFIX, LARGE_PREFIX
from worker.events import RECONCILE
from worker.local.simulator.conversations import Conversation, make_conversation
from worker.local.traffic import Event, Shape, events_of, malformed_bodies

Kind = Literal[
    "ordinary",
    "late",
    "repeated",
    "reconcile",
    "unknown interaction",
    "in the future",
    "malformed",
    "poisoned",
    "endless answer",
    "reader hangs",
    "reader is odd",
    "transform hangs",
    "transform is odd",
]

UNREADABLE: frozenset[Kind] = frozenset({"in the future", "malformed", "reader hangs", "reader is odd"})
"""Kinds that can never start an execution, so that their bodies end in the dead-letter queue as they are."""

REASONS: Mapping[Kind, frozenset[str]] = {
    "unknown interaction": frozenset({"Interaction.NotFound"}),
    "in the future": frozenset({"future_time"}),
    "malformed": frozenset(
        {"invalid_json", "invalid_envelope", "missing_interaction_id", "invalid_interaction_id", "invalid_time"}
    ),
    "poisoned": frozenset({"Interaction.Unavailable"}),
    "endless answer": frozenset({"Interaction.Invalid"}),
    "reader hangs": frozenset({"event_reader_timed_out"}),
    "reader is odd": frozenset({"event_reader_failed"}),
    "transform hangs": frozenset({"Interaction.Invalid"}),
    "transform is odd": frozenset({"Interaction.Invalid"}),
}
"""Why events of a kind may end as dead letters; those of other kinds never do, whatever is away and for how long."""

MISSING_PREFIX = "missing-"
POISON_PREFIX = "poisoned-"

_HOPELESS: Sequence[tuple[Kind, str, int]] = (
    ("poisoned", POISON_PREFIX, 6),
    ("endless answer", ENDLESS_PREFIX, 2),
    ("reader hangs", READER_HANGS, 3),
    ("reader is odd", READER_IS_ODD, 4),
    ("transform hangs", TRANSFORM_HANGS, 3),
    ("transform is odd", TRANSFORM_IS_ODD, 4),
)
"""Kinds, how their ids begin, and how many there are in each run: fewer of what hangs than end a worker."""

_EVENTS = (12, 12, 12, 12, 12, 8, 4, 2, 1)
_MISSING_EVENTS = (1, 2)
"""Few and apart: of a burst whose execution failed, the second event waits 15 minutes for that of the first."""
_BEGIN_BY, _SHORTEST, _LONGEST = 0.7, 0.1, 0.28
"""When the last conversation begins, and how long each takes, as shares of the time of sending."""
_MISSING, _LARGE, _RECONCILED, _MALFORMED, _FUTURE = 0.08, 0.08, 0.15, 0.2, 0.05
"""Shares of the conversations: unknown to Genesys Cloud, with large details, refreshed on purpose, and with a useless
message beside."""
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
    for kind, prefix, number in _HOPELESS:
        for n in range(number):
            conversation = make_conversation(f"{prefix}chaos-{seed}-{n}", start, source.uniform(5, 0.9 * seconds))
            conversations.append(conversation)
            (event,) = events_of(conversation, 1, source.choice(("seed", "genesys")))
            due = (event.time - start).total_seconds()
            messages.append(Sent(kind, event.envelope(f"{conversation.interaction_id}-0"), due, event))
    while len(messages) < count:
        conversation = _conversation(source, f"chaos-{seed}-{len(conversations)}", start, seconds)
        conversations.append(conversation)
        messages += _messages(source, conversation, start)
    return Traffic(conversations, sorted(messages[:count], key=lambda message: message.due))


def _conversation(source: random.Random, name: str, start: datetime, seconds: float) -> Conversation:
    begin = start + timedelta(seconds=source.uniform(0, _BEGIN_BY * seconds))
    point = source.random()
    prefix = MISSING_PREFIX if point < _MISSING else LARGE_PREFIX if point < _MISSING + _LARGE else ""
    length = source.uniform(_SHORTEST, _LONGEST) * seconds
    end_after = source.choice((0.0, 0.0, 0.0, source.uniform(5, 40), source.uniform(5, 40), None))
    return make_conversation(prefix + name, begin, length, end_after=end_after)


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
