"""`pause` and `resume` as an operator runs them, on two worker processes under load."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.stack import Stack, dead_letters, executions, items_of, send_many
from tests.support.worker_process import WorkerProcess, until, worker_process
from worker.commands.pause import REACHES_SECONDS
from worker.local.simulator.server import Options, Simulator

EVENTS = 60
DRAIN_SECONDS = 95


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Three requests per second for all, so that there is always something left to ask for."""
    async with Simulator(Options(requests=180)) as running:
        yield running


@pytest.fixture
def environment(worker_environment: dict[str, str]) -> dict[str, str]:
    """Of workers that ask for each interaction alone."""
    return worker_environment | {
        "GENESYS_DETAILS_PATH": "/api/v2/conversations/{interactionId}",
        "GENESYS_REQUESTS_PER_MINUTE": "180",
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
    }


async def command(environment: dict[str, str], *arguments: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "worker", *arguments],
        env={name: value for name, value in environment.items() if name != "GENESYS_CLIENT_SECRET"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def asked(simulator: Simulator) -> int:
    """Requests of every kind that came."""
    return simulator.stats.requests.total() + simulator.stats.logins + simulator.stats.logins_refused


async def paused(workers: list[WorkerProcess]) -> bool:
    return all([await worker.metric("worker_paused") == 1 for worker in workers])


@asynccontextmanager
async def two_workers_under_load(
    stack: Stack, environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> AsyncIterator[tuple[list[WorkerProcess], set[str]]]:
    """With the ids of all interactions: some are stored, and every slot has one in hand."""
    async with (
        worker_process(environment, tmp_path / "one.log") as one,
        worker_process(environment, tmp_path / "two.log") as two,
    ):
        workers = [one, two]
        ids = await send_many(stack, EVENTS)

        async def all_busy() -> bool:
            return all([await worker.metric("worker_slots", state="busy") == 10 for worker in workers])

        await until(all_busy)
        await until(lambda: simulator.stats.requests.total() >= 5)
        yield workers, ids


def outcomes(workers: list[WorkerProcess]) -> set[str]:
    return {line["outcome"] for worker in workers for line in worker.lines("attempt")}


async def test_a_pause_stops_the_fleet_within_2_s_and_costs_nothing(
    stack: Stack, environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> None:
    async with two_workers_under_load(stack, environment, simulator, tmp_path) as (workers, ids):
        await command(environment, "pause")
        returned = time.monotonic()
        await asyncio.sleep(REACHES_SECONDS)
        before = asked(simulator)
        assert await paused(workers)
        # Longer than a readiness check is fresh, and long enough for 30 requests.
        while time.monotonic() < returned + 10:
            await workers[0].get("/readyz")
            await asyncio.sleep(1)
        assert asked(simulator) == before
        assert len(await items_of(stack)) < EVENTS
        assert outcomes(workers) == {"succeeded"}

        await command(environment, "resume")
        await until(lambda: asked(simulator) > before, REACHES_SECONDS + 5)

        async def all_stored() -> bool:
            return set(await items_of(stack)) == ids

        await until(all_stored, 90)
        assert not await paused(workers)
        assert outcomes(workers) == {"succeeded"}
        assert sum(len(worker.lines("attempt")) for worker in workers) == EVENTS
        assert simulator.stats.statuses[429] == 0
    assert await dead_letters(stack) == []
    assert set(await executions(stack)) <= {"SUCCEEDED", "RUNNING"}


@pytest.mark.slow
async def test_a_pause_with_an_end_is_over_by_itself(
    stack: Stack, environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> None:
    async with two_workers_under_load(stack, environment, simulator, tmp_path) as (workers, _):
        await command(environment, "pause", "--for", "5s")
        await until(lambda: paused(workers), REACHES_SECONDS)
        before = asked(simulator)
        await until(lambda: asked(simulator) > before, 10)
        await until(lambda: all(worker.lines("resumed") for worker in workers), REACHES_SECONDS)
        assert outcomes(workers) == {"succeeded"}


@pytest.mark.slow
async def test_a_worker_that_starts_in_a_pause_asks_nothing_and_one_that_is_told_to_stop_hands_back_at_once(
    stack: Stack, environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> None:
    async with two_workers_under_load(stack, environment, simulator, tmp_path) as (workers, ids):
        await command(environment, "pause")
        await asyncio.sleep(REACHES_SECONDS)
        before = asked(simulator)
        async with worker_process(environment, tmp_path / "three.log") as third:
            assert await third.metric("worker_paused") == 1
            in_hand = [await worker.metric("worker_slots", state="busy") for worker in workers]
            assert await asyncio.gather(*(worker.drain() for worker in workers)) == [0, 0]
            for worker, busy in zip(workers, in_hand, strict=True):
                (draining,), (drained,) = worker.lines("draining"), worker.lines("drained")
                # Open polls are awaited, SQS's for up to 20 s; work is not.
                assert (drained["dropped"], drained["seconds"] < DRAIN_SECONDS / 2) == (0, True)
                handed_back = [line for line in worker.lines("attempt") if line["outcome"] == "Worker.Draining"]
                assert len(handed_back) >= busy > 0
                first = min(datetime.fromisoformat(line["timestamp"]) for line in handed_back)
                assert first - datetime.fromisoformat(draining["timestamp"]) < timedelta(seconds=5)
            assert outcomes(workers) == {"succeeded", "Worker.Draining"}
            assert asked(simulator) == before
            await command(environment, "resume")

            async def all_stored() -> bool:
                return set(await items_of(stack)) == ids

            await until(all_stored, 90)
            assert outcomes([third]) == {"succeeded"}
