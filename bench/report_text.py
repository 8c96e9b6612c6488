"""The fixed texts of the report, and the targets."""

from collections.abc import Callable
from typing import Any

Judged = tuple[str, str, str, bool]
"""What, the aim, what was measured, whether that is within the aim."""

Target = Callable[[Any], Judged]
"""Judges the figures of one section."""

HEAD = """# Speed

Made by `make bench`; `make bench ARGS=--quick` takes the first figures in under a minute, and
`make bench ARGS="floor peers"` single sections. Raw figures: [speed.json](speed.json). How well a fleet keeps to its
request allowance has a page of its own: [fleet.md](fleet.md).

Machine: {cpu}, {cores} cores, {kernel}, Python {python}. The service runs as its own process with exactly the locked
production dependencies, on one core; AWS and Genesys Cloud are a stub on another core, without TLS. CPU time is what
the operating system counts for the process. Bursts of the compared processes take turns within one run; a ratio is
taken burst by burst, and the figures are medians with the quartiles in brackets. Compare ratios: milliseconds and
rates are this machine's, and drop when it has other work; how much else went on stands below each table.

The *floor* is a bare aiobotocore loop with default settings that makes exactly the calls that one interaction needs (a
tenth of a receive and of a delete, start, poll, details, put, success) and nothing else: no error handling, no
heartbeats, no metrics, no logs.
"""

NOTES = """## Why it is where it is

- Seven tenths of an interaction's CPU are the SDK's own Python: building, sending and parsing four calls. So what
  counts is the number of calls and what each of them leaves out. The largest single gain was the signature, which the
  SDK makes from scratch for each call. See [ADR 0031](../adr/0031-the-sdk-as-it-comes.md) for what was done and what
  was left alone.
- Memory: importing the libraries takes about 60 MiB, their clients 15 more, and a slot with its connections about
  25 KiB.
- At 300 requests a minute batches bring at most 500 interactions a second; that, not the core, is the limit of the
  row "service, batched", so there is one more with a larger rate limit and 300 slots.
- Batched, an interaction waits for the next request that the allowance permits: at 300 a minute they are 200 ms apart,
  so half of that is the usual wait, whatever the load.
- Batching saves the HTTP request to Genesys Cloud, the cheapest of the five calls; its real worth is the request
  allowance, which [fleet.md](fleet.md) measures.
- Tasks that were never answered are not lost for good: Step Functions starts them again after their heartbeat time-out
  where the state machine has one, and after their whole time-out where it has none. Until then nobody works on them.
- `stepfunctions-activity-worker` releases its semaphore twice for each task, so the number of tasks in its hands grows
  beyond its `worker_count`, which is 20 here; the rest waits in memory without a heartbeat.
- `taskiq-aio-sqs` and `sqs-consumer` take part in the queue half only, where SQS brings back what a dying process had.
"""


def _ratio(name: str, key: str, bound: float, label: str, *, least: bool = False) -> Target:
    def judge(figures: Any) -> Judged:
        found = figures[name][key]["median"]
        aim = f"at least {bound:g}" if least else f"at most {bound:g}"
        return label, aim, f"{found:.2f}", found >= bound if least else found <= bound

    return judge


def _memory(slots: str, bound: float) -> Target:
    def judge(figures: Any) -> Judged:
        found = figures[slots]["worked"]
        return f"MiB at {slots} slots", f"at most {bound:g}", f"{found:g}", found <= bound

    return judge


def _start(figures: Any) -> Judged:
    found = figures["median"]
    return "seconds from exec to `/readyz`", "at most 1.2", f"{found:.2f}", found <= 1.2


def _latency(figures: Any) -> Judged:
    found = figures["one request each, 50 a second"]["p99_ms"]
    return "ms to stored at 50 a second, p99", "at most 15", f"{found:g}", found <= 15


def _sigterm(figures: Any) -> Judged:
    rows = [row for name, row in figures.items() if name.startswith("service")]
    found = [sum(row[key] for row in rows) for key in ("polls_cancelled", "never_answered", "exit_status")]
    text = ", ".join(str(number) for number in found)
    return "SIGTERM: polls cancelled, tasks unanswered, exit status", "0, 0, 0", text, not any(found)


def _growth(figures: Any) -> Judged:
    grown = figures[-1][1] - figures[len(figures) // 4][1]
    label = f"MiB gained over the last three quarters of {figures[-1][0]:,} interactions"
    return label, "at most 2", f"{grown:.1f}", grown <= 2


_ONE, _BATCHED, _UNHELD = "service, one request each", "service, batched", "service, batched at 1,000 a minute"

TARGETS: tuple[tuple[str, Target], ...] = (
    ("floor", _ratio(_ONE, "cpu_ratio", 0.78, "CPU of the floor, one request each, with the lookup")),
    ("floor", _ratio(_BATCHED, "cpu_ratio", 0.72, "CPU of the floor, batched at 300 a minute, with the lookup")),
    ("floor", _ratio(_ONE, "throughput_ratio", 1.3, "throughput of the floor, one request each", least=True)),
    ("floor", _ratio(_UNHELD, "throughput_ratio", 1.3, "throughput of the floor, batched at 1,000", least=True)),
    ("floor", _ratio(_ONE, "per_second", 300, "interactions a second on one core, one request each", least=True)),
    ("memory", _memory("100", 90)),
    ("memory", _memory("1000", 118)),
    ("growth", _growth),
    ("start", _start),
    ("latency", _latency),
    ("sigterm", _sigterm),
)
