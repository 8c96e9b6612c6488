"""Several `python -m worker run`, each of which can be killed, stopped, frozen and replaced."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import chaos.clock
from chaos.accounting import CLOCK_ERROR
from chaos.output import Output
from tests.support.worker_process import WorkerProcess, until

_CLOCK_FOLDER = str(Path(chaos.clock.__path__[0]))


class ChaosWorker(WorkerProcess):
    """A worker whose clock can be wrong, and whose standard output can be blocked."""

    def __init__(self, environment: Mapping[str, str], log: Path, clock_error: float) -> None:
        """`clock_error` is how many seconds its clock is ahead."""
        self._clock = log.with_suffix(".clock")
        self.set_clock(clock_error)
        self.output = Output(log)
        wrong = {"PYTHONPATH": _CLOCK_FOLDER, "CHAOS_CLOCK_FILE": str(self._clock)}
        super().__init__({**environment, **wrong}, self.output.pipe)
        self._output = log
        self.output.start()

    def set_clock(self, seconds: float) -> None:
        """Let it be so many seconds ahead."""
        self._clock.write_text(f"{seconds:.3f}")

    def stop(self) -> None:
        """End it, and copy the rest of its log."""
        self.child.stop()
        self.output.close()


class Fleet:
    """Workers named `worker-1` and so on, each with a log of its own; dead ones are replaced by new names."""

    def __init__(self, environment: Mapping[str, str], folder: Path, seed: int) -> None:
        self._environment = environment
        self._folder = folder
        self._clocks = random.Random(f"{seed} clocks")
        self._started = 0
        self.workers: dict[str, ChaosWorker] = {}
        self.serving: set[str] = set()
        """Names of those that have started: before that, SIGTERM ends Python itself."""
        self.ended: Counter[str] = Counter()
        """How workers ended: `SIGKILL`, `SIGTERM exit 0` and so on."""
        self.clock_errors: dict[str, float] = {}
        """Worker → seconds that its clock is ahead."""
        self.drain_seconds: list[float] = []
        self.logs: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.child.process.kill()
            worker.stop()

    async def start(self) -> str:
        """One more worker, serving when this returns; its name."""
        self._started += 1
        name = f"worker-{self._started}"
        log = self._folder / f"{name}.log"
        self.logs.append(log)
        # The access key is the name under which the proxy knows it.
        most = CLOCK_ERROR.total_seconds()
        self.clock_errors[name] = round(self._clocks.uniform(-most, most), 3)
        worker = ChaosWorker({**self._environment, "AWS_ACCESS_KEY_ID": name}, log, self.clock_errors[name])
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
        worker.stop()
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
        worker.stop()

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop it (SIGSTOP) and let it go on, also when it was told to end in the meantime."""
        process = self.workers[name].child.process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    @contextmanager
    def unread(self, name: str) -> Iterator[None]:
        """Nobody reads what it writes."""
        output = self.workers[name].output
        output.block()
        try:
            yield
        finally:
            output.unblock()

    @contextmanager
    def ahead(self, name: str, seconds: float) -> Iterator[None]:
        """Its clock is so many seconds ahead of what it was."""
        worker = self.workers[name]
        worker.set_clock(self.clock_errors[name] + seconds)
        try:
            yield
        finally:
            worker.set_clock(self.clock_errors[name])

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
