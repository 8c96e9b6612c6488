"""The two commands that README's local work starts with, joined by a shell."""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path

import pytest

from worker.local import bootstrap
from worker.local.aws import open_clients
from worker.local.emulator import Emulator
from worker.local.simulator.server import Simulator
from worker.local.traffic import Pace, make_events, put_events


@pytest.mark.usefixtures("aws_environment")
async def test_what_bootstrap_prints_is_all_that_run_needs_besides_genesys(
    emulator: Emulator, simulator: Simulator, tmp_path: Path
) -> None:
    names = bootstrap.Names(f"test-{uuid.uuid4().hex[:12]}")
    environment = {"PATH": os.environ["PATH"], "HTTP_PORT": "0", "HTTP_HOST": "127.0.0.1", "MAX_CONCURRENCY": "5"}
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        'exec env $("$0" -m worker bootstrap --prefix "$1") "$0" -m worker run',
        sys.executable,
        names.prefix,
        env={**environment, **emulator.environment, **simulator.environment},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        first = await process.stdout.readline()
        assert json.loads(first), first
        async with open_clients() as clients, asyncio.timeout(60):
            event = make_events(1, "seed")[0]
            await put_events(clients, [event], Pace(0))
            key = {"interactionId": {"S": event.interaction_id}}
            while "Item" not in await clients.dynamodb.get_item(TableName=names.interaction_table, Key=key):
                await asyncio.sleep(0.1)
            await bootstrap.remove(clients, names, await bootstrap.create(clients, names))
    finally:
        process.kill()
        await process.communicate()
