"""A worker whose standard output nobody reads works on, is asked, and ends in time."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.support.stack import Stack, items_of, send_many
from tests.support.worker_process import WorkerProcess, until

INTERACTIONS = 60

TALKATIVE = """
def transform(document):
    for _ in range(200):
        print("x" * 500)
    return {}
"""
"""100 KB for each interaction: more than a pipe takes, and for all of them more than may wait."""


class Unread(WorkerProcess):
    """A worker that writes into a pipe, on a port that is known without its log."""

    port: int

    async def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def ready(self) -> bool:
        try:
            return (await self.get("/readyz"))[0] == 200
        except aiohttp.ClientError:
            return False


OpenUnread = Callable[[], Awaitable[tuple[Unread, int]]]


@asynccontextmanager
async def unread(environment: dict[str, str], folder: Path) -> AsyncIterator[tuple[Unread, int]]:
    """A worker, and the end of its pipe that nobody reads."""
    (folder / "talkative.py").write_text(TALKATIVE)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    more = {"PYTHONPATH": str(folder), "DETAILS_TRANSFORM": "talkative:transform", "HTTP_PORT": str(port)}
    worker = Unread(environment | more, pipe)
    worker.port = port
    try:
        with worker.child:
            await until(worker.ready)
            yield worker, reading
    finally:
        os.close(reading)


async def work_is_done(stack: Stack, worker: Unread) -> None:
    """Send events, and wait until their items are stored and lines were dropped."""
    sent = await send_many(stack, INTERACTIONS)

    async def stored() -> bool:
        return set(await items_of(stack)) == sent

    async def dropped() -> bool:
        return await worker.metric("worker_log_lines_dropped_total") > 0

    await until(stored)
    await until(dropped)
    assert await worker.get("/livez") == (200, "ok\n")


async def test_a_pipe_that_nobody_reads_stops_neither_work_nor_the_end(
    stack: Stack, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    async with unread(worker_environment, tmp_path) as (worker, _):
        await work_is_done(stack, worker)
        started = time.monotonic()
        assert await worker.drain() == 0
        assert time.monotonic() - started < 20


async def test_a_pipe_that_lost_its_reader_stops_neither(
    stack: Stack, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    async with unread(worker_environment, tmp_path) as (worker, reading):
        with open(os.devnull, "rb") as nothing:  # noqa: ASYNC230, PTH123
            os.dup2(nothing.fileno(), reading)
        await work_is_done(stack, worker)
        assert await worker.drain() == 0


async def test_a_pipe_that_is_read_again_has_whole_lines_to_the_last(
    stack: Stack, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    async with unread(worker_environment, tmp_path) as (worker, reading):
        await work_is_done(stack, worker)
        os.set_blocking(reading, True)
        with os.fdopen(os.dup(reading), "rb") as pipe:
            content = asyncio.create_task(asyncio.to_thread(pipe.read))
            assert await worker.drain() == 0
            lines = (await content).splitlines()
    ours = [json.loads(line) for line in lines if line != b"x" * 500]
    assert (ours[0]["event"], ours[-1]["event"]) == ("started", "stopped")
    assert [line["timestamp"] for line in ours] == sorted(line["timestamp"] for line in ours)
