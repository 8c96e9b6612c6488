# ruff: noqa: T201 -- a command prints
"""`python -m chaos.safeguards`: take one safeguard away at a time, in a copy, and see which tests notice.

A safeguard that can go without a test failing is one that nobody would miss until it counts. Takes most of an hour.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaos import containment, mutants
from chaos.mutants import Mutant
from chaos.tables import table

_ROOT = Path(__file__).resolve().parents[1]
_LIMIT_SECONDS = 900.0

MUTANTS = (*mutants.MUTANTS, *containment.MUTANTS)

_PYTEST = ("-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider")
CHECKS: dict[str, tuple[str, ...]] = {
    "unit tests of the domain and the runtime": (
        *_PYTEST,
        "tests/unit/runtime",
        "tests/unit/genesys",
        "tests/unit/fleet",
        "tests/unit/aws",
        "tests/unit/test_events.py",
        "tests/unit/test_record.py",
        "tests/unit/test_attempt.py",
        "tests/unit/extensions",
        "tests/unit/test_line_writer.py",
        "--deselect",
        "tests/unit/runtime/test_model.py",
        "--deselect",
        "tests/unit/fleet/test_outage.py",
    ),
    "outages in virtual time": (*_PYTEST, "tests/unit/fleet/test_outage.py"),
    "model": (*_PYTEST, "tests/unit/runtime/test_model.py"),
    "records and conversations on the embedded emulator": (
        *_PYTEST,
        "tests/integration/test_records.py",
        "tests/integration/test_conversations.py",
    ),
    "processes on the embedded emulator": (
        *_PYTEST,
        "tests/process/test_nothing_is_lost.py",
        "tests/integration/test_worker.py",
    ),
    "functions, pipes and answers in processes": (
        *_PYTEST,
        "tests/integration/test_large_answers.py",
        "tests/process/test_functions.py",
        "tests/process/test_blocked_output.py",
        "tests/process/test_memory.py",
    ),
    "worker on LocalStack": (*_PYTEST, "chaos/test_worker.py", "-k", "not minute"),
    "chaos run": (
        "-m",
        "chaos",
        "--skip-conformance",
        "--seed",
        "1",
        "--events",
        "400",
        "--seconds",
        "100",
        "--settle",
        "150",
        "--report",
        "report",
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.safeguards", description=__doc__)
    parser.add_argument("--only", help="mutants whose name has this text")
    parser.add_argument("--check", action="append", choices=CHECKS, help="only these checks (default: all)")
    args = parser.parse_args()
    checks = args.check or list(CHECKS)
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory(prefix="safeguards-") as folder:
        for mutant in MUTANTS:
            if args.only and args.only not in mutant.name:
                continue
            copy = _copy(Path(folder) / str(len(rows)), mutant)
            rows.append((mutant.name, *(_verdict(copy, CHECKS[check]) for check in checks)))
            print(" | ".join(rows[-1]), flush=True)
            shutil.rmtree(copy)
    print(table(("without it", *checks), rows))
    return int(any("caught" not in "".join(row[1:]) for row in rows))


def _copy(target: Path, mutant: Mutant) -> Path:
    """A copy of the project with the safeguard gone."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.split("\0"):
        if name and (_ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_ROOT / name, target / name)
    text = (target / mutant.file).read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.file} has changed: there is no one place for “{mutant.name}”")
    (target / mutant.file).write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return target


def _verdict(copy: Path, check: Sequence[str]) -> str:
    """Whether the check noticed, and by what."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *check],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "caught: does not end"
    if done.returncode == 0:
        return "not noticed"
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            return f"caught: {line.partition('::')[2].partition(' - ')[0]}"
        if line.startswith("BROKEN"):
            return f"caught: {line.removeprefix('BROKEN: ')}"
    return f"caught: {(done.stdout + done.stderr).strip().splitlines()[-1]}"


if __name__ == "__main__":
    sys.exit(main())
