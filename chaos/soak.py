# ruff: noqa: T201 -- a command prints
"""`python -m chaos.soak`: 100,000 interactions through one service; memory stays flat and nothing piles up.

The service runs in this process, so that its objects can be counted, against the stub of the benchmarks in another one.
It works in waves; between them it is idle, and then what it holds has to be what it held after the first waves.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench.rig import Account, Stub
from chaos.tables import table as _table
from worker.app import serve
from worker.settings import load_settings
from worker.telemetry.logging import configure_logging
from worker.telemetry.metrics import PrometheusMetrics

_ROOT = Path(__file__).resolve().parents[1]
_WAVES = 10
_WARM_WAVES = 2
"""Pools, caches and the allocator have their size after them."""
_GROWTH = 1.05
"""Resident memory after the last wave, against that after the warm ones."""
_STALLED_SECONDS = 120.0

_BOUNDED = {"StepFunctionsExecutions._recent": 10_000, "Admission._lately": 10_000}
"""What may be full, and how full."""

_SETTINGS = {
    "MAX_CONCURRENCY": "100",
    "INTAKE_CONCURRENCY": "10",
    "GENESYS_REQUESTS_PER_MINUTE": "1000000",
    "HTTP_HOST": "127.0.0.1",
    "HTTP_PORT": "0",
    "DRAIN_SECONDS": "0",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The idle service after so many interactions."""

    interactions: int
    seconds: float
    rss_mib: float
    objects: int
    containers: Counter[str]
    """Elements in each container that an object of ours holds, as `Class.attribute`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=__doc__)
    parser.add_argument("--interactions", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--report", type=Path, default=_ROOT / "docs" / "reliability" / "soak.md")
    args = parser.parse_args()
    with Stub() as stub:
        account = stub.account()
        os.environ.update({**account.environment(), **_SETTINGS})
        configure_logging("error", "json")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            samples = runner.run(_soak(account, args.interactions))
        counts = account.counts()
    problems = _problems(samples, counts, args.interactions)
    text = _report(samples, counts, problems)
    args.report.parent.mkdir(parents=True, exist_ok=True)
    args.report.write_text(text, encoding="utf-8")
    print(text)
    return 1 if problems else 0


async def _soak(account: Account, interactions: int) -> list[Sample]:
    service = asyncio.create_task(serve(load_settings(), PrometheusMetrics()))
    started = time.monotonic()
    samples = []
    for wave in range(1, _WAVES + 1):
        goal = interactions * wave // _WAVES
        await asyncio.to_thread(account.publish, goal - interactions * (wave - 1) // _WAVES)
        await _until_done(account, goal, service)
        samples.append(_sample(goal, time.monotonic() - started))
        print(f"{goal} interactions, {samples[-1].rss_mib:.1f} MiB, {samples[-1].objects} objects", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await service == 0
    return samples


async def _until_done(account: Account, goal: int, service: "asyncio.Task[int]") -> None:
    """Until all are stored, reported and deleted, and every slot polls again."""
    moved, last = time.monotonic(), -1
    while True:
        assert not service.done(), "the service ended"
        counts = await asyncio.to_thread(account.counts)
        if counts.get("answered", 0) == goal and counts.get("deleted", 0) == goal and counts["polling"] == 100:
            return
        if (done := counts.get("answered", 0)) != last:
            moved, last = time.monotonic(), done
        assert time.monotonic() - moved < _STALLED_SECONDS, f"nothing moves: {counts}"
        await asyncio.sleep(0.2)


def _sample(interactions: int, seconds: float) -> Sample:
    # The service freezes what it was started with; here it has to be looked through, too.
    gc.unfreeze()
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Sample(interactions, seconds, resident / 2**20, len(gc.get_objects()), _containers())


def _containers() -> Counter[str]:
    held: Counter[str] = Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        if not str(kind.__module__).startswith("worker."):
            continue
        for name, value in _attributes(thing):
            if isinstance(value, dict | list | set | deque | OrderedDict):
                held[f"{kind.__name__}.{name}"] += len(value)
    return held


def _attributes(thing: Any) -> Iterator[tuple[str, Any]]:
    names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    yield from ((name, getattr(thing, name)) for name in names if hasattr(thing, name) and not name.startswith("__"))
    yield from getattr(thing, "__dict__", {}).items()


def _problems(samples: list[Sample], counts: dict[str, Any], interactions: int) -> list[str]:
    warm, last = samples[_WARM_WAVES - 1], samples[-1]
    problems = [
        f"{name} grew from {warm.containers[name]} to {number}"
        for name, number in last.containers.items()
        if number > max(warm.containers[name], _BOUNDED.get(name, 0))
    ]
    if last.rss_mib > warm.rss_mib * _GROWTH:
        problems.append(f"resident memory grew from {warm.rss_mib:.1f} to {last.rss_mib:.1f} MiB")
    if last.objects > warm.objects * _GROWTH:
        problems.append(f"objects grew from {warm.objects} to {last.objects}")
    wanted = {"stored": interactions, "succeeded": interactions, "started": interactions, "deleted": interactions}
    problems += [
        f"{name}: {counts.get(name, 0)} of {number}" for name, number in wanted.items() if counts.get(name) != number
    ]
    return problems


def _report(samples: list[Sample], counts: dict[str, Any], problems: list[str]) -> str:
    warm, last = samples[_WARM_WAVES - 1], samples[-1]
    told = ", ".join(f"{name} {counts.get(name, 0)}" for name in ("started", "deleted", "stored", "succeeded"))
    held = {name: number for name, number in sorted(last.containers.items()) if number}
    return "\n\n".join(
        [
            "# Soak",
            "`make soak`: one service against the stub of the benchmarks, in waves. Samples are taken when it is idle.",
            _table(
                ("interactions", "seconds", "resident MiB", "objects"),
                ((s.interactions, f"{s.seconds:.0f}", f"{s.rss_mib:.1f}", s.objects) for s in samples),
            ),
            f"At the end against after {_WARM_WAVES} waves: memory {last.rss_mib / warm.rss_mib:.3f}, "  # noqa: ISC004
            f"objects {last.objects / warm.objects:.4f}.",
            f"Counted by the stub: {told}; tasks never answered {counts['never_answered']}.",
            f"Of {len(last.containers)} kinds of containers in the service's objects these are not empty when idle:",
            _table(
                ("container", f"after {_WARM_WAVES} waves", "at the end"),
                ((name, warm.containers[name], number) for name, number in held.items()),
            ),
            f"Problems: {'; '.join(problems) or 'none'}.\n",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
