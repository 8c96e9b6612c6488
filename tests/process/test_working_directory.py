"""What lies in the working directory is not imported, unless a setting names a module of the user's."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.local.child_process import Child

_SHADOWED = ("structlog", "argparse", "signal", "botocore", "subprocess")
"""Modules of libraries and of Python itself, each imported on the way of some command."""


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory whose modules leave a file `NAME.ran` when they are imported."""
    for name in _SHADOWED:
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / name) + '.ran'!r}, 'w').close()\nraise SystemExit\n"
        )
    return tmp_path


def _imported(trap: Path) -> list[str]:
    return [found.stem for found in trap.glob("*.ran")]


def _run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        cwd=directory,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["run"], ["doctor", "--help"], ["demo", "--help"]])
def test_a_module_there_does_not_run(trap: Path, arguments: list[str]) -> None:
    ended = _run(trap, *arguments)
    assert "interaction-worker" in ended.stdout or "is required and not set" in ended.stderr
    assert _imported(trap) == []


def test_a_module_there_does_not_run_in_a_child_of_a_local_command(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trap)
    with Child("worker", ["simulator", "--help"], environment={"PATH": os.environ["PATH"]}) as child:
        assert child.process.wait(30) == 0
    assert _imported(trap) == []


_COMPLETE = {
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "EVENT_QUEUE_URL": "http://127.0.0.1:9/000000000000/events",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:9/000000000000/letters",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:made-up",
    "ACTIVITY_ARN": "arn:aws:states:us-east-1:000000000000:activity:made-up",
    "INTERACTION_TABLE_NAME": "made-up",
    "GENESYS_CLIENT_ID": "made-up",
    "GENESYS_CLIENT_SECRET": "made-up",
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
}


@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_module_that_a_setting_names_is_found_there_and_still_nothing_else_of_ours_is(
    trap: Path, in_a_file: bool
) -> None:
    (trap / "own_reader.py").write_text("import structlog, argparse\nraise RuntimeError('found')\n")
    (trap / "settings.env").write_text("EVENT_READER=own_reader:read\n")
    if in_a_file:
        ended = _run(trap, "run", "--env-file", "settings.env", **_COMPLETE)
    else:
        ended = _run(trap, "run", **_COMPLETE, EVENT_READER="own_reader:read")
    assert ended.stderr == "EVENT_READER: module own_reader fails to load: RuntimeError\n"
    assert ended.returncode == 2
    assert _imported(trap) == []


async def test_the_console_script_looks_nowhere_but_on_the_path(trap: Path) -> None:
    script = Path(sys.executable).with_name("interaction-worker")
    (trap / "own_reader.py").write_text("raise RuntimeError\n")
    process = await asyncio.create_subprocess_exec(
        script,
        "run",
        cwd=trap,
        env={"PATH": os.environ["PATH"], **_COMPLETE, "EVENT_READER": "own_reader:read"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert b"there is no module own_reader" in errors
    assert _imported(trap) == []
