"""Two worker processes that share a DynamoDB table act as one towards Genesys Cloud."""

import time
from pathlib import Path

import pytest

from tests.support.stack import Stack, send_many
from tests.support.worker_process import outcomes, until, worker_process
from worker.local.simulator.server import Simulator


async def test_two_processes_log_in_once_and_again_once_after_a_revocation_and_fail_no_attempt(
    stack: Stack, worker_environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> None:
    async with (
        worker_process(worker_environment, tmp_path / "one.log") as one,
        worker_process(worker_environment, tmp_path / "two.log") as two,
    ):

        async def succeeded(number: int) -> bool:
            done = [await worker.metric("worker_interactions_total", outcome="succeeded") for worker in (one, two)]
            return all(done) and sum(done) == number

        await send_many(stack, 60)
        await until(lambda: succeeded(60))
        assert simulator.stats.logins == 1
        simulator.tokens.revoke_all()
        await send_many(stack, 60)
        await until(lambda: succeeded(120))
        assert simulator.stats.logins == 2
        attempts = await until(lambda: outcomes(120, one, two))
        assert attempts == ["succeeded"] * 120
    assert simulator.stats.statuses[429] == 0


@pytest.mark.slow
async def test_a_backlog_one_by_one_keeps_the_limit_of_production_over_a_whole_minute_and_uses_it(
    stack: Stack, worker_environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> None:
    # Nothing is scaled: with a shorter window what the network and the processes add would be hidden in the headroom.
    assert (simulator.options.requests, simulator.options.window_seconds) == (300, 60.0)
    environment = {**worker_environment, "GENESYS_DETAILS_PATH": "/api/v2/conversations/{interactionId}"}
    await send_many(stack, 350)
    async with (
        worker_process(environment, tmp_path / "one.log"),
        worker_process(environment, tmp_path / "two.log"),
    ):

        async def asked(number: int) -> bool:
            return simulator.stats.requests.total() >= number

        await until(lambda: asked(1))
        began = time.monotonic()
        await until(lambda: asked(330), seconds=120)
        seconds = time.monotonic() - began
    assert simulator.stats.statuses[429] == 0
    assert simulator.limiter.peak <= 300
    assert 330 / seconds >= 0.9 * 300 / 60
