"""Pictures of the dashboard under one fault after the other: `python -m tools.dashboard_pictures [NAME ...]`.

Each one is a run of its own: workers, simulator, emulated AWS and Prometheus on this machine, steady traffic, and after
half of the time one thing that goes wrong. Writes docs/images/dashboard-NAME.svg.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.prometheus import running_prometheus
from tools.dashboard_drawing import draw
from worker.local.demo.world import World, running_world
from worker.local.simulator.conversations import make_conversation
from worker.local.traffic import Pace, make_events, malformed_bodies, put_events, send_bodies

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"

_QUIET_SECONDS, _FAULT_SECONDS = 40.0, 50.0
_RATE = 20.0


async def nothing(_: World) -> None:
    """All is well."""


async def genesys_outage(world: World) -> None:
    """Genesys Cloud answers 503."""
    world.simulator.faults.plan = replace(world.simulator.faults.plan, outage=True)


async def someone_else(world: World) -> None:
    """Somebody else has used up the OAuth client's rate limit."""
    world.simulator.throttle(25)


async def wrong_secret(world: World) -> None:
    """The secret of the OAuth client was changed, and its tokens revoked."""
    world.simulator.options = replace(world.simulator.options, client_secret="another")
    world.simulator.tokens.revoke_all()


async def analytics_late(world: World) -> None:
    """Analytics knows interactions only minutes later."""
    world.simulator.faults.plan = replace(world.simulator.faults.plan, analytics_lag_seconds=600)


async def table_gone(world: World) -> None:
    """The table takes no items."""
    await world.clients.dynamodb.delete_table(TableName=world.settings["INTERACTION_TABLE_NAME"])


async def unreadable_events(world: World) -> None:
    """A sender's events can't be read."""
    bodies = malformed_bodies(int(_FAULT_SECONDS * 4))
    await send_bodies(world.clients, world.settings["EVENT_QUEUE_URL"], bodies, Pace(5))


async def more_than_the_limit(world: World) -> None:
    """More events come than the rate limit lets through."""
    await _publish(world, 60.0, _FAULT_SECONDS)


async def killed(world: World) -> None:
    """One of the two tasks is gone."""
    world.workers[0].process.kill()


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    title: str
    fault: Callable[[World], Awaitable[None]]
    settings: Mapping[str, str] = field(default_factory=dict)


SCENES = {
    "healthy": Scene("Nothing is wrong", nothing),
    "genesys-outage": Scene("Genesys Cloud is down", genesys_outage),
    "rate-limited": Scene("Somebody else uses up the OAuth client's rate limit", someone_else),
    "wrong-secret": Scene("The OAuth client's secret is no longer right", wrong_secret),
    "not-ready": Scene("Genesys Cloud's analytics is late", analytics_late),
    "store-down": Scene("The table takes no items", table_gone),
    "unreadable-events": Scene("Events come that can't be read", unreadable_events),
    "over-the-limit": Scene(
        "More events than the rate limit lets through",
        more_than_the_limit,
        {"GENESYS_BATCH_SIZE": "10", "GENESYS_REQUESTS_PER_MINUTE": "120"},
    ),
    "task-killed": Scene("One of two tasks is gone", killed),
}


async def picture(scene: Scene) -> str:
    """Run the scene; the dashboard at its end."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with (
            running_world(directory, workers=2, faults=False, more=scene.settings) as world,
            running_prometheus(directory / "prometheus", world.worker_urls) as prometheus,
        ):
            start = time.time()
            traffic = asyncio.create_task(_publish(world, _RATE, _QUIET_SECONDS + _FAULT_SECONDS))
            await asyncio.sleep(_QUIET_SECONDS)
            fault = asyncio.ensure_future(scene.fault(world))
            await asyncio.sleep(_FAULT_SECONDS)
            fault.cancel()
            traffic.cancel()
            return await draw(prometheus, start, time.time(), f"{scene.title} (from the middle on)")


async def _publish(world: World, rate: float, seconds: float) -> None:
    """Events at an even pace, each one made when it is sent."""
    pace = Pace(rate)
    for _ in range(int(rate * seconds / pace.batch)):
        await pace.wait(pace.batch)
        events = make_events(pace.batch, "seed")
        world.simulator.tell(*(make_conversation(event.interaction_id, event.time, 0) for event in events))
        await put_events(world.clients, events, Pace(0))


def main(names: list[str]) -> None:
    """Make the named pictures, or all."""
    IMAGES.mkdir(exist_ok=True)
    for name in names or SCENES:
        file = IMAGES / f"dashboard-{name}.svg"
        file.write_text(asyncio.run(picture(SCENES[name])))
        print(file.name)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
