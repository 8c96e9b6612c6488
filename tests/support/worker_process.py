"""A worker as a process of its own, watched through what it writes and serves."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from worker.local.child_process import Child

_START_SECONDS = 30.0


async def until(condition: Callable[[], Any], seconds: float = 45.0) -> Any:
    """Wait for the condition and give its value; awaitable conditions too. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        await asyncio.sleep(0.05)


class WorkerProcess:
    """`python -m worker run`."""

    def __init__(self, environment: Mapping[str, str], output: Path, *arguments: str) -> None:
        self._output = output
        environment = {"LOG_FORMAT": "json", **environment}
        self.child = Child("worker", ["run", *arguments], environment=environment, output=output)

    def text(self) -> str:
        """All that it has written."""
        return self._output.read_text(encoding="utf-8")

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Its log lines, or those of one kind. Fails when something else than JSON objects was written."""
        # The last line may be half written.
        whole = self.text().rpartition("\n")[0].splitlines()
        parsed = [json.loads(line) for line in whole]
        return [line for line in parsed if event in (None, line["event"])]

    async def started(self) -> None:
        """Until it serves."""
        await until(lambda: self.lines("started") or not self.child.running, _START_SECONDS)
        assert self.child.running, self.text()

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages."""
        port = self.lines("started")[0]["http_port"]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one series; 0 when it is not there."""
        _, text = await self.get("/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0.0

    async def drain(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and its exit status."""
        self.child.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """Its exit status, when it has ended."""
        await until(lambda: not self.child.running, 130)
        status = self.child.process.returncode
        assert status is not None
        return status


def outcomes(number: int, *workers: WorkerProcess) -> list[str]:
    """Of the attempts that the workers have logged, when there are so many; else empty."""
    found = [line["outcome"] for worker in workers for line in worker.lines("attempt")]
    return found if len(found) >= number else []


StartWorker = Callable[..., Awaitable[WorkerProcess]]
"""Starts a worker in an environment of the test's own, with further settings by name."""


@asynccontextmanager
async def worker_process(environment: Mapping[str, str], output: Path, *arguments: str) -> AsyncIterator[WorkerProcess]:
    """A started worker with these arguments, which ends with the context."""
    worker = WorkerProcess(environment, output, *arguments)
    with worker.child:
        await worker.started()
        yield worker
