"""`python -m worker demo` as a person runs it: what it prints, its exit status, and that nothing stays behind."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

_MARK = "TMPDIR"
"""One of the few variables that the emulator gets too."""


@dataclass
class Demo:
    """A demo process. What it starts inherits its temporary directory, by which it can be found."""

    process: asyncio.subprocess.Process
    directory: Path
    lines: list[str] = field(default_factory=list)

    async def line_with(self, text: str) -> str:
        """Read on until a line of stdout holds `text`."""
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            self.lines.append(raw.decode())
            if text in self.lines[-1]:
                return self.lines[-1]
        raise AssertionError(f"{text!r} was not printed, but: {''.join(self.lines)}")

    async def end(self) -> int:
        """Read to the end; the exit status."""
        assert self.process.stdout is not None
        self.lines += (await self.process.stdout.read()).decode().splitlines(keepends=True)
        return await self.process.wait()

    def summary(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.lines[-1])
        return answer

    def running(self) -> dict[int, str]:
        """Process ids and command lines of the processes with this temporary directory."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{_MARK}={self.directory}\0".encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
        return found

    async def nothing_left(self) -> None:
        async with asyncio.timeout(20):
            while self.running():
                await asyncio.sleep(0.05)


class Starter:
    """Starts demos, and ends those that a failed test leaves running."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: list[Demo] = []

    async def __call__(self, *arguments: str, environment: dict[str, str] | None = None) -> Demo:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            "demo",
            *arguments,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONUNBUFFERED": "1",
                _MARK: str(self.directory),
                **(environment or {}),
            },
            cwd=self.directory,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**20,
        )
        self._started.append(Demo(process, self.directory))
        return self._started[-1]

    async def clean_up(self) -> None:
        for demo in self._started:
            if demo.process.returncode is None:
                demo.process.kill()
                await demo.end()
            await demo.nothing_left()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    await starter.clean_up()


async def test_every_event_is_stored_whatever_the_shell_is_set_to_and_the_last_line_says_so(start: Starter) -> None:
    """Settings, accounts and proxies of the shell, or of a .env file, do not reach the demo."""
    dotenv = start.directory / ".env"
    dotenv.write_text("GENESYS_REGION=nowhere\nAWS_ENDPOINT_URL=http://127.0.0.1:1\n")
    shell = {
        "AWS_PROFILE": "made-up",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:1",
        "MAX_CONCURRENCY": "none",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    demo = await start("--events", "20", "--workers", "2", "--json", environment=shell)
    assert await demo.end() == 0, "".join(demo.lines)
    summary = demo.summary()
    assert (summary["interactions"], summary["events"], summary["stored"], summary["dead_lettered"]) == (20, 80, 80, 0)
    assert (summary["duplicates"], summary["lost"], summary["open"], summary["wrong"]) == (0, 0, 0, 0)
    assert summary["seconds"] > 0
    # One login for both, unless the emulator is so slow that a worker cannot wait for what the other one shares.
    assert summary["genesys"]["logins"] in {1, 2}
    assert 0 < summary["latency_seconds"]["p50"] <= summary["latency_seconds"]["max"]
    assert demo.running() == {}
    assert list(demo.directory.iterdir()) == [dotenv]


async def test_with_faults_every_event_is_stored_or_a_dead_letter_with_its_reason(start: Starter) -> None:
    demo = await start("--events", "40", "--events-per-interaction", "3", "--spread", "1", "--faults", "--json")
    assert await demo.end() == 0, "".join(demo.lines)
    summary = demo.summary()
    assert summary["stored"] + summary["dead_lettered"] == summary["events"] == 40 * 3
    assert summary["lost"] == 0
    assert summary["duplicates"] == 6
    assert summary["dead_letters"]["Interaction.NotFound"] == 3
    assert summary["dead_lettered"] == 6
    assert summary["genesys"]["logins"] >= 2
    output = "".join(demo.lines)
    for reason in summary["dead_letters"]:
        assert reason in output
    assert demo.running() == {}


async def test_kept_up_it_prints_urls_that_answer_and_ends_well_on_an_interrupt(start: Starter) -> None:
    demo = await start("--events", "5", "--workers", "1", "--keep", "--json")
    worker = await demo.line_with("/readyz")
    emulator = "".join(demo.lines)
    await demo.line_with('"events": 20')
    urls = re.findall(r"http://127\.0\.0\.1:\d+[/a-z]*", worker + emulator)
    assert len(set(urls)) == 5
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url) as answer:
                assert answer.status in {200, 404}
    demo.process.send_signal(signal.SIGINT)
    assert await demo.end() == 0
    assert demo.running() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_in_the_middle_it_stops_everything_and_says_so(
    start: Starter, number: signal.Signals
) -> None:
    demo = await start("--events", "5000")
    await demo.line_with("published")
    assert len(demo.running()) == 4
    demo.process.send_signal(number)
    assert await demo.end() == 128 + number
    assert "interrupted" in demo.lines[-1]
    assert demo.running() == {}
    assert list(demo.directory.iterdir()) == []


async def test_killed_without_a_warning_it_takes_its_processes_along(start: Starter) -> None:
    demo = await start("--events", "5000")
    await demo.line_with("published")
    assert len(demo.running()) == 4
    demo.process.kill()
    await demo.end()
    await demo.nothing_left()


async def test_a_worker_that_ends_makes_it_fail_and_say_what_the_worker_said(start: Starter) -> None:
    demo = await start("--events", "5000")
    await demo.line_with("published")
    workers = [pid for pid, command in demo.running().items() if command.endswith("worker run")]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert await demo.end() == 1
    assert "ended with status -9" in "".join(demo.lines)
    assert demo.running() == {}


async def test_on_a_terminal_it_shows_live_bars(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker", "demo", "--events", "20", "--events-per-interaction", "1", "--workers", "1",
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "160"},
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = await asyncio.to_thread(_read_all, ours)
    assert await process.wait() == 0, shown
    assert "accounted for" in shown
    assert "20/20" in shown
    assert "What became of every event" in shown


def _read_all(descriptor: int) -> str:
    chunks = []
    with open(descriptor, "rb", buffering=0) as terminal:
        while True:
            try:
                chunk = terminal.read(65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")


@pytest.mark.parametrize(
    "arguments",
    [["--events", "0"], ["--events-per-interaction", "0"], ["--workers", "many"], ["--patience", "-1"]],
)
async def test_a_wrong_option_is_one_readable_line_and_exit_2(start: Starter, arguments: list[str]) -> None:
    demo = await start(*arguments)
    assert await demo.end() == 2
    assert "must be a whole number, 1 or more" in demo.lines[-1]


async def test_a_transform_named_in_the_shell_shows_in_the_item_that_is_printed(start: Starter) -> None:
    demo = await start("--events", "20", environment={"DETAILS_TRANSFORM": "made_up:waited"})
    assert await demo.end() == 1

    module = "def waited(document):\n    return {'people': len(document['participants'])}\n"
    (demo.directory / "made_up.py").write_text(module)
    demo = await start("--events", "20", environment={"DETAILS_TRANSFORM": "made_up:waited"})
    assert await demo.end() == 0, "".join(demo.lines)
    (line,) = (line for line in demo.lines if line.startswith("One of the items: "))
    assert json.loads(line.partition(": ")[2])["people"] >= 2
