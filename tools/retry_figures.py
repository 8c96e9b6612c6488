"""How long the retriers of the state machine last: `python -m tools.retry_figures`, and a table in docs/one-event.md.

Full jitter draws each wait evenly between 0 and the delay, so a retrier lasts half as long as its delays add up to, in
the mean. What an attempt itself takes comes on top. Every text that quotes a figure is compared with these by
tests/unit/test_retry_figures.py.
"""

import json
import math
import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

STATE_MACHINE = Path(__file__).resolve().parents[1] / "deploy" / "state_machine.asl.json"
BEGIN, END = "<!-- retries: written by `make docs` -->", "<!-- end of retries -->"

MOST_RETRIES = 6_000
"""Of one execution: its history holds 25,000 events, and a retry takes four of them at most."""

_RUNS = 2_000
_SEED = 15
_HOUR = 3_600
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Figures:
    """What one retrier does. All durations in seconds, without the attempts themselves."""

    state: str
    errors: tuple[str, ...]
    retries: int
    max_attempts: int
    """As the file says it; one less than `retries` where a Wait state before the state is the first wait."""
    mean: float
    shortest: float
    """Of all that were simulated."""
    short: float
    """5 of 100 are shorter."""
    long: float
    """5 of 100 are longer."""

    @property
    def text(self) -> str:
        """As a comment or a page may quote it."""
        mean, short = duration(self.mean), duration(self.short)
        spread = "" if self.long == self.short else f" in the mean, at least {short} in 95 of 100 cases"
        return f"{self.retries:,} retries over {mean}{spread}"


@cache
def _totals(delays: tuple[float, ...], *, jitter: bool, before: float) -> list[float]:
    """What the waits add up to in each of many simulated executions, in seconds, shortest first.

    `delays` are the waits of a retrier until its retries have run out, with `jitter` the longest that each can be;
    `before` is a Wait state on the way here, which is no shorter for any jitter.
    """
    if not jitter:
        return [before + sum(delays)] * _RUNS
    draw = random.Random(_SEED).random
    return sorted(before + sum(delay * draw() for delay in delays) for _ in range(_RUNS))


def figures(states: Mapping[str, Any] | None = None) -> list[Figures]:
    """Of every retrier that retries, in the file's order. `states`: of another definition than the project's."""
    if states is None:
        states = json.loads(STATE_MACHINE.read_text(encoding="utf-8"))["States"]
    return [
        _figures(states, name, retrier)
        for name, state in states.items()
        for retrier in state.get("Retry", ())
        if retrier["MaxAttempts"]
    ]


def _figures(states: Mapping[str, Any], state: str, retrier: Mapping[str, Any]) -> Figures:
    errors, attempts = tuple(retrier["ErrorEquals"]), retrier["MaxAttempts"]
    before = _wait_before(states, state, errors)
    delays = tuple(
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** min(index, 64), retrier["MaxDelaySeconds"])
        for index in range(attempts)
    )
    jitter = retrier.get("JitterStrategy") == "FULL"
    totals = _totals(delays, jitter=jitter, before=before or 0.0)
    return Figures(
        state=state,
        errors=errors,
        retries=attempts + (before is not None),
        max_attempts=attempts,
        mean=(before or 0.0) + sum(delays) / (2 if jitter else 1),
        shortest=totals[0],
        short=totals[_RUNS // 20],
        long=totals[-_RUNS // 20],
    )


def _wait_before(states: Mapping[str, Any], state: str, errors: tuple[str, ...]) -> float | None:
    """Seconds that an error waits between the Catch of another state and this one; None when none leads here."""
    for other in states.values():
        for catcher in other.get("Catch", ()):
            after = states[catcher["Next"]]
            if after["Type"] == "Wait" and after["Next"] == state and set(errors) & set(catcher["ErrorEquals"]):
                return float(after["Seconds"])
    return None


def duration(seconds: float, *, up: bool = False) -> str:
    """In minutes below an hour and a half, in hours below three days, then in tenths of days; rounded down or `up`."""
    rounded = math.ceil if up else math.floor
    if seconds < 1.5 * _HOUR:
        return f"{rounded(seconds / 60)} minutes"
    if seconds < 3 * _DAY:
        return f"{rounded(seconds / _HOUR)} hours"
    return f"{rounded(seconds / _DAY * 10) / 10:.1f} days"


def of(error: str, state: str | None = None) -> Figures:
    """The retrier that selects on `error`: the first one of the file, or that of `state`."""
    return next(one for one in figures() if error in one.errors and state in {None, one.state})


def sums() -> dict[str, int]:
    """MaxAttempts of each state's retriers together."""
    found: dict[str, int] = {}
    for one in figures():
        found[one.state] = found.get(one.state, 0) + one.max_attempts
    return found


def block() -> str:
    """The table, in Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| state | error | retries | all waits, in the mean | 5 of 100 are shorter than | 5 of 100 are longer than |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in figures():
        errors = ", ".join(f"`{error}`" for error in one.errors)
        times = f"{duration(one.mean)} | {duration(one.short)} | {duration(one.long, up=True)}"
        yield f"| `{one.state}` | {errors} | {one.retries:,} | {times} |"
    parts = ", ".join(f"`{state}` {count:,}" for state, count in sums().items())
    yield ""
    yield f"MaxAttempts together: {parts}; in all {sum(sums().values()):,} of at most {MOST_RETRIES:,},"
    yield "because an execution's history holds 25,000 events and a retry takes up to four."


if __name__ == "__main__":
    sys.stdout.write(f"{block()}\n")
