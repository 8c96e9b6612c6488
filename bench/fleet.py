"""How well a fleet keeps to its request allowance: `python -m bench.fleet`, about 45 minutes.

Every scenario adds its figures to docs/benchmarks/fleet.json; docs/benchmarks/fleet.md is made from that.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from bench import fleet_report, fleet_scenarios

FIGURES = Path(__file__).parents[1] / "docs" / "benchmarks" / "fleet.json"

SCENARIOS = {
    function.__name__: function
    for function in (
        fleet_scenarios.backlog,
        fleet_scenarios.burst,
        fleet_scenarios.policies,
        fleet_scenarios.idle,
        fleet_scenarios.pause,
        fleet_scenarios.revoked,
        fleet_scenarios.cache_away,
    )
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the backlog (default: %(default)g)")
    parser.add_argument("--outage", type=float, default=30.0, help="seconds without cache (default: %(default)g)")
    args = parser.parse_args()
    if unknown := set(args.scenarios) - SCENARIOS.keys():
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as directory:
        options = fleet_scenarios.Options(Path(directory), args.minutes, args.outage)
        for name in args.scenarios or SCENARIOS:
            began = time.monotonic()
            result = await SCENARIOS[name](options)
            sys.stdout.write(f"{name} ({time.monotonic() - began:.0f} s): {json.dumps(result)}\n")
            sys.stdout.flush()
            _keep(name, result)


def _keep(name: str, result: dict[str, Any]) -> None:
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures[name] = result
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    FIGURES.with_suffix(".md").write_text(fleet_report.report(figures))


if __name__ == "__main__":
    uvloop.run(main())
