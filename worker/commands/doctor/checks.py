"""What `doctor` finds out, and how it asks AWS without changing anything."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from statistics import median
from typing import Any, Literal, TypeVar

from botocore.exceptions import ClientError

from worker.aws.clients import AWS_ERRORS, error_code

T = TypeVar("T")

Status = Literal["ok", "FAILED", "skipped"]

UNREACHED = "unreached"

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"})

_ACTIONS = {"HeadObject": "GetObject", "HeadBucket": "ListBucket"}
"""IAM actions that are not called as their operation is."""

_UNKNOWN_CREDENTIALS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "ExpiredToken",
        "ExpiredTokenException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
    }
)
_WRONG_SIGNATURE = frozenset(
    {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table."""

    name: str
    status: Status
    text: str
    fix: str = ""


def ok(name: str, text: str) -> Finding:
    """The check passed."""
    return Finding(name, "ok", text)


def failed(name: str, text: str, fix: str) -> Finding:
    """The service would not work like this; `fix` says what to do."""
    return Finding(name, "FAILED", text, fix)


def skipped(name: str, text: str) -> Finding:
    """It can't be told, and why."""
    return Finding(name, "skipped", text)


@dataclass(slots=True)
class Clock:
    """How far the clocks of others are ahead of ours, in seconds, by the Date headers of their answers."""

    offsets: dict[str, list[float]] = field(default_factory=dict)

    def sample(self, whose: str, date: str | None, asked: float, answered: float) -> None:
        """Take in one Date header; half a second is added for the fraction that it cuts off."""
        if date is None:
            return
        try:
            theirs = parsedate_to_datetime(date).timestamp() + 0.5
        except ValueError:
            return
        self.offsets.setdefault(whose, []).append(theirs - (asked + answered) / 2)

    def worst(self) -> tuple[str, float] | None:
        """Whose clock differs most from ours, and by how much."""
        offsets = [(whose, median(samples)) for whose, samples in self.offsets.items()]
        return max(offsets, key=lambda offset: abs(offset[1]), default=None)


class AwsCallError(Exception):
    """An AWS call that did not succeed: its error code, what that means, and what to do."""

    def __init__(self, code: str, text: str, fix: str) -> None:
        super().__init__(text)
        self.code = code
        self.fix = fix

    @property
    def reached(self) -> bool:
        """Whether the service answered at all."""
        return self.code != UNREACHED

    @property
    def denied(self) -> bool:
        """Whether IAM or a resource policy said no."""
        return self.code in DENIED


class Asker:
    """Makes calls for the checks, says what went wrong in words, and keeps an eye on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, client: Any, call: Awaitable[T]) -> T:
        """The call's answer. Raises AwsCallError."""
        asked = time.time()
        try:
            answer = await call
        except AWS_ERRORS as error:
            if isinstance(error, ClientError):
                self._look_at_clock(error.response, asked)
            raise _explained(error, client) from None
        self._look_at_clock(answer, asked)
        return answer

    def _look_at_clock(self, answer: Any, asked: float) -> None:
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        self._clock.sample("AWS", headers.get("date"), asked, time.time())

    async def permission(
        self, name: str, client: Any, call: Awaitable[object], harmless: frozenset[str], text: str = "allowed"
    ) -> Finding:
        """Whether a call that can't change anything is refused for what it asks, and not for who asks.

        `harmless` are the error codes of the first kind. AWS does not document which of the two it looks at first, so
        that "ok" means "not denied".
        """
        try:
            await self(client, call)
        except AwsCallError as error:
            if error.code not in harmless:
                return failed(name, str(error), error.fix)
        return ok(name, text)


def cannot_look(name: str, error: AwsCallError) -> Finding:
    """For a call that only `doctor` makes: to be denied it is no fault of the service's."""
    if error.denied:
        return skipped(name, f"not checked: {error}")
    return failed(name, str(error), error.fix)


def _explained(error: Exception, client: Any) -> AwsCallError:
    code = error_code(error)
    endpoint = client.meta.endpoint_url
    service = client.meta.service_model.signing_name
    if not isinstance(error, ClientError):
        return AwsCallError(
            UNREACHED,
            f"no answer from {endpoint} ({code})",
            "check AWS_ENDPOINT_URL and AWS_REGION, the name server, and that the network lets the task reach "
            f"{service} (security group, NAT or VPC endpoint)",
        )
    operation = error.operation_name.removesuffix("Batch")
    action = f"{service}:{_ACTIONS.get(operation, operation)}"
    fault = error.response.get("Error", {})
    if code in DENIED:
        return AwsCallError(code, f"{action} is denied to these credentials", f"allow {action} in the role's policy")
    if code in _UNKNOWN_CREDENTIALS:
        return AwsCallError(
            code, f"AWS does not accept the credentials ({code})", "renew them, or let the task role supply them"
        )
    if code in _WRONG_SIGNATURE:
        return AwsCallError(
            code,
            f"AWS does not accept the signature ({code})",
            "the secret access key is wrong, or the clock is: see the row `clock`",
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    outage = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return AwsCallError(
        code,
        f"{action} answered {code}: {fault.get('Message', '')}"[:300],
        "AWS has a fault or is busy: try again" if outage else "check that the setting names what it should",
    )
