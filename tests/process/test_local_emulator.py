"""The embedded AWS emulator: on loopback only, and gone with whoever started it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from worker.local.child_process import Child
from worker.local.emulator import Emulator, EmulatorError

_HOLD_ONE = """
import sys, time
from worker.local.emulator import Emulator
with Emulator() as emulator:
    print(emulator.process_id, flush=True)
    time.sleep(600)
"""
_LISTEN = "0A"
_LOOPBACK = "0100007F"


def _listening(pid: int) -> list[str]:
    """Local addresses on which a process listens, as Linux writes them: hexadecimal IPv4 or IPv6, then the port."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = str(entry.readlink())
        if target.startswith("socket:["):
            inodes.add(target.removeprefix("socket:[").removesuffix("]"))
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                addresses.append(fields[1])
    return addresses


def test_it_listens_on_one_loopback_port_and_no_other(emulator: Emulator) -> None:
    port = int(emulator.url.rpartition(":")[2])
    assert _listening(emulator.process_id) == [f"{_LOOPBACK}:{port:04X}"]


def test_two_of_them_run_beside_each_other(emulator: Emulator) -> None:
    with Emulator() as second:
        assert second.url != emulator.url
        assert _listening(second.process_id)


def _is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_is_gone_when_its_parent_ends_in_any_way(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD_ONE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.send_signal(number)
    assert _is_gone(pid)


def test_one_that_cannot_start_says_where_its_output_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "hypercorn.py").write_text("raise SystemExit('made to fail')")
    output = tmp_path / "output.log"
    with pytest.raises(EmulatorError, match=f"see {output}"), Emulator(output=output):
        pass
    assert "made to fail" in output.read_text()


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    output = tmp_path / "output.log"
    with Child("deaf", environment={**os.environ, "PYTHONPATH": str(tmp_path)}, output=output) as child:
        async with asyncio.timeout(20):
            while "ready" not in output.read_text():
                await asyncio.sleep(0.02)
        assert child.stop(0.2) == -signal.SIGKILL
        assert not child.running


def test_the_exit_status_of_a_child_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "three.py").write_text("import sys\nassert sys.argv[1:] == ['a', 'b']\nsys.exit(3)\n")
    with Child("three", ["a", "b"], environment={**os.environ, "PYTHONPATH": str(tmp_path)}) as child:
        assert child.process.wait(20) == 3
