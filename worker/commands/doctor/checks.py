"""What `doctor` finds, and how it says what went wrong."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from statistics import median
from typing import Literal

from worker.aws.errors import Kind
from worker.aws.inspection import CallFailedError

Status = Literal["ok", "FAILED", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table."""

    name: str
    status: Status
    text: str
    fix: str = ""
    tried: bool = False
    """A permission, told by trying it."""
    denied: bool = False
    """These credentials may not make the call."""


def ok(name: str, text: str) -> Finding:
    """The check passed."""
    return Finding(name, "ok", text)


def failed(name: str, text: str, fix: str) -> Finding:
    """The service would not work like this; `fix` says what to do."""
    return Finding(name, "FAILED", text, fix)


def skipped(name: str, text: str) -> Finding:
    """It cannot be told, and why."""
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


async def permission(name: str, call: Awaitable[object]) -> Finding:
    """Whether one of the inspection's tries is allowed."""
    try:
        await call
    except CallFailedError as error:
        return replace(failed(name, *explain(error)), tried=True, denied=error.kind is Kind.DENIED)
    return replace(ok(name, "allowed"), tried=True)


def cannot_look(name: str, error: CallFailedError) -> Finding:
    """For a call that only `doctor` makes: to be denied it is no fault of the service's."""
    text, fix = explain(error)
    if error.kind is Kind.DENIED:
        return replace(skipped(name, f"not checked: {text}"), denied=True)
    return failed(name, text, fix)


OPERATORS_MAY_TOO = frozenset({"states:StartExecution", "states:DescribeExecution"})
"""Tries that an operator's policy may allow as well as the worker's."""


def excuse_operators(findings: Sequence[Finding]) -> list[Finding]:
    """Without the permissions that these credentials are not meant to have: those of somebody who is not the worker.

    Who may look at the resources and is denied all that only the worker does has an operator's policy. A role of the
    worker that lacks something has the rest.
    """
    sees = any(finding.status == "ok" and not finding.tried for finding in findings)
    own = [finding for finding in findings if finding.tried and finding.name not in OPERATORS_MAY_TOO]
    if not (sees and own and all(finding.denied for finding in own)):
        return list(findings)
    text = "not checked: these credentials are an operator's; run doctor with the task's role to check the worker's"
    return [skipped(finding.name, text) if finding.tried and finding.denied else finding for finding in findings]


def explain(error: CallFailedError) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if error.status is None:
        fix = (
            "check AWS_ENDPOINT_URL and AWS_REGION, the name server, and that the network lets the worker reach "
            f"{error.service} (security group, NAT or VPC endpoint)"
        )
        return f"no answer from {error.endpoint} ({error.code})", fix
    match error.kind:
        case Kind.DENIED:
            return f"{error.action} is denied to these credentials", f"allow {error.action} in the role's policy"
        case Kind.UNKNOWN_CREDENTIALS:
            text = f"AWS does not accept the credentials ({error.code})"
            return text, "renew them, or let the ECS task role supply them"
        case Kind.WRONG_SIGNATURE:
            text = f"AWS does not accept the signature ({error.code})"
            return text, "the secret access key is wrong, or the clock is: see the row `clock`"
    outage = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.kind is Kind.THROTTLED
    return (
        f"{error.action} answered {error.code}: {error}"[:300],
        "AWS has a fault or is busy: try again" if outage else "check that the setting names what it should",
    )
