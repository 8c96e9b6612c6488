"""What the demo sends, and which troubles it makes on the way."""

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from worker.local.demo.accounting import Accounting
from worker.local.demo.world import MISSING_PREFIX, World
from worker.local.simulator.conversations import Conversation
from worker.local.traffic import (
    Event,
    Pace,
    Shape,
    events_of,
    make_conversations,
    malformed_bodies,
    put_events,
    send_bodies,
    when_due,
)

Kind = Literal["seed", "genesys", "missing", "malformed"]

_PARTNER_SHARE, _MISSING_SHARE, _MALFORMED_SHARE, _DUPLICATE_SHARE = 0.2, 0.01, 0.03, 0.05
_THROTTLE_SECONDS = 3.0
_AT_ONCE = Pace(0)


class Script:
    """So many interactions, whose events mostly go through EventBridge.

    With faults some are unknown to Genesys Cloud, of some all that comes is unusable, and some events come twice.
    """

    def __init__(
        self,
        world: World,
        accounting: Accounting,
        interactions: int,
        *,
        rate: float,
        faults: bool,
        events_per_interaction: int = 1,
        spread: float = 0.0,
    ) -> None:
        self._world = world
        self._accounting = accounting
        self._interactions = interactions
        self._rate = rate
        self._spread = spread
        self._events_per_interaction = events_per_interaction
        self.events = interactions * events_per_interaction
        """How many distinct events it sends, malformed ones included."""
        self._kinds = _kinds(interactions, faults=faults)
        self._unusable: set[str] = set()
        self._newest: list[tuple[Event, str]] = []
        self._malformed = 0
        self._duplicates = _part(self.events, _DUPLICATE_SHARE) if faults else 0
        self._troubles = {self.events // 3: self._end_tokens, self.events * 2 // 3: self._limit} if faults else {}

    async def play(self) -> None:
        """Send every event when it happens. Raises PublishError."""
        sent = 0
        async for batch in when_due(self._make_events()):
            for at in [at for at in self._troubles if sent <= at < sent + len(batch)]:
                self._troubles[at]()
            await self._send(batch, sent)
            sent += len(batch)

    def _make_events(self) -> list[Event]:
        """All events by their time, after the simulator was told of the conversations."""
        rate = self._rate / self._events_per_interaction
        conversations = make_conversations(self._interactions, start=datetime.now(UTC), rate=rate, spread=self._spread)
        self._world.simulator.tell(*conversations)
        self._unusable = {
            each.interaction_id for each, kind in zip(conversations, self._kinds, strict=True) if kind == "malformed"
        }
        events = [
            event for each, kind in zip(conversations, self._kinds, strict=True) for event in self._events(each, kind)
        ]
        return sorted(events, key=lambda event: event.time)

    def _events(self, conversation: Conversation, kind: Kind) -> list[Event]:
        shape: Shape = "genesys" if kind == "genesys" else "seed"
        events = events_of(conversation, self._events_per_interaction, shape)
        if kind != "missing":
            return events
        return [Event(MISSING_PREFIX + each.interaction_id, each.event_type, each.time, shape) for each in events]

    async def _send(self, events: Sequence[Event], start: int) -> None:
        clients, queue_url = self._world.clients, self._world.settings["EVENT_QUEUE_URL"]
        begun = datetime.now(UTC)
        usable = [event for event in events if event.interaction_id not in self._unusable]
        seed = [event for event in usable if event.shape == "seed"]
        sent = list(zip(seed, await put_events(clients, seed, _AT_ONCE), strict=True))
        partner = [(event, str(uuid.uuid4())) for event in usable if event.shape == "genesys"]
        malformed = malformed_bodies(len(events) - len(usable), start=self._malformed)
        self._malformed += len(malformed)
        # A redelivery is the same envelope with the same event id once more.
        due = self._duplicates * (start + len(events)) // self.events - self._accounting.redelivered
        self._newest = sent + partner or self._newest
        again = self._newest[:due]
        bodies = [event.envelope(event_id) for event, event_id in [*partner, *again]] + malformed
        await send_bodies(clients, queue_url, bodies, _AT_ONCE)
        for event, event_id in sent + partner:
            self._accounting.sent(event, event_id, begun)
        for body in malformed:
            self._accounting.sent_malformed(body)
        self._accounting.redelivered += len(again)

    def _end_tokens(self) -> None:
        self._world.simulator.tokens.revoke_all()

    def _limit(self) -> None:
        self._world.simulator.throttle(_THROTTLE_SECONDS)


def _kinds(interactions: int, *, faults: bool) -> list[Kind]:
    """What becomes of each interaction, in random order."""
    kinds: list[Kind] = []
    if faults:
        kinds.extend("missing" for _ in range(_part(interactions, _MISSING_SHARE)))
        kinds.extend("malformed" for _ in range(_part(interactions, _MALFORMED_SHARE)))
    kinds.extend("genesys" for _ in range(int(interactions * _PARTNER_SHARE)))
    del kinds[interactions:]
    kinds.extend("seed" for _ in range(interactions - len(kinds)))
    random.shuffle(kinds)
    return kinds


def _part(events: int, share: float) -> int:
    return max(1, round(events * share))
