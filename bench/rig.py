"""Processes under measurement: the stub, and subjects that work against an account of it.

CPU time and memory come from the operating system, so they hold for any language and include everything a subject
does. The stub has a core of its own, a subject the rest or, where throughput is compared, exactly one.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.stub import documents

ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0))
STUB_CORE = _CORES[-1]
SUBJECT_CORE = _CORES[0]


class StalledError(Exception):
    """A subject did not finish its work in time."""


class Stub:
    """The stub as a process of its own; use as a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.stub"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {STUB_CORE}),  # noqa: PLW1509
        )
        assert self._process.stdout is not None
        port = int(self._process.stdout.readline())
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def ask(self, action: str, **asked: Any) -> dict[str, Any]:
        """One control call."""
        self._connection.request("POST", f"/{action}", json.dumps(asked))
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return answer

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)

    def account(self, **options: float) -> "Account":
        return Account(self, self.ask("account", **options)["port"])


@dataclass(frozen=True, slots=True)
class Account:
    """One subject's side of the stub."""

    stub: Stub
    port: int

    def ask(self, action: str, **asked: Any) -> dict[str, Any]:
        return self.stub.ask(action, port=self.port, **asked)

    def publish(self, count: int, *, target: str = "queue", rate: float = 0) -> None:
        """`count` events at once, or `rate` a second.

        `target` is the event `queue`, the same in the envelope of `taskiq`, or the `activity` without a queue.
        """
        self.ask("publish", count=count, target=target, rate=rate)

    def counts(self) -> dict[str, Any]:
        return self.ask("counts")

    def latencies(self) -> list[float]:
        """Seconds from published to stored, of what was stored since the last call."""
        seconds: list[float] = self.ask("latencies")["seconds"]
        return seconds

    def environment(self) -> dict[str, str]:
        """The variables that make a subject talk to this account, in the service's own names."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": documents.REGION,
            "AWS_DEFAULT_REGION": documents.REGION,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "EVENT_QUEUE_URL": f"{url}/000000000000/events",
            "DEAD_LETTER_QUEUE_URL": f"{url}/000000000000/dead-letters",
            "STATE_MACHINE_ARN": documents.STATE_MACHINE_ARN,
            "ACTIVITY_ARN": documents.ACTIVITY_ARN,
            "INTERACTION_TABLE_NAME": documents.TABLE,
            "GENESYS_CLIENT_ID": "bench",
            "GENESYS_CLIENT_SECRET": "bench",
            "GENESYS_LOGIN_URL": url,
            "GENESYS_API_URL": url,
        }


class Subject:
    """A measured process; use as a context manager, which ends it by its process id."""

    def __init__(
        self, name: str, command: Sequence[str], account: Account, settings: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.account = account
        self._command = list(command)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = {**inherited, **account.environment(), **(settings or {})}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)

    def __enter__(self) -> Self:
        self.launched = time.perf_counter()
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            preexec_fn=lambda: os.sched_setaffinity(0, {SUBJECT_CORE}),  # noqa: PLW1509
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            for member in reversed(_family(self._process.pid)):
                os.kill(member, signal.SIGKILL)
        self._process.wait()
        self._errors.close()

    def errors(self) -> str:
        """The end of what the process wrote to stderr."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2000:]

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)

    def memory(self, field: str = "VmRSS") -> float:
        """Resident memory in MiB; `VmHWM` for the most it ever was."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise LookupError(field)

    def terminate(self, seconds: float = 120) -> tuple[int, float]:
        """SIGTERM; the exit status and how many seconds it took."""
        started = time.perf_counter()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds), time.perf_counter() - started

    def wait_for(self, counter: str, at_least: int, seconds: float = 120) -> dict[str, Any]:
        """The account's counts, once `counter` is as large as that.

        Raises StalledError when it takes longer, or the subject is gone.
        """
        deadline = time.perf_counter() + seconds
        while (counts := self.account.counts()).get(counter, 0) < at_least:
            if not self.running or time.perf_counter() > deadline:
                raise StalledError(
                    f"{self.name}: {counter} is {counts.get(counter, 0)} of {at_least}; {counts}\n{self.errors()}"
                )
            time.sleep(0.01)
        return counts


@dataclass(frozen=True, slots=True)
class Burst:
    """What it took to work off a number of events that were there from the start."""

    count: int
    cpu: float
    wall: float

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds an event."""
        return self.cpu / self.count * 1000

    @property
    def per_second(self) -> float:
        return self.count / self.wall


def burst(subject: Subject, count: int, *, target: str = "queue", until: str = "succeeded") -> Burst:
    """Publish `count` events at once and measure until the last of them is done."""
    before = subject.account.counts().get(until, 0)
    cpu, started = subject.cpu_seconds(), time.perf_counter()
    subject.account.publish(count, target=target)
    subject.wait_for(until, before + count)
    return Burst(count, subject.cpu_seconds() - cpu, time.perf_counter() - started)


def cpu_seconds(pid: int) -> float:
    """User and system time so far of a process and all it started, in steps of a clock tick (10 ms)."""
    return sum(_ticks(each) for each in _family(pid)) / _TICK


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _ticks(pid: int) -> int:
    """Own time, and that of children that ended; 0 when the process is gone."""
    return sum(int(field) for field in _stat(pid)[11:15])


def _family(pid: int) -> list[int]:
    """The process and its living descendants."""
    parents = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    family = [pid]
    for member in family:
        family += [child for child, stat in parents.items() if stat and int(stat[1]) == member]
    return family


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
