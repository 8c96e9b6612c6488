"""A worker's standard output as a small pipe, which nobody reads while it is blocked."""

import fcntl
import os
import threading
from pathlib import Path

_PIPE_BYTES = 4096
"""The least that Linux gives: a few lines fill it."""


class Output:
    """Copies what comes through the pipe to a log, from `start` on until the last writer has ended."""

    def __init__(self, log: Path) -> None:
        self.pipe = log.with_suffix(".pipe")
        os.mkfifo(self.pipe)
        # Not blocking: there is no writer yet.
        self._reading = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._reading, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._log = log
        self._log.touch()
        self._flows = threading.Event()
        self._flows.set()
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def start(self) -> None:
        """Once there is a writer."""
        os.set_blocking(self._reading, True)
        self._thread.start()

    def block(self) -> None:
        self._flows.clear()

    def unblock(self) -> None:
        self._flows.set()

    def close(self) -> None:
        """Copy the rest; the writer must have ended."""
        self.unblock()
        self._thread.join()

    def _copy(self) -> None:
        with self._log.open("ab") as log, os.fdopen(self._reading, "rb", buffering=0) as pipe:
            while data := pipe.read(_PIPE_BYTES):
                log.write(data)
                log.flush()
                self._flows.wait()
