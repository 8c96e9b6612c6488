"""Lines on their way to a descriptor: whole, in order, and never a reason to wait."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from worker.telemetry import line_writer
from worker.telemetry.line_writer import LineWriter, PrintedLines

SECONDS = 10.0
"""Far more than anything here takes."""


class Pipe:
    """A pipe, and a writer to it that counts what it drops."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.dropped = 0
        self.writer = LineWriter(self.writing, self.drop)

    def drop(self) -> None:
        self.dropped += 1

    def read(self) -> list[str]:
        """All lines that were written or wait."""
        os.set_blocking(self.reading, False)
        content = b""
        written = False
        while not written:
            written = self.writer.wait_until_written(0.01)
            with suppress(BlockingIOError):
                while more := os.read(self.reading, 2**16):
                    content += more
        assert content.endswith(b"\n") or not content
        return content.decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.read()  # so that the thread is not in a write of a descriptor that another test gets
    os.close(pipe.reading)
    os.close(pipe.writing)


def test_lines_come_whole_and_in_order_whatever_their_length(pipe: Pipe) -> None:
    lines = [f"{number} " + "x" * (number * 7919 % 9000) for number in range(100)]
    for line in lines:
        pipe.writer.write(line + "\n")
    assert pipe.read() == lines
    assert pipe.dropped == 0


def test_a_pipe_that_nobody_reads_costs_lines_and_no_time(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_writer, "MOST_BYTES", 200_000)
    lines = [f"{number} " + "x" * 500 for number in range(1000)]
    for line in lines:
        pipe.writer.write(line + "\n")
    assert not pipe.writer.wait_until_written(0.01)
    # Taken up again: those that waited are whole and in order, and the newest ones are among them.
    found = pipe.read()
    assert 200_000 // 510 < len(found) == 1000 - pipe.dropped < 1000
    assert set(found) < set(lines)
    assert found == sorted(found, key=lambda line: int(line.split()[0]))
    assert found[-300:] == lines[-300:]
    pipe.writer.write("after it\n")
    assert pipe.read() == ["after it"]


def test_the_number_of_lines_is_bounded_too(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_writer, "MOST_LINES", 10)
    pipe.writer.write("x" * 100_000 + "\n")
    for _ in range(30):
        pipe.writer.write("a line\n")
    assert 20 <= pipe.dropped <= 21  # the long one may wait, or be in the pipe
    pipe.read()


def test_a_reader_that_comes_back_finds_every_line(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY)
    writer = LineWriter(writing, lambda: None)
    os.close(first)
    for number in range(10):
        writer.write(f"{number}\n")
    assert not writer.wait_until_written(0.01)
    second = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert writer.wait_until_written(SECONDS)
    assert os.read(second, 1000).split() == [b"%d" % number for number in range(10)]
    os.close(second)
    os.close(writing)


def test_what_several_threads_print_does_not_mix(pipe: Pipe) -> None:
    printed = PrintedLines(pipe.writer, pipe.writing)
    both = threading.Barrier(2)

    def write(name: str) -> None:
        for _ in range(200):
            both.wait()
            print(name, name, name, file=printed)  # three writes and more for each

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(pipe.read()) == ["a a a"] * 200 + ["b b b"] * 200


def test_a_line_without_an_end_is_cut(pipe: Pipe) -> None:
    printed = PrintedLines(pipe.writer, pipe.writing)
    for _ in range(3):
        printed.write("x" * 30_000)
    assert list(map(len, pipe.read())) == [90_000]


SCRIPT = """
import sys, warnings
from worker.telemetry.line_writer import written_beside
from worker.telemetry.logging import configure_logging
import structlog

with written_beside(lambda: None) as lines:
    configure_logging("info", "json", lines)
    for number in range(int(sys.argv[1])):
        structlog.get_logger().info("ours", number=number)
        print("printed", number)
        warnings.warn_explicit("warned", UserWarning, "file", number)
"""


def run(number: int, **options: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(number)], **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("to", [subprocess.PIPE, "file"])
def test_an_end_in_normal_operation_loses_nothing(to: int | str, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb+") as file:
        process = run(3000, stdout=file if to == "file" else to, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        file.seek(0)
        out = out or file.read()
    assert process.returncode == 0
    assert len(out.splitlines()) == 6000
    assert [line.split()[1] for line in out.splitlines()[1::2]] == [b"%d" % number for number in range(3000)]
    assert len(err.splitlines()) == 3000


def nobody(reading: int) -> None:
    """Leaves the pipe open, and reads nothing."""


@pytest.mark.parametrize("reader", [nobody, os.close])
def test_the_end_waits_for_no_reader(reader: Callable[[int], None]) -> None:
    reading, writing = os.pipe()
    reader(reading)
    process = run(3000, stdout=writing, stderr=writing)
    assert process.wait(SECONDS + line_writer.CLOSE_SECONDS) == 0
    os.close(writing)
    if reader is nobody:
        with os.fdopen(reading, "rb") as rest:
            assert rest.read().endswith(b"\n")
