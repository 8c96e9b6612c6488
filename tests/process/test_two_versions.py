"""During a rollout a worker of 0.1.0 and one of this version act as one towards Genesys Cloud."""

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stack import Stack, send_many
from tests.support.worker_process import WorkerProcess, outcomes, until, worker_process
from worker.local import child_process
from worker.local.simulator.server import Options, Simulator

LAST_COMMIT_OF_0_1_0 = "ad965a7ff3802a5a611b9d5ec5ca85c3b8579f39"

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Refuses what two workers send that do not share: 600 a minute are at most 40 in 3 s, twice that at most 80."""
    async with Simulator(Options(requests=48, window_seconds=3.0)) as running:
        yield running


@pytest.fixture
def old_environment(worker_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """`worker_environment` with 0.1.0's package in place of this one."""
    archive = subprocess.run(
        ["git", "archive", LAST_COMMIT_OF_0_1_0, "worker"], cwd=REPOSITORY, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"needs the commit {LAST_COMMIT_OF_0_1_0[:7]}; this clone does not have it (git fetch --unshallow)")
    old = tmp_path / "0.1.0"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(old, filter="data")
    # By which a worker process ends with its test; 0.1.0 has it under another name.
    shutil.copy(child_process.__file__, old / "worker" / "local")
    # Safe path: otherwise the working directory, which has this version, comes first.
    environment = {**worker_environment, "PYTHONPATH": str(old), "PYTHONSAFEPATH": "1"}
    subprocess.run([sys.executable, "-c", "import worker.genesys.token_record"], env=environment, check=True)
    return environment


async def test_two_versions_share_the_allowance_without_a_429_and_log_in_once_more_at_most(
    stack: Stack,
    worker_environment: dict[str, str],
    old_environment: dict[str, str],
    simulator: Simulator,
    tmp_path: Path,
) -> None:
    one_by_one = {
        "GENESYS_DETAILS_PATH": "/api/v2/conversations/{interactionId}",
        "GENESYS_REQUESTS_PER_MINUTE": "600",
    }
    workers: list[WorkerProcess] = []

    async def succeeded(number: int) -> bool:
        done = [await worker.metric("worker_interactions_total", outcome="succeeded") for worker in workers]
        return all(done) and sum(done) == number

    async with worker_process({**old_environment, **one_by_one}, tmp_path / "old.log") as old:
        workers.append(old)
        await send_many(stack, 10)
        await until(lambda: succeeded(10))
        async with worker_process({**worker_environment, **one_by_one}, tmp_path / "new.log") as new:
            workers.append(new)
            await send_many(stack, 80)
            await until(lambda: succeeded(90))
            assert simulator.stats.logins == 1
            # This version takes over the plain token of 0.1.0. What it writes itself is encrypted, under a key that
            # 0.1.0 does not read, so the next token costs a login of each: one more at most.
            simulator.tokens.revoke_all()
            await send_many(stack, 20)
            await until(lambda: succeeded(110))
            assert simulator.stats.logins in {2, 3}
            assert await until(lambda: outcomes(110, *workers)) == ["succeeded"] * 110
            assert not any(worker.lines("shared_cache_unavailable") for worker in workers)
    assert simulator.stats.statuses[429] == 0
