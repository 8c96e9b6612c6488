"""What the use case and the runtime need from the outside, as Protocols that the adapters fulfil."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from worker.errors import AttemptError
from worker.events import InteractionEvent
from worker.record import Known

EventOutcome = Literal["started", "duplicate", "covered", "quarantined", "returned"]
HeartbeatOutcome = Literal["sent", "lost", "failed"]
GenesysOperation = Literal["login", "details"]
TokenOrigin = Literal["login", "shared"]
Queue = Literal["events", "dead_letters"]
QueueState = Literal["visible", "in_flight", "delayed"]
AwsFailure = Literal["throttled", "error"]
Dependency = Literal["genesys", "store", "shared_cache"]
RecordChange = Literal["details", "event_only", "unchanged"]


@dataclass(frozen=True, slots=True)
class Details:
    """What Genesys Cloud knows about one interaction."""

    start_time: datetime
    channels: tuple[str, ...]
    """Lower-case, distinct, in order of appearance."""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The JSON object as Genesys Cloud answered it: personal data, so it is never logged. Not to be changed. Empty when
    neither an archive nor a transform needs it."""
    attributes: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the item gets beyond the service's own attributes: JSON values by name."""
    asked_at: datetime = field(kw_only=True)
    """When the request was sent that they are from, in UTC; at most a second later than the answer's own `Date`."""
    end_time: datetime | None = field(default=None, kw_only=True)
    """None: the interaction has no end yet, or its source knows no ends."""


class DetailsSource(Protocol):
    """Where the details of an interaction come from."""

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """The details of one interaction, asked for after this call; with `alone` by a request for no other one.

        Without details it returns the reason, an error of `worker.errors`: RateLimited, Unauthorized, Unavailable,
        InteractionUnavailable, NotReady, Invalid or Unexpected. It is a value that several callers may share, and it is
        never raised here.
        Cancelling a call gives up this caller's interest only; other callers of the same request are not disturbed.
        """


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one attempt's result."""

    known: Known
    """The item as it is now."""
    details: bool
    """The details were newer than those stored, and were written."""
    event: bool
    """The event was the newest one known, and its fields were written."""


class Store(Protocol):
    """Where the record of an interaction is kept."""

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        """Keep what is newer than what is stored: the details, the event's fields, both or neither.

        Raises errors.StoreUnavailable or Invalid.
        """


class ProbedStore(Store, Protocol):
    """A store that can be asked whether it takes writes."""

    async def probe_write(self) -> None:
        """Try a write that changes nothing. Raises errors.StoreUnavailable unless the store would take a record."""


class Items(Protocol):
    """The stored items, as the intake sees them."""

    async def look(self, interaction_ids: Collection[str]) -> Mapping[str, Known]:
        """What is stored for these interactions; one that is missing from the answer has no item, or was not read.

        Raises errors.NotConfirmedError.
        """

    async def settle(self, event: InteractionEvent) -> bool:
        """Make the event's fields those of its item, if the item covers the event and knows no newer one.

        False when the item does not cover the event, for example because it is gone. Raises errors.NotConfirmedError.
        """


