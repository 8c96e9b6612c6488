"""A worker's memory and its event loop, whatever Genesys Cloud answers."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.large_answers import ANSWERS
from tests.support.samples import seed
from tests.support.stack import Stack, items_of, new_id, send
from tests.support.worker_process import WorkerProcess, until, worker_process

MOST_MIB = 400
MOST_LAG = 2.0
"""Seconds, on a machine with other work: the code before took 6. `tests/integration/test_large_answers.py` measures the
CPU time for which the event loop is held up."""


PLAN = ["large"] * 6 + ["objects", "lists"] + ["endless"] * 4 + ["bomb", "few_objects", "few_lists"]
"""Twelve, two of them hostile and four without an end; one of 64 KiB that are 64 MiB; and two hostile ones that are
just small enough to be parsed."""

GOOD = {"large", "few_objects", "few_lists"}


@asynccontextmanager
async def hostile_api() -> AsyncIterator[str]:
    """The URL of an API that answers all of PLAN at once, each as its id says."""
    asked = 0
    all_asked = asyncio.Event()

    async def reply(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == len(PLAN):
            all_asked.set()
        await all_asked.wait()
        (interaction_id,) = request.query.getall("id")
        kind = interaction_id.partition("-")[0]
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"} if kind == "bomb" else {})
        await response.prepare(request)
        with suppress(ConnectionError):
            if answer := ANSWERS.get(kind):
                await response.write(answer.replace(b"ID", interaction_id.encode()))
            if kind == "bomb":
                await response.write(gzip.compress(b" " * 2**26))
            while kind == "endless":
                await response.write(b" " * 2**16)
        return response

    application = web.Application()
    application.add_routes([web.get("/{rest:.*}", reply)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def peak_mib(worker: WorkerProcess) -> float:
    """The most that the worker has had resident so far."""
    status = Path(f"/proc/{worker.child.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("transform", [False, True], ids=["no document is needed", "documents are needed"])
async def test_twelve_large_answers_at_once_hostile_and_endless_ones_among_them(
    stack: Stack, worker_environment: dict[str, str], tmp_path: Path, *, transform: bool
) -> None:
    (tmp_path / "needs_documents.py").write_text("def transform(document):\n    return {'size': len(document)}\n")
    ids = [f"{kind}-{new_id()}" for kind in PLAN]
    async with hostile_api() as url:
        environment = worker_environment | {
            "GENESYS_API_URL": url,
            "GENESYS_BATCH_SIZE": "1",
            "GENESYS_REQUESTS_PER_MINUTE": "60000",
            "MAX_CONCURRENCY": "20",
            "RECORD": "standard",
            "PYTHONPATH": str(tmp_path),
        }
        if transform:
            environment["DETAILS_TRANSFORM"] = "needs_documents:transform"
        async with worker_process(environment, tmp_path / "log") as worker:
            await send(stack, *(seed(one) | {"id": f"event-{one}"} for one in ids))
            lag = 0.0

            async def all_ended() -> bool:
                nonlocal lag
                lag = max(lag, await worker.metric("worker_loop_lag_seconds"))
                return {line["interaction_id"] for line in worker.lines("attempt")} == set(ids)

            await until(all_ended, 120)
            ended = {line["interaction_id"]: line for line in worker.lines("attempt")}
            assert peak_mib(worker) < MOST_MIB
            assert lag < MOST_LAG
            good = {one for one in ids if one.partition("-")[0] in GOOD}
            assert {one for one in ids if ended[one]["outcome"] == "succeeded"} == good
            assert {ended[one]["outcome"] for one in ids if one not in good} == {"Interaction.Invalid"}
            assert set(await items_of(stack)) == good
