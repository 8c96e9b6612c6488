"""Several `python -m worker run`, each of which can be killed, stopped, frozen and replaced."""

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.worker_process import WorkerProcess, until


class Fleet:
    """Workers named `worker-1` and so on, each with a log of its own; dead ones are replaced by new names."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder
        self._started = 0
        self.workers: dict[str, WorkerProcess] = {}
        self.serving: set[str] = set()
        """Names of those that have started: before that, SIGTERM ends Python itself."""
        self.ended: Counter[str] = Counter()
        """How workers ended: `SIGKILL`, `SIGTERM exit 0` and so on."""
        self.drain_seconds: list[float] = []
        self.logs: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.child.process.kill()
            worker.child.stop()

    async def start(self) -> str:
        """One more worker, serving when this returns; its name."""
        self._started += 1
        name = f"worker-{self._started}"
        log = self._folder / f"{name}.log"
        self.logs.append(log)
        # The access key is the name under which the proxy knows it.
        worker = WorkerProcess({**self._environment, "AWS_ACCESS_KEY_ID": name}, log)
        self.workers[name] = worker
        # It may be killed while it starts; what ends by itself shows at the end.
        await until(lambda: worker.lines("started") or not worker.child.running)
        if name in self.workers:
            self.serving.add(name)
        return name

    def kill(self, name: str) -> None:
        worker = self.workers.pop(name)
        self.serving.discard(name)
        worker.child.process.kill()
        worker.child.stop()
        self.ended["SIGKILL"] += 1

    async def terminate(self, name: str) -> None:
        """Drain it, and wait for its end."""
        worker = self.workers.pop(name)
        self.serving.discard(name)
        started = time.monotonic()
        worker.child.terminate()
        await until(lambda: not worker.child.running, 130)
        self.drain_seconds.append(time.monotonic() - started)
        self.ended[f"SIGTERM, exit {worker.child.process.returncode}"] += 1
        worker.child.stop()

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop it (SIGSTOP) and let it go on, also when it was told to end in the meantime."""
        process = self.workers[name].child.process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def unexpected_ends(self) -> list[str]:
        """Workers that ended without being asked to."""
        return [
            f"{name} ended by itself with {worker.child.process.returncode}"
            for name, worker in self.workers.items()
            if not worker.child.running
        ]

    def log_lines(self) -> list[dict[str, Any]]:
        """Every line of every worker, those cut by a kill left out. Fails when another one is no JSON object."""
        lines: list[dict[str, Any]] = []
        for log in self.logs:
            whole = log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
            lines.extend(json.loads(line) for line in whole)
        return lines
