"""The tables of what conversations cost: `python -m bench.cost_tables` prints them.

`--write` puts them into docs/scaling-and-cost.md, as `make docs` does. Prices and sizes are in bench/cost.py.
"""

import argparse
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from bench.cost import Prices, Setup, break_even, measured, recipe, refused, requests, service
from bench.cost_model import count
from bench.rig import ROOT

PAGE = ROOT / "docs" / "scaling-and-cost.md"
BEGIN, END = "<!-- cost: written by `make docs` -->", "<!-- end of cost -->"

_MILLION = 1_000_000
_DELAYS = (0, 90, 150, 450, 900)
_EVENTS = (1, 12)
_VOLUMES = (_MILLION, 10 * _MILLION, 100 * _MILLION)

Row = tuple[Any, ...]


def _by_delay(setup: Setup, prices: Prices) -> Iterator[Row]:
    yield (
        "events",
        "delay",
        "executions",
        "transitions",
        "EventBridge",
        "SQS",
        "Step Functions",
        "DynamoDB",
        ("Fargate or Lambda"),
        "in all",
        "requests to Genesys Cloud, at most",
    )
    for events in _EVENTS:
        for delay in _DELAYS:
            one = count(events, delay)
            month = service(one, _MILLION, setup, prices)
            asked = requests(one.attempts * _MILLION, setup) / _MILLION
            yield events, f"{delay} s", one.executions, one.attempts, *_dollars(month), f"{asked:.1f} million"
        asked = requests(events * _MILLION, setup) / _MILLION
        month = recipe(events, _MILLION, setup, prices)
        yield events, "the recipe", events, events, *_dollars(month), f"{asked:.1f} million"


def _break_evens(setup: Setup, prices: Prices) -> Iterator[Row]:
    yield "events", "delay", "conversations a month", "with a NAT gateway for this service alone"
    with_nat = replace(setup, nat_gateways=setup.nat_gateways + 1)
    for events in _EVENTS:
        for delay in _DELAYS:
            one = count(events, delay)
            yield events, f"{delay} s", *(_volume(break_even(one, each, prices)) for each in (setup, with_nat))


def by_volume(setup: Setup, prices: Prices) -> Iterator[Row]:
    """US dollars for each million conversations, head first."""
    ours = tuple(f"service, delay {delay} s" for delay in _DELAYS[1:])
    yield "conversations a month", "events each", *ours, "recipe"
    for conversations in _VOLUMES:
        for events in _EVENTS:
            cells = []
            for one in (count(events, delay) for delay in _DELAYS[1:]):
                month = service(one, conversations, setup, prices)
                limit = refused(one.attempts * conversations, one.executions * conversations, setup)
                cells.append(limit or _each_million(month, conversations))
            total = events * conversations
            limit = refused(total, total, replace(setup, ids_per_request=1))
            month = recipe(events, conversations, setup, prices)
            yield f"{conversations:,}", events, *cells, limit or _each_million(month, conversations)


def _dollars(month: dict[str, float]) -> Iterator[str]:
    yield from (f"${dollars:,.2f}" for dollars in month.values())
    yield f"**${sum(month.values()):,.2f}**"


def _each_million(month: dict[str, float], conversations: int) -> str:
    return f"${sum(month.values()) / conversations * _MILLION:,.2f}"


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
        "US dollars a month for 1,000,000 conversations; executions and transitions for each of them.\n\n"
        + table(_by_delay(setup, prices))
        + "\nFrom which volume on the recipe costs more than this service, its tasks that run all month included:\n\n"
        + table(_break_evens(setup, prices))
        + f"\nAt {setup.requests_per_minute} requests per minute the recipe can ask for {setup.requests_per_month:,} "
        + "events a month at most: beyond that it needs a higher rate limit.\n"
    )


def page() -> str:
    """The whole of docs/scaling-and-cost.md as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables(measured(), Prices())}{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cost_tables", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write them into {PAGE.relative_to(ROOT)}")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(tables(measured(), Prices()) + "\n" + table(by_volume(measured(), Prices())))


if __name__ == "__main__":
    main()
