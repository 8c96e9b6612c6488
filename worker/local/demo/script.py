"""What the demo sends, and which troubles it makes on the way."""

import random
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

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

_PARTNER_SHARE, _MISSING_SHARE, _MALFORMED_SHARE, _DUPLICATE_SHARE = 0.2, 0.01, 0.03, 0.05
_THROTTLE_SECONDS = 3.0
_AT_ONCE = Pace(0)


class Script:
    """So many interactions, whose events mostly go through EventBridge.

    With faults there are interactions that Genesys Cloud does not know, unusable events on top, and events that come
    twice.
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
        self._regular = interactions * events_per_interaction
        self._missing = min(interactions, _part(interactions, _MISSING_SHARE)) if faults else 0
        self._malformed = _part(self._regular, _MALFORMED_SHARE) if faults else 0
        self._duplicates = _part(self._regular, _DUPLICATE_SHARE) if faults else 0
        self._troubles = {self._regular // 3: self._end_tokens, self._regular * 2 // 3: self._limit} if faults else {}

    @property
    def events(self) -> int:
        """How many distinct events it sends, malformed ones included."""
        return self._regular + self._malformed

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
        partner = int(self._interactions * _PARTNER_SHARE)
        kinds = ["missing"] * self._missing + ["genesys"] * partner
        kinds += ["seed"] * (self._interactions - len(kinds))
        random.shuffle(kinds)
        events = [event for each, kind in zip(conversations, kinds, strict=True) for event in self._events(each, kind)]
        return sorted(events, key=lambda event: event.time)

    def _events(self, conversation: Conversation, kind: str) -> list[Event]:
        shape: Shape = "genesys" if kind == "genesys" else "seed"
        events = events_of(conversation, self._events_per_interaction, shape)
        if kind != "missing":
            return events
        return [Event(MISSING_PREFIX + each.interaction_id, each.event_type, each.time, shape) for each in events]

    async def _send(self, events: Sequence[Event], start: int) -> None:
        clients, queue_url = self._world.clients, self._world.settings["EVENT_QUEUE_URL"]
        begun = datetime.now(UTC)
        seed = [event for event in events if event.shape == "seed"]
        sent = list(zip(seed, await put_events(clients, seed, _AT_ONCE), strict=True))
        partner = [(event, str(uuid.uuid4())) for event in events if event.shape == "genesys"]
        done = start + len(events)
        malformed = malformed_bodies(
            self._due(self._malformed, start, done), start=self._malformed * start // self._regular
        )
        # A redelivery is the same envelope with the same event id once more.
        again = (sent + partner)[: self._due(self._duplicates, start, done)]
        bodies = [event.envelope(event_id) for event, event_id in [*partner, *again]] + malformed
        await send_bodies(clients, queue_url, bodies, _AT_ONCE)
        for event, event_id in sent + partner:
            self._accounting.sent(event, event_id, begun)
        for body in malformed:
            self._accounting.sent_malformed(body)
        self._accounting.redelivered += len(again)

    def _due(self, total: int, start: int, done: int) -> int:
        """How many of `total` belong to the events from `start` to `done`, so that they come evenly."""
        return total * done // self._regular - total * start // self._regular

    def _end_tokens(self) -> None:
        self._world.simulator.tokens.revoke_all()

    def _limit(self) -> None:
        self._world.simulator.throttle(_THROTTLE_SECONDS)


def _part(events: int, share: float) -> int:
    return max(1, round(events * share))
