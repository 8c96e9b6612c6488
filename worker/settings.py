"""Settings, read once from the environment and frozen."""

import resource
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, overload

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker.setting_types import (
    AccountId,
    CacheUrl,
    FunctionName,
    Region,
    S3Url,
    TableName,
    Url,
    account_of_queue,
    arn_of,
    is_plain_http_elsewhere,
)

Role = Literal["intake", "activity"]

HAND_BACK_SECONDS = 10
"""What is left between the end of the drain and SIGKILL: reports of handed-back work, closing connections."""

_SPARE_FILES = 100
"""Open files besides the polls: other connections, the metrics endpoint, the event loop's own."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting that is missing or wrong; no field has the value of a secret."""

    setting: str
    """Its name in the environment."""
    text: str
    """What is wrong."""
    fix: str = ""
    """What to do; empty where `text` says it already."""
    missing: bool = False
    """It is required and nothing sets it."""

    def __str__(self) -> str:
        return f"{self.setting}: {self.text}" + (f"; {self.fix}" if self.fix else "")


class SettingsError(Exception):
    """Settings are missing or wrong: one problem for each."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class _Settings(BaseSettings):
    """Settings of the environment. Each kind has those that some commands use, so that nobody is asked for others."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    def refusals(self) -> list[Problem]:
        """Settings that no command works with, as it would give something away."""
        return []

    def conflicts(self) -> list[Problem]:
        """What is wrong between settings that are right one by one."""
        return []


class LetterSettings(_Settings):
    """Where dead letters wait."""

    dead_letter_queue_url: Url = Field(
        description="SQS queue for events that cannot start an execution, and interactions whose retries ran out"
    )


class QueueSettings(LetterSettings):
    """Where events and dead letters wait, and what processes them: all that the commands for dead letters use."""

    event_queue_url: Url = Field(description="SQS queue that EventBridge delivers to")
    state_machine_arn: Annotated[str, arn_of("stateMachine", "state machine")] = Field(
        description="Standard state machine, at most one execution per event"
    )
    visibility_timeout_seconds: int = Field(
        default=60, ge=10, le=43200, description="how long received messages stay hidden before a lost one comes back"
    )

    def conflicts(self) -> list[Problem]:
        """What is wrong between settings that are right one by one."""
        if self.event_queue_url != self.dead_letter_queue_url:
            return []
        text = "is the event queue itself, so a dead letter would come back for ever"
        return [Problem("DEAD_LETTER_QUEUE_URL", text, "name a queue of its own")]


class ErasureSettings(LetterSettings):
    """Where something of an interaction is kept: all that `erase` uses."""

    interaction_table_name: TableName = Field(description="DynamoDB table, partition key `interactionId` (S)")
    tombstone_days: int = Field(
        default=0, ge=0, description="days after which the tombstone of an erased interaction expires; 0: for ever"
    )
    archive_url: S3Url | None = Field(
        default=None, description="`s3://BUCKET/PREFIX` to keep the whole details document too, gzipped, by day"
    )
    archive_bucket_owner: AccountId | None = Field(
        default=None,
        description="AWS account of the archive's bucket: one of another account receives nothing. Unset: the account "
        "in `DEAD_LETTER_QUEUE_URL`",
    )

    @property
    def archive_owner(self) -> str | None:
        """ARCHIVE_BUCKET_OWNER, or the account of the dead-letter queue; None without an archive."""
        if self.archive_url is None:
            return None
        return self.archive_bucket_owner or account_of_queue(self.dead_letter_queue_url)

    def conflicts(self) -> list[Problem]:
        """What is wrong between settings that are right one by one."""
        found = super().conflicts()
        if self.archive_url is not None and not self.archive_owner:
            text = "is required with ARCHIVE_URL where DEAD_LETTER_QUEUE_URL names no account"
            found.append(Problem("ARCHIVE_BUCKET_OWNER", text, "set it to the AWS account of the archive's bucket"))
        return found


class FleetSettings(_Settings):
    """Where the workers of one OAuth client share what they know: all that `pause` and `resume` use."""

    genesys_region: Region = Field(default="us-east-1", description="Genesys Cloud region")
    genesys_client_id: str = Field(min_length=1, description="OAuth client credentials: the client's id")
    genesys_login_url: Url | None = Field(
        default=None, description="base URL of the login, for the simulator or a proxy; from the region when unset"
    )
    shared_cache_url: CacheUrl = Field(
        default="memory://",
        repr=False,  # it may hold a password
        description="where tasks share the access token and the rate limit: `memory://` (one task), "
        "`dynamodb://TABLE`, `redis://…`, `rediss://…`",
    )


