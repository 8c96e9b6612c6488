"""`python -m worker simulator` as a process: what it prints, who may log in, and how it ends."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    running: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            "simulator",
            *arguments,
            env={"PATH": os.environ["PATH"], **environment},
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    login = (await process.stdout.readline()).decode().strip()
    api = (await process.stdout.readline()).decode().strip()
    assert login.removeprefix("GENESYS_LOGIN_URL=") == api.removeprefix("GENESYS_API_URL=")
    return api.removeprefix("GENESYS_API_URL=")


async def _log_in(url: str, client_id: str, secret: str) -> int:
    headers = {"Authorization": aiohttp.encode_basic_auth(client_id, secret)}
    form = {"grant_type": "client_credentials"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/oauth/token", data=form, headers=headers) as answer,
    ):
        return answer.status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_credentials_of_its_environment_log_in_and_a_signal_ends_it_with_0(
    start: Start, number: signal.Signals
) -> None:
    process = await start("--port", "0", GENESYS_CLIENT_ID="made-up-id", GENESYS_CLIENT_SECRET="made-up-secret")
    url = await _url(process)
    assert url.startswith("http://127.0.0.1:")
    assert await _log_in(url, "made-up-id", "made-up-secret") == 200
    assert await _log_in(url, "made-up-id", "simulator-secret") == 401
    assert await _log_in(url, "simulator-client", "made-up-secret") == 400
    process.send_signal(number)
    output, errors = await process.communicate()
    assert process.returncode == 0
    assert b"made-up-secret" not in output + errors
    assert errors == b""


async def test_without_credentials_it_says_which_ones_log_in(start: Start) -> None:
    process = await start("--port", "0")
    assert await _log_in(await _url(process), "simulator-client", "simulator-secret") == 200
    process.terminate()
    _, errors = await process.communicate()
    assert b"simulator-client" in errors
    assert b"simulator-secret" in errors


async def test_a_port_in_use_is_one_line_and_exit_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await start("--port", str(taken.getsockname()[1]))
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.count(b"\n") == 1
    assert b"cannot listen on 127.0.0.1" in errors


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--errors", "2"], b"must be a number from 0 to 1"),
        (["--window", "nan"], b"must be a number, 0 or more"),
        (["--requests", "0"], b"must be a whole number, 1 or more"),
        (["--port", "-1"], b"must be a whole number, 0 or more"),
    ],
)
async def test_a_wrong_option_is_explained_with_exit_2(start: Start, option: list[str], expected: bytes) -> None:
    process = await start(*option)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert expected in errors


async def test_the_limit_and_faults_of_its_options_hold(start: Start) -> None:
    process = await start("--port", "0", "--requests", "2", "--window", "30", "--missing-prefix", "no-")
    url = await _url(process)
    async with aiohttp.ClientSession() as session:
        form = {"grant_type": "client_credentials"}
        login = {"Authorization": aiohttp.encode_basic_auth("simulator-client", "simulator-secret")}
        async with session.post(f"{url}/oauth/token", data=form, headers=login) as answer:
            bearer = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        statuses = []
        for interaction_id in ("yes-1", "no-1", "yes-2"):
            async with session.get(f"{url}/api/v2/conversations/{interaction_id}", headers=bearer) as answer:
                statuses.append(answer.status)
    assert statuses == [200, 404, 429]
