"""The access token: one login for the fleet, refreshed before it expires, dropped only when it is the one refused."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.document import Snapshot
from worker.fleet.first_seen import FirstSeen
from worker.fleet.sealed import TokenDocument
from worker.fleet.token_record import (
    LONGEST_LIFE_SECONDS,
    LoginAnswer,
    LoginFailed,
    Token,
    TokenRecord,
    alone_at,
    refresh_at,
)
from worker.ports import Metrics

__all__ = ["LoginAnswer", "LoginFailed", "Token", "Tokens"]

LEASE_SECONDS = 15.0
"""How long one worker may take to log in before another one tries: longer than the login's own timeout."""

_WAIT_FOR_LEASE_SECONDS = 0.15
_RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Tokens:
    """The fleet's access token as this worker sees it."""

    def __init__(
        self,
        document: TokenDocument,
        log_in: Callable[[], Awaitable[LoginAnswer]],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._document = document
        self._log_in = log_in
        self._metrics = metrics
        self._clock = clock
        self._current: Token | None = None
        # Moments of Clock.monotonic, which a step of the clock does not change.
        self._expires_at = self._refresh_at = self._alone_at = -math.inf
        self._refused = ""
        self._worked = ""
        self._refreshing: asyncio.Task[LoginAnswer] | None = None
        self._alone = TokenRecord()
        self._lease = FirstSeen(clock)
        self._retry = FirstSeen(clock)
        self._expiry = FirstSeen(clock)
        self._alone_retry = FirstSeen(clock)

    async def get(self) -> LoginAnswer:
        """A token that has not expired, or why there is none; a thousand calls at once cause one login."""
        now = self._clock.monotonic()
        if self._current is None or now >= self._expires_at:
            return await asyncio.shield(self._start_refresh())
        if now >= self._refresh_at:
            self._start_refresh()
        return self._current

    def confirm(self, text: str) -> None:
        """Note that Genesys Cloud accepted the token of this text."""
        self._worked = text

    def discard(self, text: str) -> None:
        """Drop the token of this text, which Genesys Cloud refused; any other one stays."""
        if self._current is not None and self._current.text == text:
            self._current = None
            self._refused = text

    async def close(self) -> None:
        """Stop a refresh under way."""
        if self._refreshing is not None:
            await cancel_and_wait(self._refreshing)

    def _start_refresh(self) -> "asyncio.Task[LoginAnswer]":
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="token-refresh")
            self._refreshing.add_done_callback(_log_failure)
        return self._refreshing

    async def _refresh(self) -> LoginAnswer:
        """Take a newer token from the fleet, or log in for it.

        A token that is still good outlives failed refreshes; they are tried again with its remaining time in view.
        """
        self._refresh_at = self._clock.monotonic() + _RETRY_SECONDS
        try:
            answer = await self._refresh_shared()
        except SharedCacheError:
            if self._current is not None and self._clock.monotonic() < self._alone_at:
                return self._current
            answer = await self._refresh_alone()
        if isinstance(answer, Token) and (self._current is None or answer.text != self._current.text):
            self._adopt(answer)
        return answer

    def _adopt(self, token: Token) -> None:
        self._current = token
        since = self._clock.monotonic() - self._clock.time()
        self._expires_at = since + token.expires_at
        self._refresh_at = since + refresh_at(token, jitter=self._clock.uniform(0, 1))
        self._alone_at = since + alone_at(token)

    async def _refresh_shared(self) -> LoginAnswer:
        """A worker that finds no usable token tries to take the lease; the winner logs in, the others wait for it."""
        while True:
            seen = await self._document.read()
            written = self._without_refused(seen.value)
            record = self._bounded(written)
            now = self._clock.time()
            token = record.token
            if token is not None and now < refresh_at(token, jitter=0):
                self._metrics.token_fetch("shared")
                return token
            if token is not None and now < token.expires_at and max(record.retry_at, record.lease_until) > now:
                return token
            if (failure := record.failure_at(now)) is not None:
                return failure
            if record.lease_until > now:
                await self._clock.sleep(_WAIT_FOR_LEASE_SECONDS * self._clock.uniform(0.5, 1.5))
                continue
            lease = await self._replace(seen, replace(written, lease_until=now + LEASE_SECONDS))
            if lease is not None:
                return await self._log_in_for_all(lease)

    async def _log_in_for_all(self, lease: Snapshot[TokenRecord]) -> LoginAnswer:
        """Log in under the lease and share the answer. Nobody else writes while the lease lasts."""
        answer, record = await self._log_in_after(lease.value)
        with contextlib.suppress(SharedCacheError):
            await self._replace(lease, record)
        return answer

    async def _refresh_alone(self) -> LoginAnswer:
        """Log in for this worker only, while the shared cache is unavailable."""
        self._alone = self._without_refused(self._alone)
        retry_at = self._alone_retry.bounded(self._alone.retry_at, self._alone.longest_wait)
        self._alone = replace(self._alone, retry_at=retry_at)
        if (failure := self._alone.failure_at(self._clock.time())) is not None:
            return failure
        answer, self._alone = await self._log_in_after(self._alone)
        return answer

    async def _log_in_after(self, record: TokenRecord) -> tuple[LoginAnswer, TokenRecord]:
        """Log in; the answer, and the record after it."""
        answer = await self._log_in()
        if isinstance(answer, LoginFailed):
            return answer, record.failed(answer, self._clock.time(), jitter=self._clock.uniform(0, 1))
        self._metrics.token_fetch("login")
        return answer, record.succeeded(answer)

    def _bounded(self, record: TokenRecord) -> TokenRecord:
        """With no time that holds for longer than it has reason to, whatever the clock of the worker that wrote it."""
        token = record.token
        if token is not None:
            life = min(max(token.expires_at - token.minted_at, 0.0), LONGEST_LIFE_SECONDS)
            expires_at = self._expiry.bounded(token.expires_at, life)
            if self._current is not None and self._current.text == token.text:
                # Known for longer than this field of the document was looked at.
                expires_at = min(expires_at, self._clock.time() + self._expires_at - self._clock.monotonic())
            token = replace(token, minted_at=expires_at - life, expires_at=expires_at)
        return replace(
            record,
            token=token,
            lease_until=self._lease.bounded(record.lease_until, LEASE_SECONDS),
            retry_at=self._retry.bounded(record.retry_at, record.longest_wait),
        )

    def _without_refused(self, record: TokenRecord) -> TokenRecord:
        if record.token is None or record.token.text != self._refused:
            return record
        return record.refused(
            self._clock.time(), worked=self._worked == self._refused, jitter=self._clock.uniform(0, 1)
        )

    async def _replace(self, seen: Snapshot[TokenRecord], record: TokenRecord) -> Snapshot[TokenRecord] | None:
        return await self._document.replace(seen, record, seconds=record.keep_seconds(self._clock.time()))


def _log_failure(refresh: "asyncio.Task[LoginAnswer]") -> None:
    """Log a failed refresh once, here, also when nobody waits for it."""
    if refresh.cancelled():
        return
    if (error := refresh.exception()) is not None:
        log.error("token_refresh_failed", error=type(error).__name__)
    elif isinstance(answer := refresh.result(), LoginFailed):
        log.warning("token_refresh_failed", error=answer.error.name, detail=str(answer.error))
