"""The events of one run, made from its seed: ordinary ones, repeats, disorder, and what can never succeed."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from worker.events import utc_text

Kind = Literal["ordinary", "repeated", "newer", "older", "unknown interaction", "unreadable"]

MISSING_PREFIX = "missing-"
_FIRST = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message put into the event queue."""

    kind: Kind
    body: str
    interaction_id: str = ""
    time: str = ""


def make(count: int, seed: int) -> list[Sent]:
    """`count` messages in the order of sending."""
    source = random.Random(f"{seed} traffic")
    messages: list[Sent] = []
    while len(messages) < count:
        messages.extend(_some(source, len(messages), seed))
    # Neighbours change places within a window, so that repeats and older events come late.
    keys = {id(message): number + source.uniform(0, 60) for number, message in enumerate(messages)}
    return sorted(messages[:count], key=lambda message: keys[id(message)])


def _some(source: random.Random, number: int, seed: int) -> Iterator[Sent]:
    name = f"chaos-{seed}-{number}"
    moment = _FIRST + timedelta(seconds=number)
    point = source.random()
    if point < 0.06:
        repeated = _event("repeated", name, f"{name}-e", moment)
        yield from [repeated] * source.randint(2, 3)
    elif point < 0.16:
        yield _event("newer", name, f"{name}-newer", moment + timedelta(milliseconds=source.randint(1, 5_000)))
        yield _event("older", name, f"{name}-older", moment)
    elif point < 0.19:
        yield _event("unknown interaction", MISSING_PREFIX + name, f"{name}-e", moment)
    elif point < 0.22:
        broken = source.choice(
            ["not JSON, {}", '{{"id": "{}", "detail": {{}}}}', '{{"id": "{}", "detail": {{"interactionId": "../x"}}}}']
        )
        yield Sent("unreadable", broken.format(name))
    else:
        yield _event("ordinary", name, f"{name}-e", moment)


def _event(kind: Kind, interaction_id: str, event_id: str, moment: datetime) -> Sent:
    time = utc_text(moment)
    body = json.dumps(
        {
            "version": "0",
            "id": event_id,
            "detail-type": "Genesys Cloud Interaction Event",
            "source": "genesys.cloud",
            "time": time,
            "detail": {"interactionId": interaction_id, "eventType": "customer.end", "timestamp": time},
        }
    )
    return Sent(kind, body, interaction_id, time)
