"""Everything the demo runs on: emulator, simulator, resources of its own and worker processes."""

import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.local.aws import Clients, open_clients
from worker.local.bootstrap import Names, create
from worker.local.child_process import Child
from worker.local.demo import fleet
from worker.local.emulator import Emulator
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options, Simulator
from worker.settings import Settings

MISSING_PREFIX = "missing-"
"""With faults, interactions whose id starts so are unknown to the simulator for ever."""

DETAILS_LAG_SECONDS = 1
"""The simulator's details know at once what happened; a second is more than its clock and the workers' may differ."""

DELAY_SECONDS = 4
"""How long the event queue holds events back. The lag, and three seconds whose events are covered by one execution."""
_WAIT_SCALE = 0.05
"""Retry intervals of minutes in production pass in seconds here."""
_EXTENSIONS = {"details_transform", "event_reader"}
"""Settings that the workers take from the user's environment, so that a function of one's own can be tried here."""
_FAULTS = FaultPlan(
    error_share=0.15,
    slow_share=0.05,
    slow_seconds=1.0,
    cut_off_share=0.05,
    missing_prefix=MISSING_PREFIX,
)


@dataclass(frozen=True, slots=True)
class World:
    """What is running."""

    emulator: Emulator
    simulator: Simulator
    clients: Clients
    settings: Mapping[str, str]
    workers: tuple[Child, ...]
    worker_urls: tuple[str, ...]
    directory: Path

    def check(self) -> None:
        """Raises WorldError when a worker has ended."""
        fleet.check(self.workers, self.directory)


@asynccontextmanager
async def running_world(
    directory: Path,
    *,
    workers: int,
    faults: bool,
    more: Mapping[str, str] | None = None,
    delay_seconds: int = DELAY_SECONDS,
) -> AsyncIterator[World]:
    """Start everything, wait until the workers are ready, and stop it all however this ends.

    `directory` receives the output of the parts, `more` are further settings of the workers. Raises WorldError or
    EmulatorError.
    """
    options = Options(plan=_FAULTS if faults else FaultPlan())
    with Emulator(wait_scale=_WAIT_SCALE, output=directory / "emulator.log") as emulator:
        _take_environment(emulator.environment)
        async with Simulator(options) as simulator, open_clients() as clients:
            settings = await create(clients, Names(f"demo-{uuid.uuid4().hex[:8]}"), delay_seconds=delay_seconds)
            environment = _worker_environment(settings, simulator) | dict(more or {})
            children: list[Child] = []
            try:
                children += (fleet.start(index, environment, directory) for index in range(workers))
                urls = await fleet.await_ready(children, directory)
                yield World(emulator, simulator, clients, settings, tuple(children), urls, directory)
            finally:
                await fleet.stop(children)


def _take_environment(environment: Mapping[str, str]) -> None:
    """Nothing that leads to an AWS account or through a proxy stays in this environment or reaches a child's."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ECS_")) or name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ.update(environment)
    # A profile may name endpoints of its own, or run a program for its credentials.
    os.environ.update(dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull))


def _worker_environment(settings: Mapping[str, str], simulator: Simulator) -> dict[str, str]:
    # Empty counts as unset and keeps a setting of the user's shell out.
    unset = {name.upper(): "" for name in Settings.model_fields if name not in _EXTENSIONS}
    found = {}
    if any(os.environ.get(name.upper()) for name in _EXTENSIONS):
        # The function of one's own may be in the working directory.
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(Path.cwd()))))
    return {
        **os.environ,
        **found,
        **unset,
        **settings,
        **simulator.environment,
        "MAX_CONCURRENCY": "50",
        "NOT_FOUND_AFTER_SECONDS": "5",
        "DETAILS_LAG_SECONDS": str(DETAILS_LAG_SECONDS),
        "DRAIN_SECONDS": "1",
        "HTTP_HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
    }