class Metrics(Protocol):
    """What the service counts and measures; the series are listed in `telemetry/metrics.py`."""

    def event(self, outcome: EventOutcome) -> None: ...
    def quarantine_refused(self) -> None:
        """The dead-letter queue refused a body, which stays in the event queue."""

    def interaction(self, outcome: str, seconds: float) -> None: ...
    def event_age(self, seconds: float) -> None: ...
    def record(self, change: RecordChange) -> None:
        """What one attempt changed in the table."""

    def slot(self, state: Literal["polling", "busy"], change: Literal[1, -1]) -> None: ...
    def genesys_request(self, operation: GenesysOperation, status: int | None) -> None:
        """One HTTP request to Genesys Cloud; `status` is None when there was no answer."""

    def batch(self, size: int) -> None: ...
    def token_fetch(self, origin: TokenOrigin) -> None: ...
    def allowance_wait(self, seconds: float) -> None: ...
    def heartbeat(self, outcome: HeartbeatOutcome) -> None: ...
    def loop_lag(self, seconds: float) -> None: ...
    def queue_wait(self, seconds: float) -> None: ...
    def queue_messages(self, queue: Queue, state: QueueState, number: int | None) -> None:
        """How many messages a queue holds; None takes the series away, because an old number would mislead."""

    def aws_failure(self, operation: str, outcome: AwsFailure) -> None: ...
    def allowance_limit(self, requests_per_minute: int) -> None: ...
    def paused_until(self, unix_seconds: float) -> None: ...
    def dependency_up(self, dependency: Dependency, up: bool) -> None:
        """Whether the dependency answers; False for as long as the fleet, or this worker, holds back because of it."""

    def paused(self, paused: bool) -> None: ...
    def shared_cache_up(self, up: bool) -> None: ...
    def draining(self, draining: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message received from the event queue."""

    id: str
    receipt: str
    body: str
    sent_at: float
    """Unix time, seconds, at which it entered the queue."""
    receives: int = 1
    """How often it was received, this time included."""
    first_received_at: float | None = None
    """Unix time, seconds, at which it was received first; None: just now."""


class EventQueue(Protocol):
    """The queue that EventBridge delivers to."""

    async def receive(self) -> Sequence[Message]:
        """Up to ten messages, after a long poll of up to 20 s; hidden from others for the visibility timeout."""

    async def delete(self, messages: Sequence[Message]) -> None:
        """Remove up to ten messages; one that cannot be removed is delivered again later, and only logged here."""

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        """Keep up to ten messages hidden from other receivers for another visibility timeout from now."""

    async def give_back(self, messages: Sequence[Message]) -> None:
        """Make up to ten messages visible again, at once."""

    async def put_off(self, messages: Sequence[Message], seconds: float) -> None:
        """Hide up to ten messages until `seconds` from now, when they are received again."""

    async def quarantine(self, message: Message, reason: str) -> None:
        """Put the untouched body into the dead-letter queue; returns only when that is confirmed.

        Raises errors.NotConfirmedError, and errors.RefusedError when that queue refuses this body.
        """


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution that was started under some name."""

    running: bool
    event_id: str
    """Of the event that started it; empty where that cannot be read."""


class Executions(Protocol):
    """The executions of the state machine."""

    async def look(self, name: str) -> Execution | None:
        """The execution of this name; None when there is none, or it may not be looked at.

        Raises errors.NotConfirmedError.
        """

    async def start(self, event: InteractionEvent, name: str) -> Literal["started", "duplicate", "taken"]:
        """Start an execution for `event` under `name`, or find the name taken; returns only when that is confirmed.

        "duplicate": the execution of this name is known to be this event's. "taken": it may be another one's.

        Raises errors.NotConfirmedError for a throttle, an outage or a wrong configuration, none of which is the event's
        fault, and events.InvalidEventError when Step Functions can never take this event.
        """


@dataclass(frozen=True, slots=True)
class ActivityTask:
    """One task as Step Functions hands it out; `attempt.read_task` reads it."""

    token: str
    """Whoever has it can end the task: never log it."""
    input: str


class ActivityQueue(Protocol):
    """Hands out activity tasks and takes the reports on them."""

    async def poll(self) -> ActivityTask | None:
        """One task, or None when there was none for up to 60 s.

        A task is handed out once, so a poll is never cancelled while it can still be awaited.

        Raises errors.NotConfirmedError.
        """

    async def heartbeat(self, token: str) -> None:
        """Say that the task is still worked on. Raises errors.TaskGoneError or NotConfirmedError."""

    async def succeed(self, token: str, output: str) -> None:
        """Report success. Raises errors.TaskGoneError or NotConfirmedError."""

    async def fail(self, token: str, error: str, cause: str) -> None:
        """Report failure under a name of errors.ERROR_NAMES. Raises errors.TaskGoneError or NotConfirmedError."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What the shared cache holds under one key."""

    content: str
    """May be a secret (the access token): never log it."""
    version: str
    """Differs after every write, also when the same content is written again."""


class SharedCache(Protocol):
    """A few small values that all tasks of the fleet see, each replaced only by who has seen the latest one."""

    async def get(self, key: str) -> CacheEntry | None:
        """The latest entry, or None when there is none or its time is over. Raises errors.SharedCacheError."""

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        """Replace the entry of version `expected` (None: there is none) and keep the new one for so many seconds.

        None when somebody else was faster, so that nothing was written. Raises errors.SharedCacheError; then it may
        have been written or not.
        """


class QueueDepths(Protocol):
    """How much waits in the queues."""

    async def depths(self) -> Mapping[tuple[Queue, QueueState], int]:
        """Messages by queue and state. Raises errors.NotConfirmedError."""
