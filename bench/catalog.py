"""The subjects: how each is started, and which half of the work it can do."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench import environment
from bench.rig import ROOT, Account, Subject

Half = Literal["whole", "activity", "queue"]

TEMPLATE = "/api/v2/interactions/events/details/{interactionId}"
UNLIMITED = "1000000"
"""The largest GENESYS_REQUESTS_PER_MINUTE; the rate limit is no part of a measurement of CPU."""

SLOTS = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One way of doing the work."""

    name: str
    command: tuple[str, ...]
    half: Half = "whole"
    settings: Mapping[str, str] = field(default_factory=dict)
    form: str = "queue"
    """In which form the queue holds its events."""

    def on(self, account: Account) -> Subject:
        return Subject(self.name, self.command, account, self.settings)

    @property
    def target(self) -> str:
        """Where its work is published."""
        return "activity" if self.half == "activity" else self.form

    @property
    def until(self) -> str:
        """The count that says that an event is done."""
        return "deleted" if self.half == "queue" else "succeeded"


def subject(module: str, *arguments: str) -> tuple[str, ...]:
    """The command of a module of `bench.subjects` that runs with what production has."""
    return (str(environment.production()), "-m", f"bench.subjects.{module}", *arguments)


def floor(name: str, *options: str, half: Half = "whole") -> Entry:
    """The bare loop, with client settings by option."""
    roles = {"whole": "intake,activity", "activity": "activity", "queue": "intake"}[half]
    return Entry(name, subject("floor", "--slots", str(SLOTS), "--roles", roles, *options), half)


def service(name: str, *, batched: bool = False, slots: int = SLOTS, half: Half = "whole", **settings: str) -> Entry:
    """The service as its users start it: one details request an interaction, or batched at 300 a minute."""
    details = {} if batched else {"GENESYS_DETAILS_PATH": TEMPLATE, "GENESYS_REQUESTS_PER_MINUTE": UNLIMITED}
    roles = {"whole": "intake,activity", "activity": "activity", "queue": "intake"}[half]
    base = {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "MAX_CONCURRENCY": str(slots), "ROLES": roles}
    command = (str(environment.production()), "-m", "worker", "run")
    return Entry(name, command, half, {**base, **details, **settings})


def peers() -> tuple[list[Entry], dict[str, str]]:
    """What else one could pick; and, for each that cannot be had here, why."""
    entries: list[Entry] = []
    missing: dict[str, str] = {}
    try:
        entries += _python_peers(environment.peers())
    except environment.UnavailableError as error:
        missing["Python peers"] = str(error)
    try:
        entries.append(_node_peer(environment.node_modules()))
    except environment.UnavailableError as error:
        missing["sqs-consumer"] = str(error)
    return entries, missing


def _python_peers(python: Path) -> list[Entry]:
    run = (str(python), "-m")
    subjects = "bench.subjects"
    stefuna = ("stefuna.stefuna", "--config", f"{subjects}.stefuna_worker.config")
    taskiq = (str(python.with_name("taskiq")), "worker", f"{subjects}.taskiq_worker:broker", "--workers", "1")
    here = {"PYTHONPATH": str(ROOT)}
    return [
        Entry("recipe, one loop", (*run, f"{subjects}.recipe")),
        Entry("recipe, 20 threads", (*run, f"{subjects}.recipe", "--threads", "20")),
        Entry("stepfunctions-activity-worker", (*run, f"{subjects}.activity_worker", "--slots", "20"), "activity"),
        Entry("stefuna", (*run, *stefuna), "activity", here),
        Entry("taskiq-aio-sqs", taskiq, "queue", here, form="taskiq"),
    ]


def _node_peer(modules: Path) -> Entry:
    script = ROOT / "bench" / "subjects" / "consumer.cjs"
    return Entry("sqs-consumer", ("node", str(script)), "queue", {"NODE_PATH": str(modules)})


def node_version() -> str | None:
    """Of the Node.js that runs the Node.js peer."""
    try:
        return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> dict[str, str | int]:
    """The machine in general terms: what a reader needs to compare figures, and nothing that names it."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    python = subprocess.run(
        [str(environment.production()), "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=True,
    )
    release = os.uname().release.split("-")[0]
    cores = len(os.sched_getaffinity(0))
    return {"cpu": model, "cores": cores, "kernel": f"Linux {release}", "python": python.stdout.strip()}
