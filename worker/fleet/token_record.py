"""What the fleet knows of its access token: one small document in the shared cache, and the values in it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from worker.errors import AttemptError, RateLimited, Unauthorized, Unavailable
from worker.fleet.document import finite
from worker.fleet.ledger import LONGEST_PAUSE_SECONDS

LONGEST_BACKOFF_SECONDS = 60.0

LONGEST_LIFE_SECONDS = 48 * 3600.0
"""The longest that an OAuth client can be set to let its tokens live, in Genesys Cloud's documentation."""

_ROUNDING = 1e-3

_MARGIN_SECONDS = 60.0
_MARGIN_SHARE = 0.3
_JITTER_SHARE = 0.2
_BACKOFF_JITTER_SHARE = 0.25

_MOST_FAILURES = 10**9
"""More than there can be; the number only grows the backoff, which has a limit."""

_PAUSED = "PausedError"
"""What the record says for a login that was answered with 429: the name of a class of 0.1.0, which reads it too."""

_FAILURES: dict[str, type[AttemptError]] = {error.name: error for error in (Unauthorized, Unavailable)}


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and its life (seconds since the epoch)."""

    text: str = field(repr=False)
    minted_at: float
    expires_at: float

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Token":
        """As document.Content."""
        token = cls(_text(fields["text"]), _number(fields["minted_at"]), _number(fields["expires_at"]))
        if not 0 <= token.expires_at - token.minted_at <= LONGEST_LIFE_SECONDS + _ROUNDING:
            raise ValueError("a token of the shared cache lives longer than any, or ends before it begins")
        return token


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """A login that brought no token."""

    error: AttemptError
    """What it means for an attempt; its text says what to look at."""
    pause_seconds: float | None = None
    """After a 429: for how long nobody who shares the OAuth client should ask again."""


LoginAnswer = Token | LoginFailed


def refresh_at(token: Token, *, jitter: float) -> float:
    """When to fetch the next token: the smaller of 60 s and 30 % of its life before it expires.

    `jitter` (0 to 1) puts a worker off by up to a fifth of that, so that one worker is the first.
    """
    margin = min(_MARGIN_SECONDS, _MARGIN_SHARE * (token.expires_at - token.minted_at))
    return token.expires_at - margin * (1 - _JITTER_SHARE * jitter)


def alone_at(token: Token) -> float:
    """When a worker without the shared cache logs in for its next token: half of that time later.

    So a shared cache that is unavailable for a moment does not cost a login for each worker.
    """
    return (refresh_at(token, jitter=0) + token.expires_at) / 2


def backoff(failures: int, *, jitter: float) -> float:
    """Seconds until the next login after so many failed ones in a row (1 or more): 1, 2, 4, … 60.

    `jitter` (0 to 1) shortens them by up to a quarter.
    """
    return min(2.0 ** min(failures - 1, 10), LONGEST_BACKOFF_SECONDS) * (1 - _BACKOFF_JITTER_SHARE * jitter)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """Times are seconds since the epoch. 0.1.0 has the same fields, and reads a record with one more as empty."""

    token: Token | None = None
    lease_until: float = 0.0
    """Until then one worker is logging in and the others wait for it."""
    failures: int = 0
    retry_at: float = 0.0
    failure: str = ""
    """The name of the error that the last login failed with."""
    problem: str = ""
    """The text of that error."""
    stillborn: int = 0
    """Tokens in a row that were refused before they worked."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "TokenRecord":
        """As document.Content."""
        token = fields["token"]
        return cls(
            token=None if token is None else Token.from_fields(token),
            lease_until=_number(fields.get("lease_until", 0.0)),
            failures=_count(fields.get("failures", 0)),
            retry_at=_number(fields.get("retry_at", 0.0)),
            failure=_text(fields.get("failure", "")),
            problem=_text(fields.get("problem", "")),
            stillborn=_count(fields.get("stillborn", 0)),
        )

    def to_fields(self) -> dict[str, Any]:
        """As document.Content; with the token, so never to be logged."""
        return asdict(self)

    def keep_seconds(self, now: float) -> float:
        """How long the record is of use: never longer than the longest life, whatever the clocks say."""
        end = max(self.token.expires_at if self.token else 0.0, self.lease_until, self.retry_at)
        return min(max(end - now, 0.0), LONGEST_LIFE_SECONDS) + 10 * LONGEST_BACKOFF_SECONDS

    def failure_at(self, now: float) -> LoginFailed | None:
        """What the last login failed with; None when it is time for another one."""
        if now >= self.retry_at:
            return None
        if self.failure == _PAUSED:
            return LoginFailed(RateLimited(self.problem), self.retry_at - now)
        return LoginFailed(_FAILURES.get(self.failure, Unavailable)(self.problem))

    def failed(self, failure: LoginFailed, now: float, *, jitter: float) -> "TokenRecord":
        """After a failed login: everybody waits, longer each time, or as long as the answer says."""
        failures = self.failures + 1
        pause = failure.pause_seconds
        return replace(
            self,
            lease_until=0.0,
            failures=failures,
            retry_at=now + (backoff(failures, jitter=jitter) if pause is None else pause),
            failure=failure.error.name if pause is None else _PAUSED,
            problem=str(failure.error),
        )

    def succeeded(self, token: Token) -> "TokenRecord":
        """After a login."""
        return TokenRecord(token=token, stillborn=self.stillborn)

    @property
    def longest_wait(self) -> float:
        """For how many seconds `retry_at` may hold at most."""
        return LONGEST_PAUSE_SECONDS if self.failure == _PAUSED else LONGEST_BACKOFF_SECONDS

    def refused(self, now: float, *, worked: bool, jitter: float) -> "TokenRecord":
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
            retry_at=min(self.token.minted_at, now) + backoff(stillborn, jitter=jitter),
            failure=Unauthorized.name,
            problem="Genesys Cloud refuses every fresh token; check the OAuth client and its roles",
        )


def _number(value: Any) -> float:
    """As document.finite, of a number alone."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return finite(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_FAILURES:
        raise TypeError("not a number of times")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
