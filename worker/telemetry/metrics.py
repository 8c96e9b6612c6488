"""Every metric series of the service, in one table, and the methods that feed them."""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from worker import __version__
from worker.errors import ERROR_NAMES
from worker.ports import (
    AwsFailure,
    Dependency,
    EventOutcome,
    GenesysOperation,
    HeartbeatOutcome,
    Queue,
    QueueState,
    RecordChange,
    TokenOrigin,
)

_WORK_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_AGE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_WAIT_SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 20, 30, 45, 60, 120)
_BATCH_IDS = (1, 2, 5, 10, 20, 40, 60, 80, 95, 100)


@dataclass(frozen=True, slots=True)
class Series:
    """One row of the table of metrics."""

    name: str
    kind: type[Counter | Gauge | Histogram]
    labels: tuple[str, ...]
    meaning: str
    action: str
    """What to do when it moves."""
    buckets: tuple[float, ...] = ()


SERIES = (
    Series(
        "worker_events_total",
        Counter,
        ("outcome",),
        "messages taken from the event queue: started, duplicate (its execution exists already), covered (the item, or "
        "another event's execution, covers it), quarantined, returned (made visible again without a start)",
        "quarantined above 0: `dlq list`. Many duplicates: deletes fail or the visibility timeout is too short.",
    ),
    Series(
        "worker_quarantine_refused_total",
        Counter,
        (),
        "refusals of the dead-letter queue to take a body that starts no execution; the message stays in the event "
        "queue and is tried again within 15 minutes",
        "Above 0: see the log line quarantine_refused for SQS's reason, and compare the queues' largest message.",
    ),
    Series(
        "worker_interactions_total",
        Counter,
        ("outcome",),
        "attempts by how they ended: succeeded, an error name, or abandoned (Step Functions had given the task up)",
        "An error name that grows names the dependency at fault.",
    ),
    Series(
        "worker_interaction_duration_seconds",
        Histogram,
        ("outcome",),
        "one attempt, from the task handed out to its report",
        "Compare with worker_request_allowance_wait_seconds: waiting for the rate limit is part of it.",
        _WORK_SECONDS,
    ),
    Series(
        "worker_event_age_seconds",
        Histogram,
        (),
        "from the event's time to its item stored; not of covered events",
        "Rising: we are behind. Look at slots busy and the rate limit.",
        _AGE_SECONDS,
    ),
    Series(
        "worker_record_changes_total",
        Counter,
        ("change",),
        "attempts by what they changed in the table: details (the newer ones), event_only (its event is the newest one "
        "known, its details are not), unchanged",
        "unchanged rises with started: events start executions that the item covers; look at the queue's delivery "
        "delay and DETAILS_LAG_SECONDS.",
    ),
    Series(
        "worker_slots",
        Gauge,
        ("state",),
        "slots: polling or busy",
        "All busy: the rate limit or MAX_CONCURRENCY is what limits.",
    ),
    Series(
        "worker_genesys_requests_total",
        Counter,
        ("operation", "status"),
        "requests to Genesys Cloud: operation login or details, HTTP status or `error` without an answer",
        "429: somebody else uses the same OAuth client, or GENESYS_REQUESTS_PER_MINUTE is above its rate limit.",
    ),
    Series(
        "worker_genesys_batch_size",
        Histogram,
        (),
        "interaction ids in one batched details request",
        "Small batches while allowance waits grow: too few slots to fill them.",
        _BATCH_IDS,
    ),
    Series(
        "worker_token_fetches_total",
        Counter,
        ("source",),
        "access tokens obtained: by a login of this worker, or shared by another one",
        "Logins of many workers: the shared cache is not shared, or unavailable.",
    ),
    Series(
        "worker_request_allowance_wait_seconds",
        Histogram,
        (),
        "how long a request waited for the rate limit",
        "Seconds: the rate limit is the bottleneck; larger batches or a larger limit help, more workers do not.",
        _WAIT_SECONDS,
    ),
    Series(
        "worker_heartbeats_total",
        Counter,
        ("outcome",),
        "heartbeats: sent, lost (Step Functions had given the task up), failed (no answer)",
        "lost above 0: heartbeats come too late; look at loop lag and HEARTBEAT_SECONDS.",
    ),
    Series(
        "worker_loop_lag_seconds",
        Gauge,
        (),
        "how late the event loop ran its last timer",
        "Above 0.5: the CPU is not enough, or something blocks the loop.",
    ),
    Series(
        "worker_queue_messages",
        Gauge,
        ("queue", "state"),
        "messages in a queue (events, dead_letters) by state (visible, in_flight, delayed); every worker says the same",
        "events visible and rising: behind. dead_letters above 0: `dlq list`.",
    ),
    Series(
        "worker_queue_wait_seconds",
        Histogram,
        (),
        "from a message's arrival in the event queue to its receipt, a delivery delay included",
        "Rising while slots poll: too few receivers. Rising with slots busy: see the rate limit.",
        _AGE_SECONDS,
    ),
    Series(
        "worker_aws_failures_total",
        Counter,
        ("operation", "outcome"),
        "AWS calls that failed, each HTTP attempt: throttled or error",
        "throttled: a quota is reached; the worker slows down by itself. error: see the log for the code.",
    ),
    Series(
        "worker_request_allowance_limit",
        Gauge,
        (),
        "GENESYS_REQUESTS_PER_MINUTE, the fleet's rate limit",
        "Different between workers: a deployment is half done.",
    ),
    Series(
        "worker_genesys_paused_until_timestamp_seconds",
        Gauge,
        (),
        "Unix time until which nobody asks Genesys Cloud because of a Retry-After; 0 for no pause yet",
        "In the future: a 429 was answered. Find who else uses the OAuth client.",
    ),
    Series(
        "worker_shared_cache_up",
        Gauge,
        (),
        "1 while the shared cache answers, 0 while the worker keeps to its own share of the rate limit",
        "0: look at the shared cache; work goes on, slower.",
    ),
    Series(
        "worker_dependency_up",
        Gauge,
        ("dependency",),
        "genesys, store: 0 while the fleet, or this worker, holds back because it does not answer; shared_cache: 0 "
        "while it does not answer",
        "0: look at the dependency. Nothing is lost and nothing is to be redriven: work goes on when it answers.",
    ),
    Series(
        "worker_paused",
        Gauge,
        (),
        "1 while an operator's `pause` holds",
        "1 for longer than somebody wanted: `resume`.",
    ),
    Series(
        "worker_log_lines_dropped_total",
        Counter,
        (),
        "lines for stdout or stderr that were dropped because nobody took them in time; work goes on",
        "Above 0: what reads the log (the log driver, a pipe) stands still or is too slow, or a disk is full.",
    ),
    Series(
        "worker_draining",
        Gauge,
        (),
        "1 from SIGTERM on",
        "1 for more than two minutes: the stop timeout does not work.",
    ),
    Series(
        "worker_build_info",
        Gauge,
        ("version", "python"),
        "always 1; the versions of the service and of Python are in its labels",
        "More than one version for long: a deployment is stuck.",
    ),
)


