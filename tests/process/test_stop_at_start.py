"""A stop that comes while the service starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.worker_process import until


def catches(process_id: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


@pytest.mark.parametrize("late_seconds", [0.0, 0.2, 0.5, 1.0])
async def test_sigterm_at_any_moment_of_the_start_ends_with_status_0(
    worker_environment: dict[str, str], late_seconds: float
) -> None:
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "worker"],
        env=os.environ | worker_environment | {"DRAIN_SECONDS": "1"},
        stdout=subprocess.DEVNULL,
    ) as process:
        await until(lambda: catches(process.pid, signal.SIGTERM))
        try:
            process.wait(late_seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize("option", ["--env-file {}", "--env-file={}", "run --env-file {}"])
async def test_sigterm_while_the_settings_are_still_read_ends_with_status_0(option: str, tmp_path: Path) -> None:
    never_written = tmp_path / "settings"
    os.mkfifo(never_written)
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "worker", *option.format(never_written).split()], stderr=subprocess.PIPE
    ) as process:
        try:
            await until(lambda: catches(process.pid, signal.SIGTERM), 20)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
