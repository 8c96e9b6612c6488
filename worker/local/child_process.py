"""Run a module as a child that cannot outlive its parent: `python -m worker.local.child_process MODULE ARGUMENT…`.

The parent holds the other end of this process's standard input. When the parent ends, however it ends, the pipe closes
and this process kills itself; `atexit` and signal handlers in the parent do not run when it is killed.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_STOP_SECONDS = 10.0


class Child:
    """A module running in a process of its own, in a session of its own, so that Ctrl-C reaches only the parent."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str],
        output: Path | None = None,
        file_descriptors: Sequence[int] = (),
    ) -> None:
        """Start it at once. `output` receives stdout and stderr, which are dropped when it is None."""
        with (output or Path(os.devnull)).open("ab") as sink:
            self.process = subprocess.Popen(  # noqa: S603 -- our own interpreter, arguments without a shell
                # -P: no module is imported from the working directory.
                [sys.executable, "-P", "-m", __name__, module, *arguments],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                pass_fds=tuple(file_descriptors),
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def terminate(self) -> None:
        """Ask it to end (SIGTERM); returns at once."""
        self.process.terminate()

    def stop(self, seconds: float = _STOP_SECONDS) -> int:
        """Ask it to end, kill it when it has not after `seconds`, and return its exit status."""
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _die_with_parent() -> None:
    # os.read, not sys.stdin: a thread blocked in a buffered reader would hold its lock at interpreter shutdown.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
