"""AWS clients of the local commands, and the refusal to touch anything but a local endpoint."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from worker.aws.clients import call_config, new_session, require_credentials
from worker.settings import Problem, SettingsError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_stepfunctions import SFNClient

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


@dataclass(frozen=True, slots=True)
class Clients:
    """One client of each service, all on the same endpoint."""

    sqs: "SQSClient"
    events: "EventBridgeClient"
    stepfunctions: "SFNClient"
    dynamodb: "DynamoDBClient"


def require_local() -> None:
    """Raises SettingsError when AWS_ENDPOINT_URL is not set, or names AWS itself."""
    url = os.environ.get("AWS_ENDPOINT_URL", "")
    example = "the emulator's address, for example http://127.0.0.1:4566"
    host = urlsplit(url).hostname or ""
    if not url:
        fix = f"this command is for local work only ({example})"
        raise SettingsError(Problem("AWS_ENDPOINT_URL", "is required and not set", fix, missing=True))
    if not host:
        raise SettingsError(Problem("AWS_ENDPOINT_URL", "is not a URL", f"set it to {example}"))
    if host.endswith(_AWS_DOMAINS):
        raise SettingsError(
            Problem("AWS_ENDPOINT_URL", f"{host} is AWS itself", f"this command is for local work only ({example})")
        )


@asynccontextmanager
async def open_clients() -> AsyncIterator[Clients]:
    """Clients as the environment configures them.

    Raises SettingsError when it lacks the endpoint, region or credentials.
    """
    require_local()
    session = new_session()
    await require_credentials(session)
    config = call_config(pool=50)
    async with AsyncExitStack() as stack:
        yield Clients(
            sqs=await stack.enter_async_context(session.create_client("sqs", config=config)),
            events=await stack.enter_async_context(session.create_client("events", config=config)),
            stepfunctions=await stack.enter_async_context(session.create_client("stepfunctions", config=config)),
            dynamodb=await stack.enter_async_context(session.create_client("dynamodb", config=config)),
        )


def explain(error: BaseException) -> str:
    """One line for a person about a call that failed."""
    if isinstance(error, ClientError):
        fault = error.response.get("Error", {})
        return f"{error.operation_name}: {fault.get('Code', 'unknown')}: {fault.get('Message', '')}".strip()
    return f"{os.environ.get('AWS_ENDPOINT_URL', 'AWS')}: {error or type(error).__name__}"
