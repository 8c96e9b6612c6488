"""Text of others on a terminal: no command passes on what would move the cursor, hide a line or turn its order."""

import asyncio
import io
import json
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from tests.support.letters import Aws
from tests.support.stack import Stack
from tests.support.worker_process import until
from worker.local.demo.accounting import Account
from worker.local.demo.display import print_result, summary
from worker.local.emulator import Emulator
from worker.local.simulator.stats import Stats

HOSTILE = "evil\x1b]0;title\x07\x1b[2J\x9b1A\x85\u202egnirts\u2066\u2028\x7f\rover"
"""A title, a cleared screen, C1's own CSI, a next line, an override and an isolate of the order, a return."""

SHOWN = "evil\\x1b]0;title"

GENESYS = {"GENESYS_CLIENT_ID": "made-up", "GENESYS_CLIENT_SECRET": "made-up"}


def harmful(text: str) -> set[str]:
    """What of a text a terminal would obey, but line ends."""
    return {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} and c != "\n"}


async def run(environment: dict[str, str], *arguments: str) -> str:
    """All that a command prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", *arguments),
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode()


@asynccontextmanager
async def hostile_services() -> AsyncIterator[str]:
    """An address at which AWS and Genesys Cloud refuse everything, in hostile words."""

    async def refuse(_: web.Request) -> web.Response:
        words = {"__type": HOSTILE, "message": HOSTILE, "code": HOSTILE, "error": HOSTILE, "description": HOSTILE}
        return web.Response(status=400, text=json.dumps(words), content_type="application/x-amz-json-1.0")

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", refuse)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def hostile() -> AsyncIterator[dict[str, str]]:
    """A complete environment whose services are hostile."""
    async with hostile_services() as url:
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "EVENT_QUEUE_URL": f"{url}/000000000000/events",
            "DEAD_LETTER_QUEUE_URL": f"{url}/000000000000/letters",
            "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:made-up",
            "ACTIVITY_ARN": "arn:aws:states:us-east-1:000000000000:activity:made-up",
            "INTERACTION_TABLE_NAME": "made-up",
            "SHARED_CACHE_URL": "dynamodb://made-up",
            "GENESYS_LOGIN_URL": url,
            "GENESYS_API_URL": url,
            **GENESYS,
        }


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["dlq", "list"],
        ["dlq", "show", HOSTILE],
        ["dlq", "redrive"],
        ["pause"],
        ["resume"],
        ["bootstrap"],
        ["publish", "--events", "1"],
    ],
)
async def test_what_a_service_answers_is_shown_and_not_obeyed(
    hostile: dict[str, str], arguments: Sequence[str]
) -> None:
    output = await run(hostile, *arguments)
    assert harmful(output) == set()
    assert SHOWN in output


@pytest.mark.parametrize(
    "arguments", [["dlq", "list", HOSTILE], ["pause", "--for", HOSTILE], [HOSTILE], ["run", "--env-file", HOSTILE]]
)
async def test_an_argument_is_shown_and_not_obeyed(hostile: dict[str, str], arguments: Sequence[str]) -> None:
    output = await run(hostile, *arguments)
    assert harmful(output) == set()
    assert "evil" in output


async def test_a_setting_is_shown_and_not_obeyed(hostile: dict[str, str]) -> None:
    for name in ("GENESYS_REGION", "STATE_MACHINE_ARN", "EVENT_READER"):
        assert harmful(await run({**hostile, name: HOSTILE}, "run")) == set()


async def test_the_console_log_of_a_run_shows_and_does_not_obey(hostile: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    environment = {**hostile, "LOG_FORMAT": "console", "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "PYTHONUTF8": "1"}
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker", "run"),
            env={"PATH": os.environ["PATH"], **environment},
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await until(lambda: SHOWN in output.read_text() or process.returncode is not None)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    assert SHOWN in output.read_text()
    assert harmful(output.read_text()) == set()


async def test_a_letter_is_shown_and_not_obeyed(stack: Stack, emulator: Emulator) -> None:
    environment = {**emulator.environment, **stack.settings, **GENESYS}
    aws = Aws(stack.clients, stack.settings, environment)
    await aws.failed(HOSTILE, "evil\u202eerror")
    # SQS takes neither ESC nor BEL as they are, but C1 and what turns the order.
    await aws.quarantined("evil\x9b2J\x85\u202e\n", "evil\u2066reason")
    for arguments in (["list"], ["show", HOSTILE], ["redrive", "--dry-run"], ["redrive"]):
        output = await run(environment, "dlq", *arguments)
        assert harmful(output) == set(), arguments
        assert "evil" in output, arguments


def test_the_demo_shows_a_reason_and_does_not_obey_it() -> None:
    output = io.StringIO()
    account = Account(events=1, reasons=Counter({f"[link=http://example.com]{HOSTILE}": 1}))
    print_result(Console(file=output, width=200), summary(account, Stats().as_dict(), 1.0))
    assert harmful(output.getvalue()) == set()
    assert f"[link=http://example.com]{SHOWN}" in output.getvalue()