_ROWS = {row.name: row for row in SERIES}


class PrometheusMetrics:
    """`ports.Metrics` on a Prometheus registry of its own.

    Series with a closed set of labels exist from the start, so that a rate over them has a zero to start from.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which no query here uses
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._events = self._counter("worker_events_total", get_args(EventOutcome))
        self._quarantine_refused = self._counter("worker_quarantine_refused_total")
        self._interactions = self._counter("worker_interactions_total", ("succeeded", "abandoned", *ERROR_NAMES))
        self._durations = self._histogram("worker_interaction_duration_seconds")
        self._event_age = self._histogram("worker_event_age_seconds")
        self._record_changes = self._counter("worker_record_changes_total", get_args(RecordChange))
        self._slots = self._gauge("worker_slots", ("polling", "busy"))
        self._requests = self._counter("worker_genesys_requests_total")
        for operation in get_args(GenesysOperation):
            self._requests.labels(operation, "429")  # the one status whose first occurrence has to show
        self._batch_size = self._histogram("worker_genesys_batch_size")
        self._token_fetches = self._counter("worker_token_fetches_total", get_args(TokenOrigin))
        self._allowance_wait = self._histogram("worker_request_allowance_wait_seconds")
        self._heartbeats = self._counter("worker_heartbeats_total", get_args(HeartbeatOutcome))
        self._loop_lag = self._gauge("worker_loop_lag_seconds")
        self._queue_messages = self._gauge("worker_queue_messages")
        self._queue_wait = self._histogram("worker_queue_wait_seconds")
        self._aws_failures = self._counter("worker_aws_failures_total")
        self._allowance_limit = self._gauge("worker_request_allowance_limit")
        self._paused_until = self._gauge("worker_genesys_paused_until_timestamp_seconds")
        self._shared_cache_up = self._gauge("worker_shared_cache_up")
        self._dependency_up = self._gauge("worker_dependency_up")
        self._paused = self._gauge("worker_paused")
        self._log_lines_dropped = self._counter("worker_log_lines_dropped_total")
        self._draining = self._gauge("worker_draining")
        self._gauge("worker_build_info").labels(__version__, platform.python_version()).set(1)

    def event(self, outcome: EventOutcome) -> None:
        self._events.labels(outcome).inc()

    def quarantine_refused(self) -> None:
        self._quarantine_refused.inc()

    def interaction(self, outcome: str, seconds: float) -> None:
        self._interactions.labels(outcome).inc()
        self._durations.labels(outcome).observe(seconds)

    def event_age(self, seconds: float) -> None:
        self._event_age.observe(seconds)

    def record(self, change: RecordChange) -> None:
        self._record_changes.labels(change).inc()

    def slot(self, state: Literal["polling", "busy"], change: Literal[1, -1]) -> None:
        self._slots.labels(state).inc(change)

    def genesys_request(self, operation: GenesysOperation, status: int | None) -> None:
        self._requests.labels(operation, "error" if status is None else str(status)).inc()

    def batch(self, size: int) -> None:
        self._batch_size.observe(size)

    def token_fetch(self, origin: TokenOrigin) -> None:
        self._token_fetches.labels(origin).inc()

    def allowance_wait(self, seconds: float) -> None:
        self._allowance_wait.observe(seconds)

    def heartbeat(self, outcome: HeartbeatOutcome) -> None:
        self._heartbeats.labels(outcome).inc()

    def loop_lag(self, seconds: float) -> None:
        self._loop_lag.set(seconds)

    def queue_wait(self, seconds: float) -> None:
        self._queue_wait.observe(seconds)

    def queue_messages(self, queue: Queue, state: QueueState, number: int | None) -> None:
        if number is None:
            self._queue_messages.remove_by_labels({"queue": queue, "state": state})
        else:
            self._queue_messages.labels(queue, state).set(number)

    def aws_failure(self, operation: str, outcome: AwsFailure) -> None:
        self._aws_failures.labels(operation, outcome).inc()

    def allowance_limit(self, requests_per_minute: int) -> None:
        self._allowance_limit.set(requests_per_minute)

    def paused_until(self, unix_seconds: float) -> None:
        self._paused_until.set(unix_seconds)

    def shared_cache_up(self, up: bool) -> None:
        self._shared_cache_up.set(up)
        self.dependency_up("shared_cache", up)

    def dependency_up(self, dependency: Dependency, up: bool) -> None:
        self._dependency_up.labels(dependency).set(up)

    def paused(self, paused: bool) -> None:
        self._paused.set(paused)

    def log_line_dropped(self) -> None:
        """From any thread."""
        self._log_lines_dropped.inc()

    def draining(self, draining: bool) -> None:
        self._draining.set(draining)

    def _counter(self, name: str, values: Iterable[str] = ()) -> Counter:
        row = _ROWS[name]
        counter = Counter(row.name, row.meaning, row.labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, values: Iterable[str] = ()) -> Gauge:
        row = _ROWS[name]
        gauge = Gauge(row.name, row.meaning, row.labels, registry=self.registry)
        for value in values:
            gauge.labels(value)
        return gauge

    def _histogram(self, name: str) -> Histogram:
        row = _ROWS[name]
        return Histogram(row.name, row.meaning, row.labels, registry=self.registry, buckets=row.buckets)
