"""What the fleet keeps about its access token, as one small document in the shared cache."""

import json
import random
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from worker.errors import AttemptError, RateLimited, Unauthorized, Unavailable

LONGEST_BACKOFF_SECONDS = 60.0

_MARGIN_SECONDS = 60.0
_MARGIN_SHARE = 0.3
_JITTER_SHARE = 0.2

_FAILURES: dict[str, type[AttemptError]] = {error.name: error for error in (Unauthorized, Unavailable)}


_PAUSED = "PausedError"
"""The failure that stands for a login that was answered 429; the name is what 0.1.0 writes."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when it ends (seconds since the epoch)."""

    text: str = field(repr=False)
    minted_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """There is no access token, for this reason."""

    error: AttemptError
    pause_seconds: float | None
    """After a 429: for how long nobody who shares the OAuth client should ask again."""


LoginAnswer = Token | LoginFailed


def refresh_at(token: Token, *, jitter: float) -> float:
    """When to fetch the next token: the smaller of 60 s and 30 % of its life before its end.

    `jitter` (0 to 1) puts a task off by up to a fifth of that, so that one task is the first.
    """
    margin = min(_MARGIN_SECONDS, _MARGIN_SHARE * (token.expires_at - token.minted_at))
    return token.expires_at - margin * (1 - _JITTER_SHARE * jitter)


def backoff(failures: int) -> float:
    """Seconds until the next login after so many failed ones in a row (1 or more): 1, 2, 4, … 60, a quarter jitter."""
    return float(min(2.0 ** min(failures - 1, 10), LONGEST_BACKOFF_SECONDS)) * random.uniform(0.75, 1)  # noqa: S311


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """Times are seconds since the epoch."""

    token: Token | None = None
    lease_until: float = 0.0
    """Until then one task is logging in and the others wait for it."""
    failures: int = 0
    retry_at: float = 0.0
    failure: str = ""
    problem: str = ""
    stillborn: int = 0
    """Tokens in a row that were refused before they worked."""

    @classmethod
    def parse(cls, content: str | None) -> "TokenRecord":
        """The record in the cache; what is no such record counts as none."""
        if content is None:
            return cls()
        try:
            fields: dict[str, Any] = json.loads(content)
            token = fields.pop("token")
            return cls(token=Token(**token) if token else None, **fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def dump(self) -> str:
        """The record as it goes into the cache; it holds the token."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def keep_seconds(self, now: float) -> float:
        """How long the record is of use."""
        end = max(self.token.expires_at if self.token else 0.0, self.lease_until, self.retry_at)
        return max(end - now, 0.0) + 10 * LONGEST_BACKOFF_SECONDS

    def failure_until(self, now: float) -> LoginFailed | None:
        """What the last login failed with; None when it is time for another one."""
        if now >= self.retry_at:
            return None
        if self.failure == _PAUSED:
            return LoginFailed(RateLimited(self.problem), self.retry_at - now)
        return LoginFailed(_FAILURES.get(self.failure, Unavailable)(self.problem), None)

    def failed(self, failed: LoginFailed, now: float) -> "TokenRecord":
        """After a failed login: everybody waits, longer each time."""
        seconds = backoff(self.failures + 1) if failed.pause_seconds is None else failed.pause_seconds
        return replace(
            self,
            lease_until=0.0,
            failures=self.failures + 1,
            retry_at=now + seconds,
            failure=failed.error.name if failed.pause_seconds is None else _PAUSED,
            problem=str(failed.error),
        )

    def succeeded(self, token: Token) -> "TokenRecord":
        """After a login."""
        return TokenRecord(token=token, stillborn=self.stillborn)

    def refused(self, *, worked: bool) -> "TokenRecord":
        """After Genesys Cloud refused the token.

        A token that was refused before it ever `worked` says that a new one does not help. One may have been revoked
        between its login and its first use; after the second in a row logins slow down, because minting tokens without
        end can get the OAuth client disabled.
        """
        if self.token is None or worked:
            return replace(self, token=None, stillborn=0)
        stillborn = self.stillborn + 1
        if stillborn < 2:  # noqa: PLR2004
            return replace(self, token=None, stillborn=stillborn)
        return replace(
            self,
            token=None,
            stillborn=stillborn,
            retry_at=self.token.minted_at + backoff(stillborn),
            failure=Unauthorized.name,
            problem="Genesys Cloud refuses every fresh token; check the OAuth client and its roles",
        )
