"""The table of what conversations cost: `python -m bench.cost_tables` prints it.

`--prices FILE` has other unit prices, as a JSON object by the names of `Prices`. `--write` puts the table into
docs/scaling-and-cost.md, as `make docs` does. Prices and sizes are in bench/cost.py.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench.cost import Prices, Setup, break_even, measured, recipe, refused, service
from bench.cost_model import count
from bench.rig import ROOT

PAGE = ROOT / "docs" / "scaling-and-cost.md"
BEGIN, END = "<!-- cost: written by `make docs` -->", "<!-- end of cost -->"

_MILLION = 1_000_000
DELAYS = (90, 150, 900)
"""The lag, the Terraform module's default, and SQS's longest."""
_EVENTS = (1, 12)
_VOLUMES = (_MILLION, 10 * _MILLION, 100 * _MILLION)

Row = tuple[Any, ...]
Cell = float | str
"""US dollars a month, or what does not let so much through."""


def by_volume(setup: Setup, prices: Prices) -> Iterator[Row]:
    """US dollars a month, head first."""
    yield (
        "conversations a month",
        "events each",
        *(f"this service, delay {delay} s" for delay in DELAYS),
        "the recipe",
        "cheaper",
    )
    for conversations in _VOLUMES:
        for events in _EVENTS:
            ours = {delay: _service_cell(events, delay, conversations, setup, prices) for delay in DELAYS}
            theirs = _recipe_cell(events, conversations, setup, prices)
            cells = (_shown(cell) for cell in (*ours.values(), theirs))
            yield f"{conversations:,}", events, *cells, _cheaper(ours, theirs)


def _service_cell(events: int, delay: int, conversations: int, setup: Setup, prices: Prices) -> Cell:
    one = count(events, delay)
    limit = refused(one.attempts * conversations, one.executions * conversations, setup)
    return limit or sum(service(one, conversations, setup, prices).values())


def _recipe_cell(events: int, conversations: int, setup: Setup, prices: Prices) -> Cell:
    total = events * conversations
    limit = refused(total, total, replace(setup, ids_per_request=1))
    return limit or sum(recipe(events, conversations, setup, prices).values())


def _shown(cell: Cell) -> str:
    return cell if isinstance(cell, str) else f"${cell:,.0f}"


def _cheaper(ours: dict[int, Cell], theirs: Cell) -> str:
    possible = {delay: cell for delay, cell in ours.items() if not isinstance(cell, str)}
    if isinstance(theirs, str):
        return "this service" if possible else "neither"
    better = [delay for delay, cell in possible.items() if cell < theirs]
    if not better:
        return "the recipe"
    if len(better) == len(ours):
        return "this service"
    return f"this service with {' or '.join(f'{delay} s' for delay in better)}, else the recipe"


def _parts(setup: Setup, prices: Prices) -> Iterator[Row]:
    """Where the dollars of a million conversations go, head first."""
    months: dict[str, dict[str, float]] = {}
    for events in _EVENTS:
        for delay in DELAYS:
            months[f"{events}, delay {delay} s"] = service(count(events, delay), _MILLION, setup, prices)
        months[f"{events}, the recipe"] = recipe(events, _MILLION, setup, prices)
    names = next(iter(months.values()))
    yield "events each", *("Fargate or Lambda" if name == "compute" else name for name in names)
    for what, month in months.items():
        yield what, *(f"${dollars:,.2f}" for dollars in month.values())


def _break_evens(setup: Setup, prices: Prices) -> Iterator[Row]:
    yield "events", "delay", "conversations a month", "where a NAT gateway is there anyway"
    without = replace(setup, nat_gateways=0)
    for events in _EVENTS:
        for delay in DELAYS:
            one = count(events, delay)
            yield events, f"{delay} s", *(_volume(break_even(one, each, prices)) for each in (setup, without))


def _volume(conversations: float | None) -> str:
    if conversations is None:
        return "at none"
    digits = max(0, math.floor(math.log10(conversations)) - 1)
    return f"{round(conversations, -digits):,.0f}"


def table(rows: Iterable[Row]) -> str:
    """In Markdown; the first row is the head."""
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines) + "\n"


def tables(setup: Setup, prices: Prices) -> str:
    """What docs/scaling-and-cost.md has between the two markers."""
    return (
        "US dollars a month, everything counted that is named below.\n\n"
        + table(by_volume(setup, prices))
        + f"\n*Over the rate limit*: more than {setup.requests_per_minute} requests per minute to Genesys Cloud, which "
        f"for the recipe is {setup.requests_per_month:,} events a month.\n"
        f"*Over the quota*: more than {setup.executions_per_second} StartExecution calls per second. Both by the mean "
        "over the month, because the queue holds peaks;\nboth can be raised on request.\n"
        "\nWhere the dollars of 1,000,000 conversations go:\n\n"
        + table(_parts(setup, prices))
        + "\nFrom which volume on the recipe costs more than this service:\n\n"
        + table(_break_evens(setup, prices))
    )


def read_prices(file: Path) -> Prices:
    """The prices of a file, a JSON object, in place of those of the same name. Raises ValueError."""
    given = json.loads(file.read_text(encoding="utf-8"))
    unknown = sorted(set(given) - {field.name for field in fields(Prices)})
    if unknown:
        raise ValueError(f"{file}: no price is named {', '.join(unknown)}; bench/cost.py has the names")
    return Prices(**given)


def page() -> str:
    """The whole of docs/scaling-and-cost.md as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables(measured(), Prices())}{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cost_tables", description=__doc__)
    parser.add_argument(
        "--prices", type=Path, metavar="FILE", help="unit prices, as JSON by their names in bench/cost.py"
    )
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    if arguments.write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(tables(measured(), read_prices(arguments.prices) if arguments.prices else Prices()))


if __name__ == "__main__":
    main()
