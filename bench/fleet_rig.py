"""A fleet under measurement: AWS emulator, Genesys simulator, Redis and workers, each a process of its own."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.redis_server import RedisServer
from tests.support.worker_process import WorkerProcess, until, worker_process
from worker.local import bootstrap
from worker.local.aws import open_clients
from worker.local.child_process import Child
from worker.local.emulator import Emulator

CREDENTIALS = {"GENESYS_CLIENT_ID": "bench-client", "GENESYS_CLIENT_SECRET": "bench-secret"}

WAIT_SCALE = 0.02
"""The emulator shortens Step Functions' retry waits by this, which only helps whoever has to retry."""


@dataclass(frozen=True, slots=True)
class SimulatorProcess:
    """`python -m worker simulator`, looked at through its control endpoints."""

    url: str
    session: aiohttp.ClientSession

    async def stats(self) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/_simulator/stats") as answer:
            document: dict[str, Any] = await answer.json()
            return document

    async def control(self, name: str, body: dict[str, Any] | None = None) -> None:
        async with self.session.post(f"{self.url}/_simulator/{name}", json=body or {}) as answer:
            answer.raise_for_status()


@dataclass(slots=True)
class Fleet:
    """What a scenario works with."""

    simulator: SimulatorProcess
    redis: RedisServer
    workers: list[WorkerProcess]
    ports: list[int]
    environment: dict[str, str]
    queue_depths: Callable[[], Awaitable[dict[str, int]]]

    async def publish(self, events: int) -> None:
        """Put events into the queue; each is of an interaction of its own."""
        await publish(self.environment, events)

    async def counts(self, series: str) -> Counter[str]:
        """A counter by its only label, over all workers; what is 0 is left out."""
        found: Counter[str] = Counter()
        for port in self.ports:
            async with self.simulator.session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                page = await answer.text()
            for family in text_string_to_metric_families(page):
                for sample in family.samples:
                    if sample.name == series and sample.value:
                        found[next(iter(sample.labels.values()))] += int(sample.value)
        return found

    async def finished(self, events: int, *, seconds: float) -> float:
        """Wait until so many interactions are stored; how long that took."""
        since = time.monotonic()

        async def stored() -> bool:
            return (await self.counts("worker_interactions_total"))["succeeded"] >= events

        await until(stored, seconds)
        return time.monotonic() - since

    def logged(self, event: str) -> int:
        """Log lines of one kind, over all workers."""
        return sum(len(worker.lines(event)) for worker in self.workers)


async def publish(environment: dict[str, str], events: int) -> None:
    """Put events into the queue; each is of an interaction of its own."""
    arguments = [sys.executable, "-m", "worker", "publish", "--events", str(events), "--shape", "genesys"]
    process = await asyncio.create_subprocess_exec(
        *arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, problem = await process.communicate()
    if process.returncode:
        raise RuntimeError(problem.decode())


async def _start_executions(environment: dict[str, str], output: Path, number: int) -> None:
    async with worker_process({**environment, "ROLES": "intake", "INTAKE_CONCURRENCY": "10"}, output) as intake:
        await publish(environment, number)

        async def started() -> bool:
            return await intake.metric("worker_events_total", outcome="started") >= number

        await until(started, 900)


@asynccontextmanager
async def open_simulator(directory: Path, *options: str) -> AsyncIterator[SimulatorProcess]:
    """A simulator on a free port."""
    output = directory / f"simulator-{time.monotonic_ns()}.log"
    environment = {"PATH": os.environ["PATH"], **CREDENTIALS}
    with Child("worker", ["simulator", "--port", "0", *options], environment=environment, output=output):
        await until(lambda: "GENESYS_API_URL=" in output.read_text() and output.read_text().endswith("\n"))
        url = output.read_text().partition("GENESYS_API_URL=")[2].splitlines()[0]
        async with aiohttp.ClientSession() as session:
            yield SimulatorProcess(url, session)


@asynccontextmanager
async def open_fleet(
    directory: Path, *, workers: int, requests: int, cache: str = "redis", waiting: int = 0, settings: Mapping[str, str]
) -> AsyncIterator[Fleet]:
    """`workers` processes under `requests` a minute; `settings` go into their environment.

    So many executions wait for a worker already when the first one starts as `waiting` says.
    """
    directory = directory / f"fleet-{time.monotonic_ns()}"
    directory.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        emulator = stack.enter_context(Emulator(wait_scale=WAIT_SCALE, output=directory / "emulator.log"))
        os.environ.update(emulator.environment)
        clients = await stack.enter_async_context(open_clients())
        names = await bootstrap.create(clients, bootstrap.Names("fleet"))
        simulator = await stack.enter_async_context(open_simulator(directory, "--requests", str(requests)))
        redis = await stack.enter_async_context(RedisServer())
        environment = {
            "PATH": os.environ["PATH"],
            **emulator.environment,
            **names,
            **CREDENTIALS,
            "GENESYS_LOGIN_URL": simulator.url,
            "GENESYS_API_URL": simulator.url,
            "GENESYS_REQUESTS_PER_MINUTE": str(requests),
            "INTAKE_CONCURRENCY": "3",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "DRAIN_SECONDS": "5",
            **({"SHARED_CACHE_URL": redis.url} if cache == "redis" else {}),
            **settings,
        }

        async def queue_depths() -> dict[str, int]:
            depths = {}
            for name in ("EVENT_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"):
                answer = await clients.sqs.get_queue_attributes(
                    QueueUrl=names[name], AttributeNames=["ApproximateNumberOfMessages"]
                )
                depths[name] = int(answer["Attributes"]["ApproximateNumberOfMessages"])
            return depths

        if waiting:
            await _start_executions(environment, directory / "intake.log", waiting)
        processes = [
            await stack.enter_async_context(worker_process(environment, directory / f"worker-{number}.log"))
            for number in range(workers)
        ]
        ports = [worker.lines("started")[0]["http_port"] for worker in processes]
        yield Fleet(simulator, redis, processes, ports, environment, queue_depths)
