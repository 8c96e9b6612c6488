"""`make bench`: measures the service and writes its figures, tables and plots to docs/benchmarks/.

Everything is a ratio to the floor in the same run, or a bound; the sections can be taken one by one and at different
times, each keeps its own note of what else the machine did.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import catalog, measure_cpu, measure_life, measure_scale, report
from bench.rig import ROOT, Stub, cpu_seconds

FIGURES = ROOT / "docs" / "benchmarks" / "speed.json"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    count: int
    seconds: float
    slots: tuple[int, ...]
    growth: tuple[int, int]


FULL = Size(rounds=15, count=500, seconds=20, slots=(1, 3, 10, 30, 100, 300, 1000), growth=(20, 5000))
QUICK = Size(rounds=3, count=200, seconds=3, slots=(10, 100), growth=(3, 300))

SECTIONS: dict[str, Callable[[Stub, Size], Any]] = {
    "floor": lambda stub, size: measure_cpu.against_floor(stub, rounds=size.rounds, count=size.count),
    "levers": lambda stub, size: measure_cpu.levers(stub, rounds=size.rounds, count=size.count),
    "signer": lambda stub, size: measure_cpu.signer(stub, rounds=size.rounds, count=size.count),
    "lookup": lambda stub, size: measure_cpu.lookup(stub, rounds=size.rounds, count=size.count),
    "peers": lambda stub, size: measure_cpu.peers(stub, rounds=max(3, size.rounds // 2), count=size.count // 2),
    "latency": lambda stub, size: measure_life.latency(stub, seconds=size.seconds, rates=(5, 50, 150)),
    "memory": lambda stub, size: measure_life.memory(stub, slots=(100, 1000), count=size.count * 4),
    "growth": lambda stub, size: measure_life.growth(stub, steps=size.growth[0], count=size.growth[1]),
    "start": lambda stub, size: measure_life.cold_start(stub, rounds=max(3, size.rounds // 2)),
    "sigterm": lambda stub, size: measure_life.sigterm(stub, rates=(40, 100), seconds=min(5, size.seconds)),
    "slots": lambda stub, size: measure_scale.slots(stub, numbers=size.slots, seconds=size.seconds / 4),
    "workers": lambda stub, size: measure_scale.workers(stub, numbers=(1, 2, 4), count=size.count * 4),
}
QUICK_SECTIONS = ("floor", "latency", "start")


def _busy_seconds() -> float:
    """CPU time of the whole machine so far, idling left out."""
    user, nice, system, *_ = (int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _measure(name: str, size: Size) -> dict[str, Any]:
    """One section's figures, and how many cores others kept busy meanwhile."""
    began, busy, own = time.perf_counter(), _busy_seconds(), cpu_seconds(os.getpid())
    with Stub() as stub:
        figures = SECTIONS[name](stub, size)
    wall = time.perf_counter() - began
    others = (_busy_seconds() - busy - (cpu_seconds(os.getpid()) - own)) / wall
    return {"figures": figures, "cores_busy_with_other_work": round(max(0.0, others), 2), "seconds": round(wall)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument(
        "--quick", action="store_true", help=f"{', '.join(QUICK_SECTIONS)} in under a minute; nothing is written"
    )
    parser.add_argument("--report", action="store_true", help="only write the report anew from the figures kept")
    args = parser.parse_args()
    if unknown := set(args.sections) - SECTIONS.keys():
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    chosen = args.sections or (QUICK_SECTIONS if args.quick else tuple(SECTIONS))
    for name in () if args.report else chosen:
        measured = _measure(name, QUICK if args.quick else FULL)
        sys.stdout.write(f"{name}: {json.dumps(measured, indent=1 if args.quick else None)}\n")
        sys.stdout.flush()
        if not args.quick:
            _keep(name, measured)
    if not args.quick:
        report.write(json.loads(FIGURES.read_text()), FIGURES.parent)


def _keep(name: str, measured: dict[str, Any]) -> None:
    kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps({**kept, "machine": catalog.machine(), name: measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
