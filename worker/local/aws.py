"""AWS clients of the local commands, and the refusal to touch anything but a local endpoint."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_events import EventBridgeClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_stepfunctions import SFNClient


class NotLocalError(Exception):
    """The environment names no local AWS endpoint; the text says which variable to set."""


@dataclass(frozen=True, slots=True)
class Clients:
    """One client of each service, all on the same endpoint."""

    sqs: "SQSClient"
    events: "EventBridgeClient"
    stepfunctions: "SFNClient"
    dynamodb: "DynamoDBClient"


def require_local(environment: Mapping[str, str] = os.environ) -> str:
    """The endpoint's URL. Raises NotLocalError when there is none, or when it is AWS itself."""
    url = environment.get("AWS_ENDPOINT_URL", "")
    if not url:
        raise NotLocalError(
            "AWS_ENDPOINT_URL: is required and not set; this command is for local work and does not touch an AWS "
            "account. Name the emulator's address, for example http://127.0.0.1:4566"
        )
    host = urlsplit(url).hostname or ""
    if not host:
        raise NotLocalError(
            "AWS_ENDPOINT_URL: is no URL; name the emulator's address, for example http://127.0.0.1:4566"
        )
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".aws", ".api.aws")):
        raise NotLocalError(f"AWS_ENDPOINT_URL: {host} is AWS itself; this command is for a local emulator only")
    return url


@asynccontextmanager
async def open_clients() -> AsyncIterator[Clients]:
    """Clients as the environment configures them.

    Raises NotLocalError when it lacks the endpoint, region or credentials.
    """
    require_local()
    session = get_session()
    # botocore itself knows only AWS_DEFAULT_REGION; every other SDK reads AWS_REGION.
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if region is None:
        raise NotLocalError("AWS_REGION: is required and not set; for an emulator any will do, for example us-east-1")
    if await session.get_credentials() is None:
        raise NotLocalError(
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: no credentials found; for an emulator any will do, "
            "for example test and test"
        )
    config = AioConfig(region_name=region, max_pool_connections=50, retries={"mode": "standard", "max_attempts": 4})
    async with AsyncExitStack() as stack:
        yield Clients(
            sqs=await stack.enter_async_context(session.create_client("sqs", config=config)),
            events=await stack.enter_async_context(session.create_client("events", config=config)),
            stepfunctions=await stack.enter_async_context(session.create_client("stepfunctions", config=config)),
            dynamodb=await stack.enter_async_context(session.create_client("dynamodb", config=config)),
        )


def explain(error: BotoCoreError | ClientError) -> str:
    """One line for a person about a call that failed."""
    if isinstance(error, ClientError):
        fault = error.response.get("Error", {})
        return f"{error.operation_name}: {fault.get('Code', 'unknown')}: {fault.get('Message', '')}".strip()
    return f"{os.environ.get('AWS_ENDPOINT_URL', 'AWS')}: {error}"
