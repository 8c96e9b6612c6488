"""The access token: one login for the fleet, refreshed before it ends, dropped only when it is the one refused."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from worker.cancellation import cancel_and_wait
from worker.errors import AttemptError, SharedCacheError
from worker.fleet.token_record import TokenRecord, refresh_at
from worker.genesys.login import Token
from worker.ports import CacheEntry, Metrics, SharedCache

LEASE_SECONDS = 15.0
"""How long one task may take to log in before another one tries: longer than the login's own time-out."""

_WAIT_FOR_LEASE_SECONDS = 0.15

log = structlog.get_logger()


class Tokens:
    """The fleet's access token as this task sees it."""

    def __init__(self, cache: SharedCache, key: str, log_in: Callable[[], Awaitable[Token]], metrics: Metrics) -> None:
        self._cache = cache
        self._key = key
        self._log_in = log_in
        self._metrics = metrics
        self._current: Token | None = None
        self._refresh_at = 0.0
        self._refused = ""
        self._worked = ""
        self._refreshing: asyncio.Task[Token] | None = None
        self._alone = TokenRecord()

    async def get(self) -> str:
        """A token that has not ended; a thousand calls at once cause one login.

        Raises errors.Unauthorized, Unavailable or http.PausedError.
        """
        now = time.time()
        if self._current is None or now >= self._current.expires_at:
            return (await asyncio.shield(self._start_refresh())).text
        if now >= self._refresh_at:
            self._start_refresh()
        return self._current.text

    def confirm(self, token: str) -> None:
        """Note that Genesys Cloud accepted `token`."""
        self._worked = token

    def discard(self, token: str) -> None:
        """Drop `token`, which Genesys Cloud refused; any other one stays."""
        if self._current is not None and self._current.text == token:
            self._current = None
            self._refused = token

    async def close(self) -> None:
        """Stop a refresh under way."""
        if self._refreshing is not None:
            await cancel_and_wait(self._refreshing)

    def _start_refresh(self) -> "asyncio.Task[Token]":
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="token-refresh")
            self._refreshing.add_done_callback(_retrieve)
        return self._refreshing

    async def _refresh(self) -> Token:
        """Take a newer token from the fleet, or log in for it.

        A token that is still good outlives failed refreshes; they are tried again with its remaining time in view.
        """
        self._refresh_at = time.time() + 1.0
        try:
            token = await self._refresh_shared()
        except SharedCacheError:
            token = await self._refresh_alone()
        if self._current is None or token.text != self._current.text:
            self._current = token
            self._refresh_at = refresh_at(token, jitter=random.random())  # noqa: S311 - spreads load, no secret
        return token

    async def _refresh_shared(self) -> Token:
        while True:
            entry = await self._cache.get(self._key)
            record = self._without_refused(TokenRecord.parse(entry.content if entry else None))
            now = time.time()
            token = record.token
            if token is not None and now < refresh_at(token, jitter=0):
                self._metrics.token_fetch("shared")
                return token
            if token is not None and now < token.expires_at and max(record.retry_at, record.lease_until) > now:
                return token
            record.raise_failure(now)
            if record.lease_until > now:
                await asyncio.sleep(_WAIT_FOR_LEASE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
                continue
            leased = replace(record, lease_until=now + LEASE_SECONDS)
            lease = await self._put(leased, entry)
            if lease is not None:
                return await self._log_in_for_all(leased, lease)

    async def _log_in_for_all(self, record: TokenRecord, lease: CacheEntry) -> Token:
        """Log in under the lease and share what comes of it. Nobody else writes while the lease lasts."""
        try:
            token = await self._log_in()
        except AttemptError as error:
            with contextlib.suppress(SharedCacheError):
                await self._put(record.failed(error, time.time()), lease)
            raise
        self._metrics.token_fetch("login")
        with contextlib.suppress(SharedCacheError):
            await self._put(record.succeeded(token), lease)
        return token

    async def _refresh_alone(self) -> Token:
        """Log in for this task only, while the shared cache is away."""
        self._alone = self._without_refused(self._alone)
        self._alone.raise_failure(time.time())
        try:
            token = await self._log_in()
        except AttemptError as error:
            self._alone = self._alone.failed(error, time.time())
            raise
        self._metrics.token_fetch("login")
        self._alone = self._alone.succeeded(token)
        return token

    def _without_refused(self, record: TokenRecord) -> TokenRecord:
        if record.token is None or record.token.text != self._refused:
            return record
        return record.refused(worked=self._worked == self._refused)

    async def _put(self, record: TokenRecord, entry: CacheEntry | None) -> CacheEntry | None:
        return await self._cache.put(
            self._key,
            record.dump(),
            expected=entry.version if entry else None,
            seconds=record.keep_seconds(time.time()),
        )


def _retrieve(task: "asyncio.Task[Token]") -> None:
    """Log a failed refresh once, here, also when nobody waits for it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("token_refresh_failed", problem=str(error), error=getattr(error, "name", type(error).__name__))
