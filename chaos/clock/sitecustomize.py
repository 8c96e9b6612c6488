"""Python loads this at the start of a worker that has this folder on PYTHONPATH: its clock is off by what a file says.

Only `time.time` is, which is the one clock of the worker's that can be wrong.
"""

import os
import time
from pathlib import Path

_LOOK_SECONDS = 0.1


class _WrongClock:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._right = time.time
        self._offset = 0.0
        self._look_at = 0.0

    def __call__(self) -> float:
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            self._offset = float(self._file.read_text() or self._offset)  # it may be empty while it is written
        return self._right() + self._offset


if name := os.environ.get("CHAOS_CLOCK_FILE"):
    time.time = _WrongClock(Path(name))
