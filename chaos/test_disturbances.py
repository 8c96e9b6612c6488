"""What a chaos run does to the clock and the standard output of a worker, done to a process of Python."""

import os
import subprocess
import sys
import time
from pathlib import Path

import chaos.clock
from chaos.output import Output
from tests.support.worker_process import until


def test_a_processs_clock_is_off_by_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("7200")
    done = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={"PYTHONPATH": chaos.clock.__path__[0], "CHAOS_CLOCK_FILE": str(tmp_path / "clock")},
        capture_output=True,
        check=True,
    )
    assert abs(float(done.stdout) - time.time() - 7200) < 60


def write_without_end(to: Path) -> "subprocess.Popen[bytes]":
    with to.open("wb") as pipe:
        return subprocess.Popen(["yes"], stdout=pipe)


async def test_a_writer_waits_while_its_output_is_blocked(tmp_path: Path) -> None:
    output = Output(tmp_path / "log")
    writer = write_without_end(output.pipe)
    output.start()
    try:
        output.block()
        log, sizes = tmp_path / "log", [-1]

        def stands() -> bool:
            sizes.append(log.stat().st_size)
            return sizes[-1] == sizes[-2] > 0

        await until(stands)
        output.unblock()
        await until(lambda: log.stat().st_size > sizes[-1] + 10 * os.sysconf("SC_PAGE_SIZE"))
    finally:
        writer.kill()
        writer.wait()
        output.close()
