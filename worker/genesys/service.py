"""The details of interactions from Genesys Cloud: what the composition root opens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from worker.cancellation import cancel_and_wait
from worker.clock import Clock, SystemClock
from worker.errors import AttemptError
from worker.fleet.allowance import Allowance
from worker.fleet.dependency import Dependency
from worker.fleet.document import Document
from worker.fleet.gate import Gate, gate_document
from worker.fleet.gate_record import GateRecord
from worker.fleet.guarded import GuardedCache
from worker.fleet.keys import client_key, digest
from worker.fleet.ledger import Pace
from worker.fleet.sealed import TokenDocument
from worker.fleet.token import LoginFailed, Tokens
from worker.genesys.client import Client
from worker.genesys.details import MOST_REQUESTS, Batching
from worker.genesys.login import log_in
from worker.genesys.proxy import proxy_middlewares
from worker.ports import Details, Metrics, SharedCache
from worker.regions import api_url, login_url
from worker.settings import FleetSettings, Settings

LONG_PAUSE_SECONDS = 10.0
"""While a `Retry-After` has so much left, nothing more is fetched: it would wait here, and there it waits for free."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What this worker shares with the others that use the same OAuth client."""

    cache: SharedCache
    gate: Gate
    genesys: Dependency


class GenesysDetails:
    """A ports.DetailsSource that shares token and allowance with the rest of the fleet."""

    def __init__(self, batching: Batching, tokens: Tokens, gate: Gate) -> None:
        self._batching = batching
        self._tokens = tokens
        self._gate = gate

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """As ports.DetailsSource.fetch, but that an outage is an error, and not waited out."""
        return await self._batching.fetch(interaction_id, alone=alone)

    async def check(self) -> None:
        """See that there is an access token, by a login if there is none.

        Failed logins back off, so it can be called as often as one likes. While the fleet is paused nothing is asked.
        Raises errors.Unauthorized, Unavailable or RateLimited, whose text says what is wrong.
        """
        if self._gate.paused:
            return
        token = await self._tokens.get()
        if isinstance(token, LoginFailed):
            raise token.error


def open_fleet(settings: Settings, cache: SharedCache, metrics: Metrics, clock: Clock | None = None) -> Fleet:
    """What the worker shares through `cache`. The gate is the caller's to run."""
    clock = clock or SystemClock()
    shared = GuardedCache(cache, metrics, clock)
    gate = Gate(shared, _client_key(settings), metrics, clock)
    # A worker with settings that cure an outage must not be held up by those without.
    reached_by = (login_at(settings), api_at(settings), settings.genesys_client_id, _secret(settings))
    metrics.shared_cache_up(True)
    return Fleet(shared, gate, gate.dependency("genesys", digest(*reached_by)))


def gate_of(settings: FleetSettings, cache: SharedCache) -> Document[GateRecord]:
    """The document by which the fleet of `settings` knows of outages and of a pause."""
    return gate_document(cache, _client_key(settings))


@asynccontextmanager
async def open_details(
    settings: Settings, fleet: Fleet, metrics: Metrics, *, clock: Clock | None = None
) -> AsyncIterator[GenesysDetails]:
    """The source of details that `settings` describes; nothing is asked of Genesys Cloud before the first call.

    At the end what is under way is given up and callers that still wait are cancelled.
    """
    clock = clock or SystemClock()
    address, client_id, secret = login_at(settings), settings.genesys_client_id, _secret(settings)
    client = _client_key(settings)
    connector = aiohttp.TCPConnector(limit=MOST_REQUESTS + 4, ttl_dns_cache=60)
    metrics.allowance_limit(settings.genesys_requests_per_minute)
    middlewares = proxy_middlewares(address, api_at(settings))
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), middlewares=middlewares
    ) as session:
        tokens = Tokens(
            TokenDocument(fleet.cache, client=client, client_id=client_id, secret=secret),
            lambda: log_in(session, address, client_id, secret, clock, metrics=metrics),
            metrics,
            clock,
        )
        pace = Pace(settings.genesys_requests_per_minute)
        allowance = Allowance(fleet.cache, f"allowance#{client}", pace, metrics, clock)
        batching = Batching(
            _client(settings, session, metrics, clock).ask,
            tokens,
            allowance,
            gate=fleet.gate,
            genesys=fleet.genesys,
            metrics=metrics,
            clock=clock,
            size=1 if settings.genesys_details_path else settings.genesys_batch_size,
            longest_wait=settings.allowance_wait_seconds,
        )
        fleet.genesys.probe = batching.probe
        fleet.gate.rests = lambda: allowance.paused_until - clock.monotonic() > LONG_PAUSE_SECONDS
        presence = asyncio.create_task(allowance.stay_known(), name="allowance-presence")
        try:
            yield GenesysDetails(batching, tokens, fleet.gate)
        finally:
            await batching.close()
            # Last of what uses the allowance: the worker leaves the fleet with it.
            await cancel_and_wait(presence)
            await tokens.close()


def _client(settings: Settings, session: aiohttp.ClientSession, metrics: Metrics, clock: Clock) -> Client:
    return Client(
        session,
        api_at(settings),
        settings.genesys_details_path,
        clock,
        metrics,
        standard=settings.record == "standard",
        documents=settings.archive_url is not None or settings.details_transform is not None,
    )


def _client_key(settings: FleetSettings) -> str:
    return client_key(login_at(settings), settings.genesys_client_id)


def login_at(settings: FleetSettings) -> str:
    """The base URL of the login, without a slash at its end."""
    return str(settings.genesys_login_url or login_url(settings.genesys_region)).rstrip("/")


def api_at(settings: Settings) -> str:
    """The base URL of the API, likewise."""
    return str(settings.genesys_api_url or api_url(settings.genesys_region)).rstrip("/")


def _secret(settings: Settings) -> str:
    return settings.genesys_client_secret.get_secret_value()
