"""Opens AWS, the shared cache and Genesys Cloud as the settings say: for `run`, and for every command."""

import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp
from aiobotocore.session import AioSession

from worker.aws.activity import StepFunctionsActivity
from worker.aws.archive import ArchivingStore
from worker.aws.archive_erasure import ArchiveErasure
from worker.aws.clients import Clients, new_session, open_clients, require_credentials
from worker.aws.executions import StepFunctionsExecutions
from worker.aws.inspection import Inspection, SeeDate
from worker.aws.letters import RECEIVERS, SqsDeadLetters
from worker.aws.queue import SqsEventQueue
from worker.aws.records import Records
from worker.aws.sqs import LARGEST_BATCH
from worker.aws.tombstones import Tombstones
from worker.clock import Clock, SystemClock
from worker.fleet.document import Document
from worker.fleet.gate_record import GateRecord
from worker.fleet.keys import digest
from worker.fleet.shared_cache import open_shared_cache
from worker.fleet.token import LoginAnswer, Token
from worker.genesys.answer import Answer
from worker.genesys.client import Client
from worker.genesys.login import log_in
from worker.genesys.reading import has_ends
from worker.genesys.service import Fleet, api_at, gate_of, login_at, open_fleet
from worker.ports import Metrics, ProbedStore, SharedCache
from worker.record import Freshness
from worker.settings import ErasureSettings, FleetSettings, Problem, QueueSettings, Settings, SettingsError
from worker.telemetry.metrics import PrometheusMetrics

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_DIRECT_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
"""A person waits for it."""

_COMMAND_ATTEMPTS = 5
"""How often a command's call of SQS or Step Functions is tried: nobody else tries again."""

_INSPECTION_ATTEMPTS = 2
"""As few as tell an outage from a lost packet: a person waits for the table."""


@dataclass(frozen=True, slots=True)
class Queues:
    """Where events and dead letters wait, and what processes them."""

    queue: SqsEventQueue
    letters: SqsDeadLetters
    executions: StepFunctionsExecutions


@dataclass(frozen=True, slots=True)
class Aws(Queues):
    """All adapters, one per noun of AWS."""

    clients: Clients
    activity: StepFunctionsActivity
    records: Records
    store: ProbedStore
    """The records, and the archive before them where one is set."""


@asynccontextmanager
async def open_aws(settings: Settings, metrics: Metrics) -> AsyncIterator[Aws]:
    """AWS for the service: a connection for each of its polls.

    Raises SettingsError when region or credentials are missing.
    """
    session = new_session()
    await require_credentials(session)
    clients = open_clients(
        session,
        metrics,
        slots=settings.max_concurrency,
        receivers=settings.intake_concurrency,
        archive_owner=settings.archive_owner,
    )
    async with clients as opened:
        yield _adapters(settings, opened)


@asynccontextmanager
async def open_queues(settings: QueueSettings) -> AsyncIterator[Queues]:
    """The queues for a command, which has no retries of its own. Raises SettingsError as `open_aws`."""
    session = new_session()
    await require_credentials(session)
    async with _command_clients(session, _COMMAND_ATTEMPTS) as clients:
        yield _queues(settings, clients)


@dataclass(frozen=True, slots=True)
class Places:
    """Where something of an interaction is kept."""

    tombstones: Tombstones
    letters: SqsDeadLetters
    archive: ArchiveErasure | None


@asynccontextmanager
async def open_places(settings: ErasureSettings) -> AsyncIterator[Places]:
    """What `erase` works on. Raises SettingsError as `open_aws`."""
    session, url = new_session(), settings.archive_url
    await require_credentials(session)
    async with _command_clients(session, _COMMAND_ATTEMPTS, archive_owner=settings.archive_owner) as clients:
        yield Places(
            Tombstones(clients.dynamodb, settings.interaction_table_name, SystemClock(), days=settings.tombstone_days),
            SqsDeadLetters(clients.sqs, settings.dead_letter_queue_url),
            ArchiveErasure(clients.s3, url) if clients.s3 and url else None,
        )


@asynccontextmanager
async def open_inspection(settings: Settings, see_date: SeeDate) -> AsyncIterator[Inspection]:
    """The questions of `doctor`. Raises SettingsError when the region is missing."""
    session = new_session()
    async with _command_clients(session, _INSPECTION_ATTEMPTS, archive_owner=settings.archive_owner) as clients:
        yield Inspection(session, clients, see_date)


def _command_clients(
    session: AioSession, attempts: int, *, archive_owner: str | None = None
) -> AbstractAsyncContextManager[Clients]:
    return open_clients(
        session,
        PrometheusMetrics(),  # which nobody reads
        slots=LARGEST_BATCH * RECEIVERS,  # a redrive starts all that its receivers bring
        receivers=RECEIVERS,
        archive_owner=archive_owner,
        attempts=attempts,
    )


def _queues(settings: QueueSettings, clients: Clients) -> Queues:
    letters = SqsDeadLetters(clients.sqs, settings.dead_letter_queue_url)
    return Queues(
        queue=SqsEventQueue(
            clients.sqs_poll,
            clients.sqs,
            url=settings.event_queue_url,
            dead_letters=letters,
            visibility_seconds=settings.visibility_timeout_seconds,
        ),
        letters=letters,
        executions=StepFunctionsExecutions(clients.sfn, settings.state_machine_arn),
    )


