"""What the demo shows: progress while it runs, and the closing tables."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from worker.local.demo.accounting import Account
from worker.printable import printable

_LINE_SECONDS = 2.0
_STATUSES = {"0": "cut off"}
_EXPLANATIONS = {
    "invalid_json": "the body is not JSON",
    "invalid_envelope": "the envelope or its detail has not the expected form",
    "invalid_interaction_id": "the interaction id is outside [A-Za-z0-9_-]{1,64}",
    "invalid_time": "the event's time cannot be read",
    "missing_time": "nothing says when it happened",
    "missing_interaction_id": "the detail names no interaction",
    "Interaction.NotFound": "Genesys Cloud does not know the interaction, even after waiting",
    "Interaction.Invalid": "the interaction's details cannot be stored",
}


@dataclass(frozen=True, slots=True)
class Glance:
    """The state of things at one moment."""

    events: int
    published: int
    stored: int
    dead_lettered: int
    queued: int
    stats: Mapping[str, Any]

    @property
    def progress(self) -> tuple[int, ...]:
        """What changes as long as something moves."""
        return self.published, self.stored, self.dead_lettered, self.queued

    @property
    def all_seen(self) -> bool:
        """Whether items cover, or dead letters hold, as many events as were sent."""
        return self.stored + self.dead_lettered >= self.published

    def text(self) -> str:
        """One line about it."""
        return (
            f"stored {self.stored}  dead letters {self.dead_lettered}  in queue {self.queued}  "
            f"Genesys requests {self.stats['requests_total']}  429s {self.stats['rate_limited']}"
        )


class Display:
    """Live bars on a terminal, a plain line every two seconds elsewhere."""

    def __init__(self, console: Console, events: int) -> None:
        self._console = console
        self._start = self._last = time.monotonic()
        self._progress: Progress | None = None
        if console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description:>13}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
            )
            self._published = self._progress.add_task("published", total=events, note="")
            self._accounted = self._progress.add_task("accounted for", total=events, note="")

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, glance: Glance) -> None:
        """Show the newest state."""
        if self._progress is not None:
            self._progress.update(self._published, completed=glance.published)
            accounted = min(glance.events, glance.stored + glance.dead_lettered)
            self._progress.update(self._accounted, completed=accounted, note=glance.text())
        elif time.monotonic() - self._last >= _LINE_SECONDS:
            self._last = time.monotonic()
            elapsed = self._last - self._start
            self._console.print(f"{elapsed:6.1f} s  published {glance.published}/{glance.events}  {glance.text()}")


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank); 0 without values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = -int(-len(ordered) * share // 1)
    return ordered[max(0, rank - 1)]


def summary(account: Account, stats: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The machine-readable result."""
    return {
        "events": account.events,
        "interactions": account.interactions,
        "stored": account.stored,
        "dead_lettered": account.dead_lettered,
        "duplicates": account.duplicates,
        "lost": account.lost,
        "open": account.open,
        "wrong": account.wrong,
        "executions": account.executions,
        "covered": account.covered,
        "seconds": round(seconds, 2),
        "dead_letters": dict(account.reasons),
        "latency_seconds": {
            name: round(percentile(account.latencies, share), 3)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
        },
        "genesys": {
            "requests": stats["requests_total"],
            "mean_batch": stats["batches"]["mean"],
            "logins": stats["logins"],
            "rate_limited": stats["rate_limited"],
            "statuses": stats["statuses"],
        },
    }


def print_result(console: Console, result: Mapping[str, Any]) -> None:
    """The closing tables."""
    table = Table(title="What became of every event", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("events", justify="right")
    table.add_column("")
    table.add_row(
        "published", str(result["events"]), f"of {result['interactions']} interactions, in {result['seconds']} s"
    )
    table.add_row("stored", str(result["stored"]), "with what the simulator showed when it was asked")
    table.add_row(
        "dead-lettered", str(result["dead_lettered"]), "each with a reason, see below" if result["dead_letters"] else ""
    )
    for name, meaning in (
        ("wrong", "stored with something else than was shown"),
        ("open", "still in the queue or in a running execution"),
        ("lost", "nowhere to be found"),
    ):
        table.add_row(name, str(result[name]), meaning if result[name] else "")
    table.add_section()
    table.add_row("covered", str(result["covered"]), "needed no execution of their own" if result["covered"] else "")
    table.add_row(
        "duplicates", str(result["duplicates"]), "delivered twice, one effect" if result["duplicates"] else ""
    )
    console.print(table)
    if result["dead_letters"]:
        console.print(_letters(result["dead_letters"]))
    console.print(f"Step Functions: {result['executions']} executions")
    latency, genesys = result["latency_seconds"], result["genesys"]
    statuses = ", ".join(f"{_STATUSES.get(status, status)} {count}" for status, count in genesys["statuses"].items())
    console.print(
        f"From newest event to stored item: median {latency['p50']} s, p95 {latency['p95']} s, p99 {latency['p99']} s, "
        f"longest {latency['max']} s"
    )
    console.print(
        f"Genesys Cloud: {genesys['requests']} requests, {genesys['mean_batch']} interactions a batch on average, "
        f"logins: {genesys['logins']}, refused with 429: {genesys['rate_limited']}, answers by status: {statuses}"
    )


def _letters(reasons: Mapping[str, int]) -> Table:
    table = Table(title="Dead letters", title_justify="left")
    table.add_column("reason", no_wrap=True)
    table.add_column("events", justify="right")
    table.add_column("which means")
    for reason, count in sorted(reasons.items()):
        # As it is, without rich's markup.
        table.add_row(Text(printable(reason)), str(count), _EXPLANATIONS.get(reason, ""))
    return table
