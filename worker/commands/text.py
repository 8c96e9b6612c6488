"""Plain text for a terminal: tables that fit, a progress line, and nothing a message could paint over them."""

import shutil
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Self, TextIO

from worker.printable import printable

__all__ = ["Progress", "age", "printable", "table", "width"]

_SECOND_LINE = "    "
_PIPE_SECONDS = 10.0
_TERMINAL_SECONDS = 0.1


def width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal, None where the output goes to a file or pipe."""
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def table(head: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None) -> str:
    """An aligned table of printable text. Where it is wider than `columns`, its last columns go to a second line."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    first = len(head)
    while columns is not None and first > 1 and sum(widths[:first]) + 2 * (first - 1) > columns:
        first -= 1

    def line(row: Sequence[str]) -> str:
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        text = "  ".join(cells[:first]).rstrip()
        return text if first == len(head) else f"{text}\n{_SECOND_LINE}{'  '.join(cells[first:]).rstrip()}"

    return "\n".join(line(row) for row in (head, *rows))


def age(duration: timedelta) -> str:
    """A duration in its two largest units, as `3d04h`, `2h05m`, `7m30s` or `12s`."""
    seconds = max(0, int(duration.total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


class Progress:
    """A line on stderr that says how far a command is: redrawn on a terminal, now and then a new one elsewhere."""

    def __init__(self, label: str, total: int | None, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._next = time.monotonic() if self._terminal else time.monotonic() + _PIPE_SECONDS
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn and self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def update(self, count: int, note: str = "") -> None:
        """Show `count`, at most a few times a second."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_TERMINAL_SECONDS if self._terminal else _PIPE_SECONDS)
        self._drawn = True
        line = f"{self._label} {count}{self._bar(count)}{note and f'  {note}'}"
        self._stream.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        self._stream.flush()

    def _bar(self, count: int) -> str:
        if not self._total:
            return ""
        share = min(1.0, count / self._total)
        return f" of about {self._total} [{'#' * round(20 * share):<20}] {share:4.0%}"
