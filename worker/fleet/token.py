"""The access token: one login for the fleet, refreshed before it ends, dropped only when it is the one refused."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.token_record import LoginAnswer, LoginFailed, Token, TokenRecord, refresh_at
from worker.ports import CacheEntry, Metrics, SharedCache

__all__ = ["LoginAnswer", "LoginFailed", "Token", "Tokens"]

LEASE_SECONDS = 15.0
"""How long one task may take to log in before another one tries: longer than the login's own time-out."""

_WAIT_FOR_LEASE_SECONDS = 0.15

log = structlog.get_logger()


class Tokens:
    """The fleet's access token as this task sees it."""

    def __init__(
        self,
        cache: SharedCache,
        key: str,
        log_in: Callable[[], Awaitable[LoginAnswer]],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._key = key
        self._log_in = log_in
        self._metrics = metrics
        self._clock = clock
        self._current: Token | None = None
        self._refresh_at = 0.0
        self._refused = ""
        self._worked = ""
        self._refreshing: asyncio.Task[LoginAnswer] | None = None
        self._alone = TokenRecord()

    async def get(self) -> LoginAnswer:
        """A token that has not expired, or why there is none; a thousand calls at once cause one login."""
        now = self._clock.time()
        if self._current is None or now >= self._current.expires_at:
            return await asyncio.shield(self._start_refresh())
        if now >= self._refresh_at:
            self._start_refresh()
        return self._current

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

    def _start_refresh(self) -> "asyncio.Task[LoginAnswer]":
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="token-refresh")
            self._refreshing.add_done_callback(_retrieve)
        return self._refreshing

    async def _refresh(self) -> LoginAnswer:
        """Take a newer token from the fleet, or log in for it.

        A token that is still good outlives failed refreshes; they are tried again with its remaining time in view.
        """
        self._refresh_at = self._clock.time() + 1.0
        try:
            token = await self._refresh_shared()
        except SharedCacheError:
            token = await self._refresh_alone()
        if isinstance(token, LoginFailed):
            log.warning("token_refresh_failed", error=token.error.name, detail=str(token.error))
        elif self._current is None or token.text != self._current.text:
            self._current = token
            self._refresh_at = refresh_at(token, jitter=self._clock.uniform(0, 1))
        return token

    async def _refresh_shared(self) -> LoginAnswer:
        while True:
            entry = await self._cache.get(self._key)
            record = self._without_refused(TokenRecord.parse(entry.content if entry else None))
            now = self._clock.time()
            token = record.token
            if token is not None and now < refresh_at(token, jitter=0):
                self._metrics.token_fetch("shared")
                return token
            if token is not None and now < token.expires_at and max(record.retry_at, record.lease_until) > now:
                return token
            if (failed := record.failure_until(now)) is not None:
                return failed
            if record.lease_until > now:
                await self._clock.sleep(_WAIT_FOR_LEASE_SECONDS * self._clock.uniform(0.5, 1.5))
                continue
            leased = replace(record, lease_until=now + LEASE_SECONDS)
            lease = await self._put(leased, entry)
            if lease is not None:
                return await self._log_in_for_all(leased, lease)

    async def _log_in_for_all(self, record: TokenRecord, lease: CacheEntry) -> LoginAnswer:
        """Log in under the lease and share what comes of it. Nobody else writes while the lease lasts."""
        token = await self._log_in()
        if isinstance(token, LoginFailed):
            with contextlib.suppress(SharedCacheError):
                await self._put(record.failed(token, self._clock.time()), lease)
            return token
        self._metrics.token_fetch("login")
        with contextlib.suppress(SharedCacheError):
            await self._put(record.succeeded(token), lease)
        return token

    async def _refresh_alone(self) -> LoginAnswer:
        """Log in for this task only, while the shared cache is away."""
        self._alone = self._without_refused(self._alone)
        if (failed := self._alone.failure_until(self._clock.time())) is not None:
            return failed
        token = await self._log_in()
        if isinstance(token, LoginFailed):
            self._alone = self._alone.failed(token, self._clock.time())
            return token
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
            seconds=record.keep_seconds(self._clock.time()),
        )


def _retrieve(task: "asyncio.Task[LoginAnswer]") -> None:
    """Log a fault of our own here, also when nobody waits for the refresh."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("token_refresh_failed", error=type(error).__name__)
