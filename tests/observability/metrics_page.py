"""Writes docs/metrics.md from the table of series: `python -m tests.observability.metrics_page`."""

from pathlib import Path

from worker.telemetry.metrics import SERIES, Series

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

_TOP = """\
# Metrics

`GET /metrics` on each worker (`HTTP_PORT`, 8080): OpenMetrics to a client that accepts it, the Prometheus text format
0.0.4 otherwise. No label holds an id, so the number of series is bounded: a few hundred per worker. Series with a
closed set of labels are there from the start with the value 0.

This page is written from the table in [`worker/telemetry/metrics.py`](../worker/telemetry/metrics.py) by
`python -m tests.observability.metrics_page`; a test keeps the two alike. The alerts are in
[the runbook](runbook.md), the dashboard in [its page](dashboard.md).

| name | type | labels | meaning | when it moves |
| --- | --- | --- | --- | --- |
"""

_BOTTOM = """
Besides these there are the process's own: `process_cpu_seconds_total`, `process_resident_memory_bytes`,
`process_open_fds`, `process_max_fds`, `process_start_time_seconds`, and `python_info`.

## What the outcomes of an attempt mean

| `outcome` of `worker_interactions_total` | meaning | what the state machine does |
| --- | --- | --- |
| `succeeded` | the item has details and event at least as new as this attempt's | the execution ends |
| `abandoned` | Step Functions had given the task up | another attempt is under way, or it was stopped |
| `Genesys.RateLimited` | the rate limit frees up later than a slot waits | tries again, for hours |
| `Interaction.NotReady` | Genesys Cloud does not know the interaction yet | tries again for about 25 minutes |
| `Interaction.Incomplete` | stored, but the details lack an end | a few looks, far apart, then a success |
| `Worker.Draining` | the worker shut down and handed the task back | another worker takes it at once |
| `Genesys.Unavailable` | no usable answer from Genesys Cloud | about half an hour of retries, then a dead letter |
| `Genesys.Unauthorized` | Genesys Cloud refuses the credentials, the role or the address | the same |
| `Store.Unavailable` | DynamoDB did not confirm the item | the same |
| `Worker.Unexpected` | a fault in the worker; the log line `attempt_unexpected` has the frames | the same |
| `Interaction.NotFound` | still unknown after `NOT_FOUND_AFTER_SECONDS` | a dead letter at once |
| `Interaction.Invalid` | the task's input, or the details, can never be processed | a dead letter at once |
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _row(series: Series) -> str:
    labels = ", ".join(f"`{label}`" for label in series.labels)
    kind = series.kind.__name__.lower()
    return f"| `{series.name}` | {kind} | {labels} | {_cell(series.meaning)} | {_cell(series.action)} |"


def page() -> str:
    """The page as it should be."""
    return _TOP + "\n".join(map(_row, SERIES)) + "\n" + _BOTTOM


if __name__ == "__main__":
    PAGE.write_text(page())
