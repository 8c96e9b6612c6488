"""What a million interactions cost, here and as two Lambda functions; all prices are parameters.

Defaults are public list prices in US dollars for us-east-1 without free tiers and savings plans. They age: pass your
own.
"""

from dataclasses import dataclass

_MILLION = 1_000_000
_SECONDS_A_MONTH = 730 * 3600


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars."""

    fargate_vcpu_hour: float = 0.04048
    fargate_gib_hour: float = 0.004445
    transition: float = 25 / _MILLION
    sqs_request: float = 0.40 / _MILLION
    dynamodb_write: float = 0.625 / _MILLION
    lambda_request: float = 0.20 / _MILLION
    lambda_gib_second: float = 0.0000166667


@dataclass(frozen=True, slots=True)
class Work:
    """What an interaction needs."""

    cpu_seconds: float
    """Of the service, as measured."""
    per_month: int = _MILLION
    vcpu: float = 0.25
    """Of the one task that runs at least."""
    gib: float = 0.5
    utilisation: float = 0.6
    """How busy tasks are kept before there is another one."""
    lambda_gib: float = 0.125
    lambda_seconds: float = 0.05 + 0.30
    """Billed for both functions together; waiting for Genesys Cloud is most of it."""
    idle_receives_a_month: float = 10 * _SECONDS_A_MONTH / 20
    """Long polls of ten receivers that bring nothing, at most."""


def service(work: Work, prices: Prices) -> dict[str, float]:
    """US dollars a million interactions, by service."""
    needed = work.cpu_seconds * work.per_month / work.utilisation / _SECONDS_A_MONTH
    vcpus = max(work.vcpu, needed)
    hours = 730 * vcpus
    month = {
        "Fargate": hours * (prices.fargate_vcpu_hour + work.gib / work.vcpu * prices.fargate_gib_hour),
        "Step Functions": work.per_month * prices.transition,
        # EventBridge's send, a tenth of a receive and of a delete, and what is received from an empty queue.
        "SQS": (1.2 * work.per_month + work.idle_receives_a_month) * prices.sqs_request,
        "DynamoDB": work.per_month * prices.dynamodb_write,
    }
    return _a_million(month, work)


def recipe(work: Work, prices: Prices) -> dict[str, float]:
    """The same for two Lambda functions: one starts the execution, the other does the work."""
    month = {
        "Lambda": work.per_month
        * (1.1 * prices.lambda_request + work.lambda_gib * work.lambda_seconds * prices.lambda_gib_second),
        "Step Functions": work.per_month * prices.transition,
        "SQS": 1.2 * work.per_month * prices.sqs_request,
        "DynamoDB": work.per_month * prices.dynamodb_write,
    }
    return _a_million(month, work)


def _a_million(month: dict[str, float], work: Work) -> dict[str, float]:
    scaled = {name: round(dollars / work.per_month * _MILLION, 2) for name, dollars in month.items()}
    return {**scaled, "total": round(sum(scaled.values()), 2)}
