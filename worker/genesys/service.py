"""The details of interactions from Genesys Cloud: what the composition root opens."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from worker.cancellation import cancel_and_wait
from worker.clock import Clock, SystemClock
from worker.errors import AttemptError
from worker.fleet.allowance import Allowance
from worker.fleet.guarded import GuardedCache
from worker.fleet.ledger import Pace
from worker.fleet.token import LoginFailed, Tokens
from worker.genesys.client import Client
from worker.genesys.details import MOST_REQUESTS, Batching
from worker.genesys.login import log_in
from worker.ports import Details, Metrics, SharedCache
from worker.regions import api_url, login_url
from worker.settings import Settings


class GenesysDetails:
    """A ports.DetailsSource that shares token and allowance with the rest of the fleet."""

    def __init__(self, batching: Batching, tokens: Tokens) -> None:
        self._batching = batching
        self._tokens = tokens

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """As ports.DetailsSource.fetch."""
        return await self._batching.fetch(interaction_id, alone=alone)

    async def check(self) -> None:
        """See that there is an access token, by a login if there is none.

        Failed logins back off, so it can be called as often as one likes.
        Raises errors.Unauthorized, Unavailable or RateLimited, whose text says what is wrong.
        """
        token = await self._tokens.get()
        if isinstance(token, LoginFailed):
            raise token.error


@asynccontextmanager
async def open_details(
    settings: Settings, cache: SharedCache, metrics: Metrics, *, clock: Clock | None = None
) -> AsyncIterator[GenesysDetails]:
    """The source of details that `settings` describes; nothing is asked of Genesys Cloud before the first call.

    At the end what is under way is given up and callers that still wait are cancelled.
    """
    clock = clock or SystemClock()
    shared = GuardedCache(cache, metrics, clock)
    login_at = _base_url(settings.genesys_login_url, login_url(settings.genesys_region))
    api_at = _base_url(settings.genesys_api_url, api_url(settings.genesys_region))
    secret = settings.genesys_client_secret.get_secret_value()
    client = _digest(login_at, settings.genesys_client_id)
    connector = aiohttp.TCPConnector(limit=MOST_REQUESTS + 4, ttl_dns_cache=60)
    metrics.allowance_limit(settings.genesys_requests_per_minute)
    metrics.shared_cache_up(True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        tokens = Tokens(
            shared,
            # A worker with a new secret must not be held up by what one with the old secret was told.
            f"token#{client}#{_digest(secret)}",
            lambda: log_in(session, login_at, settings.genesys_client_id, secret, clock, metrics=metrics),
            metrics,
            clock,
        )
        pace = Pace(settings.genesys_requests_per_minute)
        allowance = Allowance(shared, f"allowance#{client}", pace, metrics, clock)
        batching = Batching(
            Client(
                session, api_at, settings.genesys_details_path, clock, metrics, standard=settings.record == "standard"
            ).ask,
            tokens,
            allowance,
            metrics,
            clock,
            size=1 if settings.genesys_details_path else settings.genesys_batch_size,
            longest_wait=settings.allowance_wait_seconds,
        )
        presence = asyncio.create_task(allowance.stay_known(), name="allowance-presence")
        try:
            yield GenesysDetails(batching, tokens)
        finally:
            await batching.close()
            # Last of what uses the allowance: the worker leaves the fleet with it.
            await cancel_and_wait(presence)
            await tokens.close()


def _base_url(configured: object, default: str) -> str:
    return str(configured or default).rstrip("/")


def _digest(*parts: str) -> str:
    """A key that says nothing of its parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
