# ruff: noqa: T201 -- a command prints
"""`python -m bench.executions`: executions and requested ids per conversation, against the fewest that are possible.

Calls of six minutes with twelve events, compressed in time, go through the emulator and two worker processes. For each
delay of the queue: how many executions cover all events (an account proves that they do), beside the optimum.
"""

import argparse
import asyncio
import json
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from worker.local.demo.accounting import Account, Accounting
from worker.local.demo.world import World, running_world
from worker.local.simulator.conversations import Conversation, make_conversation
from worker.local.traffic import Event, Pace, events_of, send_bodies, when_due

CALL_SECONDS = 360.0
EVENTS = 12
LAG_SECONDS = 90.0
DELAYS = (150.0, 900.0)
"""Seconds that the queue holds events back, before compression: the Terraform module's default and the longest."""

_SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Result:
    """One delay's figures; times before compression."""

    delay_seconds: float
    conversations: int
    events: int
    covered_by_account: int
    executions: int
    optimum: int
    ids_asked: int

    @property
    def ratio(self) -> float:
        return self.executions / self.optimum

    @property
    def ids_ratio(self) -> float:
        return self.ids_asked / self.optimum


def optimum(times: Sequence[datetime], window: timedelta) -> int:
    """The fewest executions that cover events at these times, when each covers `window` of them."""
    count = 0
    covered_until: datetime | None = None
    for time in sorted(times):
        if covered_until is None or time > covered_until:
            count += 1
            covered_until = time + window
    return count


async def measure(*, conversations: int, delay: float, scale: float, workers: int = 2) -> Result:
    """Send all, wait until the account is settled, and count."""
    lag = LAG_SECONDS / scale
    more = {"DETAILS_LAG_SECONDS": str(lag), "MAX_CONCURRENCY": "100", "GENESYS_REQUESTS_PER_MINUTE": "3000"}
    with tempfile.TemporaryDirectory() as directory:
        async with running_world(
            Path(directory), workers=workers, faults=False, more=more, delay_seconds=round(delay / scale)
        ) as world:
            calls = _calls(conversations, datetime.now(UTC) + timedelta(seconds=1), CALL_SECONDS / scale)
            world.simulator.limiter.limit = 3000
            world.simulator.tell(*calls)
            accounting = Accounting(world.clients, world.settings, world.simulator.seen, details_lag_seconds=lag)
            events = [event for call in calls for event in events_of(call, EVENTS, "seed")]
            await _send(world, accounting, sorted(events, key=lambda event: event.time))
            account = await _settle(accounting)
            times: dict[str, list[datetime]] = {}
            for event in events:
                times.setdefault(event.interaction_id, []).append(event.time)
            window = timedelta(seconds=round(delay / scale) - lag)
            return Result(
                delay_seconds=delay,
                conversations=conversations,
                events=len(events),
                covered_by_account=account.stored,
                executions=account.executions,
                optimum=sum(optimum(each, window) for each in times.values()),
                ids_asked=world.simulator.stats.ids_asked,
            )


def _calls(count: int, start: datetime, seconds: float) -> list[Conversation]:
    """Calls that begin one after another, over as long as one of them lasts."""
    return [
        make_conversation(
            str(uuid.uuid4()),
            start + timedelta(seconds=seconds * number / count),
            seconds,
            outcome="answered",
            channels=["voice"],
        )
        for number in range(count)
    ]


async def _send(world: World, accounting: Accounting, events: Sequence[Event]) -> None:
    async for batch in when_due(events):
        begun = datetime.now(UTC)
        named = [(event, str(uuid.uuid4())) for event in batch]
        bodies = [event.envelope(event_id) for event, event_id in named]
        await send_bodies(world.clients, world.settings["EVENT_QUEUE_URL"], bodies, Pace(0))
        for event, event_id in named:
            accounting.sent(event, event_id, begun)


async def _settle(accounting: Accounting) -> Account:
    async with asyncio.timeout(_SETTLE_SECONDS):
        while not (account := await accounting.settle()).complete:
            await asyncio.sleep(0.5)
    return account


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--scale", type=float, default=10.0, help="how many times faster than real time")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--delays", type=float, nargs="*", default=DELAYS)
    args = parser.parse_args()
    for delay in args.delays:
        result = asyncio.run(
            measure(conversations=args.conversations, delay=delay, scale=args.scale, workers=args.workers)
        )
        print(json.dumps(asdict(result) | {"ratio": round(result.ratio, 3), "ids_ratio": round(result.ids_ratio, 3)}))


if __name__ == "__main__":
    main()
