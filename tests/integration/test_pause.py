"""`pause` and `resume` as commands, on real shared caches; a worker's own view of the document sees them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.support.fakes import RecordingMetrics
from tests.support.genesys_fleet import ELSEWHERE
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from worker.clock import SystemClock
from worker.fleet.gate import Gate
from worker.fleet.shared_cache import open_shared_cache
from worker.genesys.service import open_fleet
from worker.local.emulator import Emulator
from worker.settings import Settings

CLIENT = {"GENESYS_CLIENT_ID": "made-up-client", "GENESYS_REGION": "eu-central-1"}


@dataclass
class Command:
    """Runs the commands in an environment with nothing but these settings."""

    environment: dict[str, str]

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, stdout and stderr."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "worker", *arguments],
            env={"PATH": os.environ["PATH"], **CLIENT, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@asynccontextmanager
async def gate_of_a_worker(url: str, dynamodb: object) -> AsyncIterator[Gate]:
    """The gate as a worker opens it, with the whole of its settings."""
    whole = {
        **ELSEWHERE,
        "genesys_client_id": CLIENT["GENESYS_CLIENT_ID"],
        "genesys_client_secret": "made-up-secret",
        "genesys_region": CLIENT["GENESYS_REGION"],
    }
    async with open_shared_cache(url, dynamodb) as cache:
        yield open_fleet(Settings.model_validate(whole), cache, RecordingMetrics(), SystemClock()).gate


async def pauses_and_resumes(command: Command, gate: Gate) -> None:
    """All that the two commands promise, on one cache."""
    assert await command("resume") == (0, "not paused: there is nothing to resume\n", "")
    status, output, errors = await command("pause", "--for", "30m")
    assert (status, errors) == (0, "")
    assert output.startswith("paused: no worker asks Genesys Cloud from within 2 s until 20")
    assert output.endswith("Z; `resume` ends it sooner\n")
    await gate.look()
    assert gate.paused
    forever = "paused: no worker asks Genesys Cloud from within 2 s until `resume`\n"
    assert await command("pause") == (0, forever, "")
    resumed = "resumed: the workers ask Genesys Cloud again within 2 s; `pause` stops them\n"
    assert await command("resume") == (0, resumed, "")
    await gate.look()
    assert not gate.paused


async def test_in_redis_they_need_nothing_of_aws() -> None:
    async with RedisServer() as server, gate_of_a_worker(server.url, None) as gate:
        await pauses_and_resumes(Command({"SHARED_CACHE_URL": server.url}), gate)


async def test_in_dynamodb(stack: Stack, emulator: Emulator) -> None:
    url = stack.settings["SHARED_CACHE_URL"]
    async with gate_of_a_worker(url, stack.clients.dynamodb) as gate:
        await pauses_and_resumes(Command({**emulator.environment, "SHARED_CACHE_URL": url}), gate)


async def test_settings_come_from_a_file_that_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("settings") / "some.env"
    async with RedisServer() as server:
        file.write_text(f"SHARED_CACHE_URL={server.url}\n")
        status, output, _ = await Command({})("pause", "--env-file", str(file))
        assert (status, output[:8]) == (0, "paused: ")


async def test_a_server_that_is_gone_and_a_table_that_is_missing_are_told_with_what_to_do(
    stack: Stack, emulator: Emulator
) -> None:
    async with RedisServer() as server:
        gone = server.url
    table = stack.settings["SHARED_CACHE_URL"] + "-gone"
    for url, says in ((gone, "Redis: ConnectionError"), (table, "DynamoDB: ResourceNotFoundException")):
        for name in ("pause", "resume"):
            status, output, errors = await Command({**emulator.environment, "SHARED_CACHE_URL": url})(name)
            assert (status, output) == (1, "")
            first, second = errors.splitlines()
            assert first == f"the shared cache did not confirm the change, which may be made or not: {says}"
            assert second.startswith("`doctor` checks the shared cache")
