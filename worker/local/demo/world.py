"""Everything the demo runs on: emulator, simulator, resources of its own and worker processes."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from worker.local.aws import Clients, open_clients
from worker.local.bootstrap import Names, create
from worker.local.emulator import Emulator
from worker.local.leash import Child
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options, Simulator
from worker.settings import Settings

MISSING_PREFIX = "missing-"
"""With faults, interactions whose id starts so are unknown to the simulator for ever."""

_WAIT_SCALE = 0.05
"""Retry intervals of minutes in production pass in seconds here."""
_EXTENSIONS = {"details_transform", "event_reader"}
"""Settings that the workers take from the user's environment, so that a function of one's own can be tried here."""
_READY_SECONDS = 60.0
_FAULTS = FaultPlan(
    error_share=0.15,
    slow_share=0.05,
    slow_seconds=1.0,
    cut_off_share=0.05,
    missing_prefix=MISSING_PREFIX,
)


class WorldError(Exception):
    """A part did not come up; the text says which one, and what it last said."""


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
        for index, worker in enumerate(self.workers):
            if not worker.running:
                raise WorldError(
                    f"worker {index} ended with status {worker.process.returncode}; "
                    f"it last said:\n{_tail(_log(self.directory, index))}"
                )


@asynccontextmanager
async def running_world(
    directory: Path, *, workers: int, faults: bool, more: Mapping[str, str] | None = None
) -> AsyncIterator[World]:
    """Start everything, wait until the workers are ready, and stop it all however this ends.

    `directory` receives the output of the parts, `more` are further settings of the workers. Raises WorldError or
    EmulatorError.
    """
    options = Options(plan=_FAULTS if faults else FaultPlan())
    with Emulator(wait_scale=_WAIT_SCALE, output=directory / "emulator.log") as emulator:
        _take_environment(emulator.environment)
        async with Simulator(options) as simulator, open_clients() as clients:
            settings = await create(clients, Names(f"demo-{uuid.uuid4().hex[:8]}"))
            environment = _worker_environment(settings, simulator) | dict(more or {})
            ports = _free_ports(workers)
            children: list[Child] = []
            try:
                for index, port in enumerate(ports):
                    worker = environment | {"HTTP_PORT": str(port)}
                    children.append(Child("worker", ["run"], environment=worker, output=_log(directory, index)))
                urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
                world = World(emulator, simulator, clients, settings, tuple(children), urls, directory)
                await _await_ready(world)
                yield world
            finally:
                await _stop(children)


async def _stop(children: list[Child]) -> None:
    for child in children:
        child.terminate()
    # In threads, so that the simulator goes on answering while the workers finish.
    await asyncio.shield(asyncio.gather(*(asyncio.to_thread(child.stop) for child in children)))


def _take_environment(environment: Mapping[str, str]) -> None:
    """Nothing that leads to a real AWS account stays in this process's environment or reaches a child's."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ECS_"))]:
        del os.environ[name]
    os.environ.update(environment)


def _worker_environment(settings: Mapping[str, str], simulator: Simulator) -> dict[str, str]:
    # Empty counts as unset and keeps a setting of a `.env` file out.
    unset = {name.upper(): "" for name in Settings.model_fields if name not in _EXTENSIONS}
    return {
        **os.environ,
        **unset,
        **settings,
        **simulator.environment,
        "MAX_CONCURRENCY": "50",
        "NOT_FOUND_AFTER_SECONDS": "5",
        "DRAIN_SECONDS": "1",
        "HTTP_HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
    }


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


async def _await_ready(world: World) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                for url in world.worker_urls:
                    while not await _is_ready(session, url):
                        world.check()
                        await asyncio.sleep(0.05)
        except TimeoutError:
            said = _tail(_log(world.directory, 0))
            raise WorldError(f"the workers were not ready after {_READY_SECONDS:g} s; worker 0 said:\n{said}") from None


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def _log(directory: Path, index: int) -> Path:
    return directory / f"worker-{index}.log"


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join(lines[-10:]) or "nothing"
