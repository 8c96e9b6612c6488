"""What the demo sends, and which troubles it makes on the way."""

import random
from collections.abc import Sequence
from typing import Literal

from worker.local.demo.accounting import Accounting
from worker.local.demo.world import MISSING_PREFIX, World
from worker.local.traffic import Pace, make_events, malformed_bodies, put_events, send_bodies

Kind = Literal["seed", "genesys", "missing", "malformed"]

_CHUNK = 10
_PARTNER_SHARE, _MISSING_SHARE, _MALFORMED_SHARE, _DUPLICATE_SHARE = 0.2, 0.01, 0.03, 0.05
_THROTTLE_SECONDS = 3.0
_AT_ONCE = Pace(0)


class Script:
    """So many distinct events, most of them through EventBridge; with faults some are unusable and some come twice."""

    def __init__(self, world: World, accounting: Accounting, events: int, *, rate: float, faults: bool) -> None:
        self._world = world
        self._accounting = accounting
        self._rate = rate
        self._duplicates = _part(events, _DUPLICATE_SHARE) if faults else 0
        missing, malformed = (_part(events, _MISSING_SHARE), _part(events, _MALFORMED_SHARE)) if faults else (0, 0)
        kinds: list[Kind] = []
        kinds.extend("missing" for _ in range(missing))
        kinds.extend("malformed" for _ in range(malformed))
        kinds.extend("genesys" for _ in range(int(events * _PARTNER_SHARE)))
        del kinds[events:]
        kinds.extend("seed" for _ in range(events - len(kinds)))
        random.shuffle(kinds)
        self._kinds = kinds
        self._malformed = 0
        self._troubles = {len(kinds) // 3: self._end_tokens, len(kinds) * 2 // 3: self._limit} if faults else {}

    async def play(self) -> None:
        """Send everything at an even pace. Raises PublishError."""
        pace = Pace(self._rate)
        for start in range(0, len(self._kinds), _CHUNK):
            chunk = self._kinds[start : start + _CHUNK]
            await pace.wait(len(chunk))
            for at in [at for at in self._troubles if start <= at < start + _CHUNK]:
                self._troubles[at]()
            await self._send(chunk, start)

    async def _send(self, kinds: Sequence[Kind], start: int) -> None:
        clients, queue_url = self._world.clients, self._world.settings["EVENT_QUEUE_URL"]
        seed = make_events(kinds.count("seed"), "seed")
        seed += make_events(kinds.count("missing"), "seed", id_prefix=MISSING_PREFIX)
        sent = list(zip(seed, await put_events(clients, seed, _AT_ONCE), strict=True))
        partner = [(event, event.interaction_id) for event in make_events(kinds.count("genesys"), "genesys")]
        malformed = malformed_bodies(kinds.count("malformed"), start=self._malformed)
        self._malformed += len(malformed)
        # A redelivery is the same envelope with the same event id once more.
        again = (sent + partner)[: self._due_duplicates(start, len(kinds))]
        bodies = [event.envelope(event_id) for event, event_id in [*partner, *again]] + malformed
        await send_bodies(clients, queue_url, bodies, _AT_ONCE)
        for event, event_id in sent + partner:
            self._accounting.sent(event, event_id)
        for body in malformed:
            self._accounting.sent_malformed(body)
        self._accounting.redelivered += len(again)

    def _due_duplicates(self, start: int, count: int) -> int:
        total = len(self._kinds)
        return self._duplicates * (start + count) // total - self._duplicates * start // total

    def _end_tokens(self) -> None:
        self._world.simulator.tokens.revoke_all()

    def _limit(self) -> None:
        self._world.simulator.throttle(_THROTTLE_SECONDS)


def _part(events: int, share: float) -> int:
    return max(1, round(events * share))
