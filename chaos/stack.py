"""The two emulators together: LocalStack for SQS and Step Functions, MiniStack for DynamoDB, which LocalStack lacks."""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from chaos.definition import shortened
from chaos.localstack.server import LocalStack
from worker.local import bootstrap
from worker.local.aws import ACCESS_KEY, SECRET_KEY, Clients
from worker.local.emulator import REGION, Emulator


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where each service is."""

    queues: str
    """SQS, Step Functions and EventBridge."""
    tables: str
    """DynamoDB."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Resources under names of their own."""

    clients: Clients
    settings: Mapping[str, str]
    """What `bootstrap` prints."""


@contextmanager
def emulators(folder: Path) -> Iterator[Endpoints]:
    """Both, with what they print in `folder`."""
    with (
        LocalStack(output=folder / "localstack.log") as queues,
        Emulator(output=folder / "ministack.log") as tables,
    ):
        yield Endpoints(queues.url, tables.url)


@asynccontextmanager
async def open_clients(endpoints: Endpoints) -> AsyncIterator[Clients]:
    """Clients of the test itself, past every proxy."""
    session = get_session()
    config = AioConfig(max_pool_connections=50, read_timeout=70, retries={"mode": "standard", "max_attempts": 4})
    async with AsyncExitStack() as stack:

        async def client(service: Any, url: str) -> Any:
            return await stack.enter_async_context(
                session.create_client(
                    service,
                    region_name=REGION,
                    endpoint_url=url,
                    aws_access_key_id=ACCESS_KEY,
                    aws_secret_access_key=SECRET_KEY,
                    config=config,
                )
            )

        yield Clients(
            sqs=await client("sqs", endpoints.queues),
            events=await client("events", endpoints.queues),
            stepfunctions=await client("stepfunctions", endpoints.queues),
            dynamodb=await client("dynamodb", endpoints.tables),
        )


@asynccontextmanager
async def create(
    endpoints: Endpoints, *, heartbeat_seconds: int, delay_seconds: int = 0, look_seconds: int | None = None
) -> AsyncIterator[Stack]:
    """Everything that `bootstrap` makes, with the state machine's waits shortened."""
    names = bootstrap.Names(f"chaos-{uuid.uuid4().hex[:8]}")
    async with open_clients(endpoints) as clients:
        settings = await bootstrap.create(clients, names, delay_seconds=delay_seconds)
        arn = settings["STATE_MACHINE_ARN"]
        made = await clients.stepfunctions.describe_state_machine(stateMachineArn=arn)
        await clients.stepfunctions.update_state_machine(
            stateMachineArn=arn,
            definition=shortened(made["definition"], heartbeat_seconds=heartbeat_seconds, look_seconds=look_seconds),
        )
        yield Stack(clients, settings)
        await bootstrap.remove(clients, names, settings)