def _adapters(settings: Settings, clients: Clients) -> Aws:
    queues = _queues(settings, clients)
    records = Records(
        clients.dynamodb,
        settings.interaction_table_name,
        freshness(settings),
        SystemClock(),
        ttl_days=settings.item_ttl_days,
    )
    store: ProbedStore = records
    if clients.s3 is not None and settings.archive_url is not None:
        store = ArchivingStore(records, clients.s3, settings.archive_url)
    return Aws(
        queue=queues.queue,
        letters=queues.letters,
        executions=queues.executions,
        clients=clients,
        activity=StepFunctionsActivity(
            clients.sfn_poll, clients.sfn, arn=settings.activity_arn, worker_name=_worker_name()
        ),
        records=records,
        store=store,
    )


def freshness(settings: Settings) -> Freshness:
    """How fresh details must be; a source that knows no ends is not asked again for one."""
    return Freshness(
        lag=timedelta(seconds=settings.details_lag),
        end_types=settings.end_event_types if has_ends(settings.genesys_details_path) else frozenset(),
        final_wait=timedelta(seconds=settings.final_wait_seconds),
    )


def store_key(settings: Settings) -> str:
    """Names the store in the gate, so that a version with the right table is not held up by one with a wrong table."""
    archive = [settings.archive_url, settings.archive_owner or ""] if settings.archive_url else [""]
    return digest(os.environ.get("AWS_REGION", ""), settings.interaction_table_name, *archive)


def _worker_name() -> str:
    """Shown in the execution's history beside the attempt; Step Functions takes at most 80 characters."""
    return f"{socket.gethostname()}-{os.getpid()}"[:80]


@asynccontextmanager
async def open_cache(settings: FleetSettings, dynamodb: "DynamoDBClient | None") -> AsyncIterator[SharedCache]:
    """The shared cache, which needs `dynamodb` only where it is in DynamoDB.

    Raises SettingsError when its library is missing or its URL is unusable.
    """
    async with AsyncExitStack() as stack:
        try:
            cache = await stack.enter_async_context(open_shared_cache(settings.shared_cache_url, dynamodb))
        except ValueError as error:
            raise SettingsError(_cache_problem(error)) from None
        yield cache


def _cache_problem(error: ValueError) -> Problem:
    if isinstance(error.__cause__, ImportError):
        fix = "in the project's folder: pip install '.[redis]'"
        return Problem("SHARED_CACHE_URL", "names Redis and its library is not installed", fix)
    # The library's text may quote the URL, which holds a password.
    return Problem("SHARED_CACHE_URL", "is refused by the Redis library", "check its options, which are after the ?")


@asynccontextmanager
async def open_shared(settings: Settings, clients: Clients, metrics: Metrics) -> AsyncIterator[Fleet]:
    """What this worker shares with the fleet. Raises SettingsError as `open_cache`."""
    async with open_cache(settings, clients.dynamodb) as cache:
        yield open_fleet(settings, cache, metrics)


@asynccontextmanager
async def open_gate(settings: FleetSettings) -> AsyncIterator[Document[GateRecord]]:
    """What the fleet knows of outages and of a pause, for a command. AWS is used only where the cache is in DynamoDB.

    Raises SettingsError as `open_aws` and `open_cache`.
    """
    async with AsyncExitStack() as stack:
        dynamodb = None
        if settings.shared_cache_url.startswith("dynamodb://"):
            session = new_session()
            await require_credentials(session)
            clients = await stack.enter_async_context(_command_clients(session, _COMMAND_ATTEMPTS))
            dynamodb = clients.dynamodb
        cache = await stack.enter_async_context(open_cache(settings, dynamodb))
        yield gate_of(settings, cache)


@dataclass(frozen=True, slots=True)
class DirectGenesys:
    """Genesys Cloud for a command that asks once: with a token of its own, and without a permit of the fleet's."""

    session: aiohttp.ClientSession
    settings: Settings
    clock: Clock

    @property
    def login_url(self) -> str:
        return login_at(self.settings)

    @property
    def api_url(self) -> str:
        return api_at(self.settings)

    async def log_in(self) -> LoginAnswer:
        """As login.log_in."""
        secret = self.settings.genesys_client_secret.get_secret_value()
        return await log_in(self.session, self.login_url, self.settings.genesys_client_id, secret, self.clock)

    async def ask(self, interaction_id: str, token: Token) -> Answer:
        """As client.Client.ask, for one interaction."""
        path = self.settings.genesys_details_path
        client = Client(self.session, self.api_url, path, self.clock, timeout=_DIRECT_TIMEOUT)
        return await client.ask([interaction_id], token.text)


@asynccontextmanager
async def open_direct_genesys(settings: Settings, see_date: SeeDate) -> AsyncIterator[DirectGenesys]:
    """The service's own client; `see_date` is shown the Date header of each answer."""
    async with aiohttp.ClientSession(trace_configs=[_trace(see_date)], cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield DirectGenesys(session, settings, SystemClock())


def _trace(see_date: SeeDate) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def start(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams) -> None:
        context.asked = time.time()

    async def end(_: aiohttp.ClientSession, context: SimpleNamespace, done: aiohttp.TraceRequestEndParams) -> None:
        see_date(done.response.headers.get("Date"), context.asked, time.time())

    trace.on_request_start.append(start)
    trace.on_request_end.append(end)
    return trace
