"""What became of one request for details: one value of a closed set, and the rules that make it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from worker.errors import AttemptError, InteractionUnavailable, Invalid, NotReady, Unauthorized
from worker.ports import Details

_ADDRESS_REFUSED = "ip.not.authorized"
"""The code of the 401 that no new token cures."""

_SUSPECTS: dict[int, type[AttemptError]] = {
    HTTPStatus.NOT_FOUND: NotReady,
    HTTPStatus.REQUEST_TIMEOUT: InteractionUnavailable,
    HTTPStatus.FORBIDDEN: InteractionUnavailable,
}
"""What a status says of a single id, where its class does not (4xx: Invalid; any other: InteractionUnavailable)."""

_FORBIDDEN = "it may be of a division that the OAuth client may not see: check the divisions of the client's roles"

_DATE_SECONDS = 1.0
"""The `Date` header has whole seconds, so the answer is at most this much younger than it says."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Genesys Cloud answered: with details, or what is wrong with them, for each id that was asked for."""

    results: Mapping[str, Details | AttemptError]


@dataclass(frozen=True, slots=True)
class Throttled:
    """A 429: nobody who shares the OAuth client should ask again for `pause_seconds`."""

    pause_seconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """A 401 that a new token may cure."""

    detail: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused, whichever ids are asked for and with whichever token."""

    error: AttemptError
    status: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """The request failed, and one of its ids may be the reason: bisecting the batch finds out."""

    error: AttemptError
    """What it means for an id that was asked for alone."""
    status: int | None
    """The HTTP status; None when no whole answer came: a timeout, or a connection that broke."""

    @property
    def is_refusal(self) -> bool:
        """Whether it may be the OAuth client that is refused, and not the ids."""
        return self.status == HTTPStatus.FORBIDDEN


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There was no connection, so nothing was asked."""

    error: AttemptError


Answer = Answered | Throttled | TokenRefused | Refused | Suspect | Unreachable


def judge_failure(status: int, code: str, detail: str, pause_seconds: float) -> Answer:
    """What an answer other than 200 means.

    `code` is Genesys Cloud's name for the error, `detail` the text that reports carry, and `pause_seconds` what
    `Retry-After` asks for, which only counts for a 429.
    """
    match status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(pause_seconds, detail)
        case HTTPStatus.UNAUTHORIZED if code != _ADDRESS_REFUSED:
            return TokenRefused(detail)
        case HTTPStatus.UNAUTHORIZED:
            fix = "check the organisation's list of allowed addresses"
            return Refused(Unauthorized(f"{detail}: {fix}"), status)
        case HTTPStatus.FORBIDDEN:
            return Suspect(InteractionUnavailable(f"{detail}: {_FORBIDDEN}"), status)
        case _:
            by_class = Invalid if HTTPStatus(400) <= status < HTTPStatus(500) else InteractionUnavailable
            return Suspect(_SUSPECTS.get(status, by_class)(detail), status)


def asked_at(sent_at: float, date: str | None) -> datetime:
    """When the details of an answer were asked for, as far as one may rely on it.

    `sent_at` is our clock when the request was sent (seconds since the epoch), `date` the answer's `Date` header. A
    clock of ours that is ahead must not make details look younger than they are, so the server's clock bounds it.
    """
    try:
        answered_at = parsedate_to_datetime(date or "").replace(tzinfo=UTC).timestamp()  # HTTP dates are always GMT
    except (ValueError, OverflowError):  # missing or malformed: our clock alone counts
        answered_at = sent_at
    return datetime.fromtimestamp(min(sent_at, answered_at + _DATE_SECONDS), UTC)
