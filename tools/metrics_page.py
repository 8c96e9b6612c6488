"""docs/metrics.md, made from the table of series."""

from tools.retry_figures import of
from worker.telemetry.metrics import SERIES, Series

_APART = of("Interaction.Unavailable").text
_FAULT = of("States.ALL").text
_NOT_READY = of("Interaction.NotReady").text
_OUTAGE = of("Genesys.Unavailable").text

_TOP = """\
# Metrics

`GET /metrics` on each worker (`HTTP_PORT`, 8080): OpenMetrics to a client that accepts it, the Prometheus text format
0.0.4 otherwise. No label holds an id, so the number of series is bounded: a few hundred per worker. Series with a
closed set of labels are there from the start with the value 0.

This page is written from the table in [`worker/telemetry/metrics.py`](../worker/telemetry/metrics.py) by
`make docs`; a test keeps the two alike. The alerts are in
[the runbook](runbook.md), the dashboard in [its page](dashboard.md).

| name | type | labels | meaning | when it moves |
| --- | --- | --- | --- | --- |
"""

_BOTTOM = f"""
Besides these there are the process's own: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_open_fds`, `process_max_fds`, `process_start_time_seconds`, and `python_info`.

## What the outcomes of an attempt mean

| `outcome` of `worker_interactions_total` | meaning | what the state machine does |
| --- | --- | --- |
| `succeeded` | the item is stored, or a newer one was there already | the execution ends |
| `abandoned` | Step Functions had given the task up | another attempt is under way, or it was stopped |
| `Genesys.RateLimited` | the rate limit frees up later than a slot waits | tries again, for days |
| `Interaction.NotReady` | Genesys Cloud does not know the interaction yet | {_NOT_READY}; NotFound comes before |
| `Interaction.Incomplete` | stored, and the details lack their end | looks again, a few times; then it is a success |
| `Worker.Draining` | the worker shut down and handed the task back | another worker takes it at once |
| `Interaction.Unavailable` | its request fails while others succeed | asks for it alone, {_APART}; then a dead letter |
| `Genesys.Unavailable` | Genesys Cloud does not answer; the task could not be held | {_OUTAGE}; then a dead letter |
| `Genesys.Unauthorized` | Genesys Cloud refuses the credentials, the role or the address | the same |
| `Store.Unavailable` | DynamoDB did not confirm the item | the same |
| `Worker.Unexpected` | a fault in the worker; the log (`attempt_unexpected`) has it | {_FAULT}; then a dead letter |
| `Interaction.NotFound` | still unknown after `NOT_FOUND_AFTER_SECONDS` | a dead letter at once |
| `Interaction.Invalid` | the task's input, or the details, can never be processed | a dead letter at once |
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    kind = series.kind.__name__.lower()
    return f"| `{series.name}` | {kind} | {labels} | {_cell(series.meaning)} | {_cell(series.action)} |"


def metrics_page() -> str:
    """The page as it should be."""
    return _TOP + "\n".join(map(_row, SERIES)) + "\n" + _BOTTOM
