"""Standard output and standard error, written by threads of their own: whoever does not read them stops nothing else.

A pipe that nobody reads takes 64 KiB, and then blocks whoever writes to it, the interpreter at its end included.
"""

import contextlib
import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

MOST_LINES = 10_000
MOST_BYTES = 4 * 2**20
"""What may wait for a reader: at 500 lines of 500 bytes per second about 16 s. The oldest lines beyond it are dropped,
as the newest ones say how things are now."""

CLOSE_SECONDS = 2.0
"""How long the end of the process waits for a reader."""

_RETRY_SECONDS = 0.1
"""Between two tries of a descriptor that refuses: a pipe without a reader, a full disk."""

_LONGEST_PART = 64 * 2**10
"""Characters of a line without an end; a longer one is cut."""


class LineWriter:
    """Takes whole lines from any thread, and never waits for a reader.

    A line is written whole, in its order, or dropped and counted. One that the descriptor refuses is tried until it is
    taken, so that a reader that comes back, or a disk that has room again, finds no half lines.
    """

    def __init__(self, descriptor: int, count_dropped: Callable[[], None]) -> None:
        """`count_dropped` is called once per line, on the thread that wrote one too many."""
        self._descriptor = descriptor
        self._count_dropped = count_dropped
        # Re-entrant: the garbage collector may run a finalizer here that logs, too.
        self._changed = threading.Condition(threading.RLock())
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        """Of the lines that wait, and of those that are being written."""
        self._idle = True
        threading.Thread(target=self._run, name=f"lines-{descriptor}", daemon=True).start()

    def write(self, text: str) -> int:
        """Put off `text`, which is one line or several, with its end."""
        line = text.encode(errors="backslashreplace")
        dropped = 0
        with self._changed:
            self._lines.append(line)
            self._bytes += len(line)
            while self._lines and (len(self._lines) > MOST_LINES or self._bytes > MOST_BYTES):
                self._bytes -= len(self._lines.popleft())
                dropped += 1
            if self._idle:
                self._changed.notify_all()
        for _ in range(dropped):
            self._count_dropped()
        return len(text)

    def flush(self) -> None:
        """Nothing: the thread writes as soon as it can."""

    def wait_until_written(self, seconds: float) -> bool:
        """Whether all lines are written, at the latest after `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._bytes == 0, seconds)

    def _run(self) -> None:
        while True:
            lines = self._next()
            self._write(lines)
            with self._changed:
                self._bytes -= len(lines)
                if not self._bytes:
                    self._changed.notify_all()

    def _next(self) -> bytes:
        """As many lines as a pipe takes in one piece, so that no other writer's line gets between; a longer one alone.

        Waits for a first one.
        """
        with self._changed:
            self._idle = True
            self._changed.wait_for(lambda: self._lines)
            self._idle = False
            lines = [self._lines.popleft()]
            size = len(lines[0])
            while self._lines and size + len(self._lines[0]) <= select.PIPE_BUF:
                size += len(self._lines[0])
                lines.append(self._lines.popleft())
        return b"".join(lines)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                time.sleep(_RETRY_SECONDS)


class PrintedLines(io.TextIOBase):
    """What stands for `sys.stdout` or `sys.stderr`: gathers what each thread prints to lines of a LineWriter."""

    encoding = "utf-8"

    def __init__(self, writer: LineWriter, descriptor: int) -> None:
        self._writer = writer
        self._descriptor = descriptor
        self._parts = threading.local()

    def write(self, text: str) -> int:
        """Pass on whole lines, and keep the rest for the next call on this thread."""
        lines, end, rest = (getattr(self._parts, "rest", "") + text).rpartition("\n")
        if len(rest) > _LONGEST_PART:
            lines, end, rest = lines + end + rest, "\n", ""
        self._parts.rest = rest
        if end:
            self._writer.write(lines + end)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


@contextlib.contextmanager
def written_beside(count_dropped: Callable[[], None]) -> Iterator[LineWriter]:
    """Nothing that is logged or printed waits for a reader, warnings and prints of users' functions included.

    Gives the writer of standard output, for the log. At the end what waits is written, for CLOSE_SECONDS at most; after
    that nothing is left in the interpreter's own buffers, whose last flush would block.
    """
    streams = sys.stdout, sys.stderr
    descriptors = [stream.fileno() for stream in streams]
    writers = [LineWriter(descriptor, count_dropped) for descriptor in descriptors]
    sys.stdout, sys.stderr = map(PrintedLines, writers, descriptors)
    try:
        yield writers[0]
    finally:
        sys.stdout, sys.stderr = streams
        deadline = time.monotonic() + CLOSE_SECONDS
        for writer in writers:
            writer.wait_until_written(max(0.0, deadline - time.monotonic()))
