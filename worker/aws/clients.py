"""AWS clients: one session, a few clients for the life of the process.

Long polls and calls never share a client: with a shared connection pool a heartbeat would wait behind a poll.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

from worker import __version__
from worker.aws.errors import ANSWERS, Kind, kind_of
from worker.aws.signing import sign_in_one_pass
from worker.aws.tuning import drop_idle_handlers
from worker.ports import Metrics
from worker.settings import Problem, SettingsError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_stepfunctions import SFNClient

POLL_READ_SECONDS = 70
"""GetActivityTask holds a poll for up to 60 s, and its documentation asks for a timeout of at least 65 s."""

_COMMON: dict[str, Any] = {
    # botocore otherwise builds this header anew for each call, about a sixth of a call's CPU.
    "user_agent": f"interaction-worker/{__version__}",
    # Parameters come from our own code; the service checks them again.
    "parameter_validation": False,
    "connect_timeout": 5,
    "tcp_keepalive": True,
}


def poll_config(pool: int) -> AioConfig:
    """For long polls: a connection for each, and no retries by botocore, which would strand a task token."""
    return AioConfig(
        read_timeout=POLL_READ_SECONDS, max_pool_connections=pool, retries={"total_max_attempts": 1}, **_COMMON
    )


def call_config(pool: int, attempts: int = 3) -> AioConfig:
    """For everything else. `attempts` is 1 where the caller has a retry policy of its own."""
    return AioConfig(
        read_timeout=10,
        max_pool_connections=pool,
        retries={"mode": "standard", "total_max_attempts": attempts},
        **_COMMON,
    )


def new_session() -> AioSession:
    """A session with region, credentials and endpoints as every AWS SDK reads them.

    Raises SettingsError when no region is configured.
    """
    _check_endpoints()
    session = get_session()
    # botocore itself reads AWS_DEFAULT_REGION only, the newer SDKs and ECS use AWS_REGION.
    if region := os.environ.get("AWS_REGION"):
        session.set_config_variable("region", region)
    if not session.get_config_variable("region"):
        text = "is required and not set (the AWS region of the queues and the state machine)"
        raise SettingsError(Problem("AWS_REGION", text, missing=True))
    return session


def _check_endpoints() -> None:
    """The texts of errors show an endpoint, so it holds no credentials. Raises SettingsError, without the value."""
    for name, value in os.environ.items():
        if name.startswith("AWS_ENDPOINT_URL") and "@" in value:
            raise SettingsError(Problem(name, "may hold no user and password", "expected a URL as https://HOST:PORT"))


async def require_credentials(session: AioSession) -> None:
    """Raises SettingsError when the usual AWS credential chain finds nothing."""
    if await session.get_credentials() is None:
        fix = "set the usual variables, a profile or a task role (any made-up pair works with a local emulator)"
        raise SettingsError(Problem("AWS_ACCESS_KEY_ID", "no AWS credentials found", fix, missing=True))


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of one process."""

    sqs_poll: "SQSClient"
    sqs: "SQSClient"
    sfn_poll: "SFNClient"
    sfn: "SFNClient"
    dynamodb: "DynamoDBClient"
    s3: "S3Client | None" = None
    """Only where an archive is set."""


def _count_failures(metrics: Metrics) -> Callable[..., None]:
    """A botocore event handler that sees each HTTP attempt, so that throttles count which a retry cures."""

    def count(
        response: tuple[Any, dict[str, Any]] | None, operation: Any, caught_exception: Any = None, **_: Any
    ) -> None:
        code = "" if response is None else response[1].get("Error", {}).get("Code", "")
        kind = kind_of(code)
        if caught_exception is None and (not code or kind in ANSWERS):
            return
        metrics.aws_failure(operation.name, "throttled" if kind is Kind.THROTTLED else "error")

    return count


def s3_addresses() -> AioConfig:
    """At an endpoint of one's own, such as an emulator, no host name is made up of the bucket's."""
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return AioConfig(s3={"addressing_style": "path" if own else "auto"})


def expect_owner(client: Any, account: str) -> None:
    """Every call of `client` that names a bucket asks S3 to refuse it unless the bucket is of this account.

    A bucket's name is anybody's once its owner has deleted it: without this, documents would go to whoever takes it.
    """

    def add(params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ExpectedBucketOwner" in model.input_shape.members:
            params["ExpectedBucketOwner"] = account

    client.meta.events.register("before-parameter-build.s3", add)


@asynccontextmanager
async def open_clients(
    session: AioSession,
    metrics: Metrics,
    *,
    slots: int,
    receivers: int,
    archive_owner: str | None = None,
    attempts: int | None = None,
) -> AsyncIterator[Clients]:
    """Clients with pools for `slots` activity polls and `receivers` SQS long polls.

    `attempts` is how often a call of SQS or Step Functions is tried. Without it they are the service's, whose intake,
    heartbeats and reports have deadlines and a backoff of their own. `archive_owner` is the account of the archive's
    bucket, None where there is no archive.
    """
    session.get_component("event_emitter").register("needs-retry", _count_failures(metrics))
    async with AsyncExitStack() as stack:

        async def client(service: Literal["sqs", "stepfunctions", "dynamodb", "s3"], config: AioConfig) -> Any:
            created = await stack.enter_async_context(session.create_client(service, config=config))
            if archive_owner is not None and service == "s3":
                expect_owner(created, archive_owner)
            else:
                drop_idle_handlers(created)
                sign_in_one_pass(created)
            return created

        yield Clients(
            sqs_poll=await client("sqs", poll_config(receivers)),
            sqs=await client("sqs", call_config(2 * receivers, attempts=attempts or 3)),
            sfn_poll=await client("stepfunctions", poll_config(slots)),
            sfn=await client("stepfunctions", call_config(slots + receivers, attempts=attempts or 1)),
            dynamodb=await client("dynamodb", call_config(slots)),
            s3=await client("s3", call_config(slots).merge(s3_addresses())) if archive_owner else None,
        )
