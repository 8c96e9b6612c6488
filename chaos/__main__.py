# ruff: noqa: T201 -- a command prints
"""`python -m chaos`: state machine and worker on LocalStack, then one run of faults and kills.

Exit status 0 only when every promise was kept. The report goes to docs/reliability/.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from chaos import report, stack
from chaos.run import run

_ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the fault plan of a run (default: a new one, printed)")
    parser.add_argument("--events", type=int, default=700, help="messages to send (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120, help="how long faults are made (default: %(default)s)")
    parser.add_argument(
        "--settle",
        type=float,
        default=180,
        help="seconds without any progress that end the wait (default: %(default)s)",
    )
    parser.add_argument("--skip-conformance", action="store_true", help="only the run of faults and kills")
    parser.add_argument(
        "--report", type=Path, default=_ROOT / "docs" / "reliability", help="folder (default: %(default)s)"
    )
    args = parser.parse_args()
    seed = random.SystemRandom().randrange(10_000) if args.seed is None else args.seed
    if not args.skip_conformance and (status := _conformance()):
        return status
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, stack.emulators(Path(folder)) as endpoints:
        result = asyncio.run(
            run(
                seed,
                endpoints,
                events=args.events,
                seconds=args.seconds,
                settle_seconds=args.settle,
                folder=Path(folder),
            )
        )
    args.report.mkdir(parents=True, exist_ok=True)
    written = args.report / f"chaos-seed-{seed}.md"
    written.write_text(report.markdown(result), encoding="utf-8")
    print(report.verdict(result))
    for sentence in result.wrong:
        print(f"BROKEN: {sentence}")
    print(f"report: {written}")
    return 1 if result.wrong else 0


def _conformance() -> int:
    """The tests of this folder, in a process of their own: pytest wants to be the first to import its plugins."""
    command = [sys.executable, "-m", "pytest", "-q", str(_ROOT / "chaos")]
    return subprocess.run(command, cwd=_ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