class Settings(FleetSettings, ErasureSettings, QueueSettings):
    """Every setting, by the name of its environment variable in lower case."""

    activity_arn: Annotated[str, arn_of("activity", "activity")] = Field(
        description="the activity that the state machine's task names"
    )
    item_ttl_days: int = Field(
        default=0, ge=0, description="days after which an item expires (attribute `expiresAt`); 0 keeps it for ever"
    )

    genesys_client_secret: SecretStr = Field(
        min_length=1, description="OAuth client credentials: the secret; never printed"
    )
    genesys_api_url: Url | None = Field(
        default=None, description="base URL of the API, for the simulator or a proxy; from the region when unset"
    )
    allow_plain_http: bool = Field(
        default=False,
        description="let `GENESYS_LOGIN_URL` and `GENESYS_API_URL` be plain `http` outside loopback: the client's "
        "secret, the token and all details can then be read on the way",
    )
    genesys_details_path: str | None = Field(
        default=None,
        description="unset: the batched analytics endpoint, which returns no participant attributes. Set: a path "
        "template with `{interactionId}`, one request per interaction",
    )
    genesys_batch_size: int = Field(default=100, ge=1, le=100, description="ids a batched request carries at most")
    genesys_requests_per_minute: int = Field(
        default=300, ge=1, le=1_000_000, description="the OAuth client's rate limit, shared by the whole fleet"
    )
    details_lag_seconds: float | None = Field(
        default=None,
        ge=0,
        description="how long after an event the details may still lack it: an event is covered by details asked for "
        "at least so long after it; unset: 90, with a path template 5",
    )
    end_event_types: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset({"customer.end"}),
        description="event types, comma-separated, after which the details should have an end",
    )
    final_wait_seconds: float = Field(
        default=900,
        ge=0,
        le=3600,
        description="for how long an interaction that should have ended is looked at again, from when its state was "
        "entered; 0: never",
    )
    record: Literal["basic", "standard"] = Field(
        default="basic",
        description="`standard`: the item also has queues, agents, wrap-up codes, times and outcomes, from analytics",
    )

    event_reader: FunctionName | None = Field(
        default=None, description="`module:function` that reads further shapes of events, or refuses some"
    )
    details_transform: FunctionName | None = Field(
        default=None, description="`module:function` that takes further attributes of the item from the details"
    )

    max_concurrency: int = Field(
        default=100, ge=1, le=5000, description="activity slots, each one open poll or one interaction in work"
    )
    intake_concurrency: int = Field(
        default=10, ge=1, le=200, description="SQS receivers, and StartExecution calls at the same time"
    )
    roles: Annotated[frozenset[Role], NoDecode] = Field(
        default=frozenset[Role](("intake", "activity")),
        min_length=1,
        description="which loops this task runs: `intake`, `activity` or both",
    )
    heartbeat_seconds: float = Field(
        default=20, gt=0, description="how often a task in work reports; under half the state machine's"
    )
    state_machine_heartbeat_seconds: int = Field(
        default=60, ge=1, description="HeartbeatSeconds of the state machine's activity task"
    )
    allowance_wait_seconds: float = Field(
        default=60, ge=0, description="longest wait in a slot for the rate limit; beyond, `Genesys.RateLimited`"
    )
    not_found_after_seconds: float = Field(
        default=900,
        ge=0,
        description="how long an unknown interaction counts as not ready, from when its state was entered",
    )
    drain_seconds: float = Field(
        default=95, ge=0, description="how long work may go on, and open polls are awaited, after SIGTERM"
    )
    stop_timeout_seconds: float = Field(
        default=120,
        gt=0,
        description="the container's `stopTimeout`, after which SIGKILL comes; Fargate's maximum is 120",
    )

    http_host: str = Field(default="0.0.0.0", description="address of `/metrics`, `/livez` and `/readyz`")  # noqa: S104
    http_port: int = Field(default=8080, ge=0, le=65535, description="port of the same")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="lowest level logged")
    log_format: Literal["json", "console"] | None = Field(
        default=None, description="`json` or `console`; unset: console on a terminal"
    )

    @property
    def details_lag(self) -> float:
        """DETAILS_LAG_SECONDS: analytics is late by a minute or more, the operational endpoints by a moment."""
        if self.details_lag_seconds is not None:
            return self.details_lag_seconds
        return 90.0 if self.genesys_details_path is None else 5.0

    def refusals(self) -> list[Problem]:
        """Settings that no command works with, as it would give something away."""
        urls = {"GENESYS_LOGIN_URL": self.genesys_login_url, "GENESYS_API_URL": self.genesys_api_url}
        text = "is plain http to another machine, where everybody on the way can read secret, token and details"
        fix = "use https://, or set ALLOW_PLAIN_HTTP=true for a simulator"
        plain = [name for name, url in urls.items() if is_plain_http_elsewhere(url)]
        return [*super().refusals(), *([] if self.allow_plain_http else [Problem(name, text, fix) for name in plain])]

    @field_validator("roles", "end_event_types", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("genesys_details_path")
    @classmethod
    def _path_template(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith("/") or value.count("{interactionId}") != 1):
            raise ValueError("must start with / and hold {interactionId} once")
        if value is not None and set(value.replace("{interactionId}", "")) & set("{}# \t"):
            raise ValueError("may hold no other placeholder, no space and no #")
        return value

    def conflicts(self) -> list[Problem]:
        """What is wrong between settings that are right one by one."""
        found = super().conflicts()
        if self.heartbeat_seconds * 2 >= self.state_machine_heartbeat_seconds:
            found.append(
                Problem(
                    "HEARTBEAT_SECONDS",
                    f"{self.heartbeat_seconds:g} is not under half the state machine's HeartbeatSeconds "
                    f"({self.state_machine_heartbeat_seconds}, STATE_MACHINE_HEARTBEAT_SECONDS), so that one late "
                    "heartbeat would fail the task",
                    "lower it",
                )
            )
        if self.drain_seconds + HAND_BACK_SECONDS > self.stop_timeout_seconds:
            found.append(
                Problem(
                    "DRAIN_SECONDS",
                    f"{self.drain_seconds:g} leaves less than {HAND_BACK_SECONDS} s before the container's "
                    f"stop timeout ({self.stop_timeout_seconds:g}, STOP_TIMEOUT_SECONDS)",
                    f"set it to at most {max(0, self.stop_timeout_seconds - HAND_BACK_SECONDS):g}",
                )
            )
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        wanted = 2 * (self.max_concurrency + self.intake_concurrency) + _SPARE_FILES
        if files != resource.RLIM_INFINITY and wanted > files:
            found.append(
                Problem(
                    "MAX_CONCURRENCY",
                    f"{self.max_concurrency} slots need {wanted} open files and the process may have {files}",
                    "lower it or raise the limit (ulimit -n)",
                )
            )
        return found


AnySettings = TypeVar("AnySettings", bound=_Settings)


@overload
def load_settings(*, with_conflicts: bool = True) -> Settings: ...


@overload
def load_settings(kind: type[AnySettings], *, with_conflicts: bool = True) -> AnySettings: ...


def load_settings(kind: type[_Settings] = Settings, *, with_conflicts: bool = True) -> _Settings:
    """Settings from the environment, of those `kind` that the caller uses: nobody is asked for others.

    Raises SettingsError with a problem for each wrong one. `with_conflicts=False` leaves out the checks between
    settings, for `doctor`, which reports them in its table.
    """
    try:
        settings = kind()
    except ValidationError as error:
        raise SettingsError(*(_problem(kind, dict(fault)) for fault in error.errors(include_url=False))) from None
    if refusals := settings.refusals():
        raise SettingsError(*refusals)
    if with_conflicts and (problems := settings.conflicts()):
        raise SettingsError(*problems)
    return settings


def _problem(kind: type[BaseSettings], fault: dict[str, Any]) -> Problem:
    """One fault that pydantic found; the value stays out, as it could be a secret pasted into the wrong name."""
    name = str(fault["loc"][0]).upper()
    if fault["type"] == "missing":
        description = kind.model_fields[name.lower()].description
        return Problem(name, f"is required and not set ({description})", missing=True)
    message = str(fault["msg"]).removeprefix("Value error, ")
    return Problem(name, f"{message[0].lower()}{message[1:]}")
