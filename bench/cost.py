"""What conversations cost a month, here and as two Lambda functions. `python -m bench.cost_tables` prints it.

Prices, sizes and tasks are parameters. The prices are public list prices of us-east-1, without free tiers and savings
plans: examples to replace.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from bench.cost_model import Counts
from bench.rig import ROOT

FIGURES = ROOT / "docs" / "benchmarks" / "speed.json"

_MILLION = 1_000_000
_HOURS = 730
"""In a month."""

OVER_THE_RATE_LIMIT = "over the rate limit"
OVER_THE_QUOTA = "over the quota"


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, each from the service's own page under aws.amazon.com/…/pricing."""

    fargate_vcpu_hour: float = 0.03238
    """AWS Fargate pricing: Linux on ARM."""
    fargate_gb_hour: float = 0.00356
    """AWS Fargate pricing: Linux on ARM."""
    nat_gateway_hour: float = 0.045
    """Amazon VPC pricing: NAT gateway."""
    event: float = 1.00 / _MILLION
    """Amazon EventBridge pricing: custom events; partner events likewise."""
    transition: float = 25 / _MILLION
    """AWS Step Functions pricing: Standard workflows."""
    sqs_request: float = 0.40 / _MILLION
    """Amazon SQS pricing: standard queues."""
    write_unit: float = 0.625 / _MILLION
    """Amazon DynamoDB pricing, on demand: for each KB of the whole item."""
    read_unit: float = 0.125 / _MILLION
    """Amazon DynamoDB pricing, on demand: for each 4 KB of the whole item, half of it when eventually consistent."""
    lambda_request: float = 0.20 / _MILLION
    """AWS Lambda pricing."""
    lambda_gb_second: float = 0.0000166667
    """AWS Lambda pricing: x86."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What runs, and how it is limited."""

    message_cpu_seconds: float
    """Of the service for each message received, as measured."""
    attempt_cpu_seconds: float
    """Of the service for each attempt, as measured."""
    item_kb: float = 1.0
    messages_per_receive: float = 1.0
    """Under little load a receive, and a delete, carries one; ten at most."""
    tasks: int = 2
    """That run at least, the Terraform module's default; as many more as the CPU needs."""
    task_vcpu: float = 0.5
    task_gb: float = 1.0
    utilisation: float = 0.6
    """How busy tasks are kept before there is another one."""
    nat_gateways: int = 0
    """Paid for this service alone."""
    receivers: int = 10
    """Of each task; each long poll of an empty queue is one request in 20 s."""
    lambda_gb: float = 0.125
    lambda_seconds: float = 0.05 + 0.30
    """Billed for both functions together; waiting for Genesys Cloud is most of it."""
    lambda_requests: float = 1.1
    """For each event: the function that starts takes ten messages at a time, the other one is called once."""
    requests_per_minute: int = 300
    """Genesys Cloud's limit for one token."""
    ids_per_request: int = 100
    executions_per_second: int = 300
    """StartExecution's quota in the large regions, sustained."""

    @property
    def requests_per_month(self) -> int:
        return self.requests_per_minute * 60 * _HOURS


def measured(figures: dict[str, Any] | None = None) -> Setup:
    """The CPU that the benchmark measured (in `figures`, or those that are kept), and else the defaults.

    A message costs what the queue half costs with its StartExecution, as a stand-in: neither the lookup nor the write
    of a covered event has a measurement of its own.
    """
    peers = (figures or json.loads(FIGURES.read_text()))["peers"]["figures"]
    half = {name: peers[name][f"service, {name}"]["cpu_ms"]["median"] / 1000 for name in ("queue", "activity")}
    return Setup(message_cpu_seconds=half["queue"], attempt_cpu_seconds=half["activity"])


def service(one: Counts, conversations: float, setup: Setup, prices: Prices) -> dict[str, float]:
    """US dollars a month of this service, for so many conversations that need what `one` needs."""
    cpu_seconds = one.receives * setup.message_cpu_seconds + one.attempts * setup.attempt_cpu_seconds
    needed = conversations * cpu_seconds / setup.utilisation / 3600 / _HOURS
    tasks = max(setup.tasks, math.ceil(needed / setup.task_vcpu))
    task_hour = setup.task_vcpu * prices.fargate_vcpu_hour + setup.task_gb * prices.fargate_gb_hour
    idle = setup.tasks * setup.receivers * 3600 * _HOURS / 20
    messages = one.events + (one.receives + one.events + one.hides) / setup.messages_per_receive
    writes = one.writes * math.ceil(setup.item_kb) * prices.write_unit
    reads = one.reads * math.ceil(setup.item_kb / 4) / 2 * prices.read_unit
    return {
        "EventBridge": conversations * one.events * prices.event,
        "SQS": (conversations * messages + idle) * prices.sqs_request,
        "Step Functions": conversations * one.attempts * prices.transition,
        "DynamoDB": conversations * (writes + reads),
        "compute": _HOURS * (tasks * task_hour + setup.nat_gateways * prices.nat_gateway_hour),
    }


def recipe(events: int, conversations: float, setup: Setup, prices: Prices) -> dict[str, float]:
    """US dollars a month of two Lambda functions: one starts an execution for each event, the other does its work."""
    total = conversations * events
    work = setup.lambda_requests * prices.lambda_request
    return {
        "EventBridge": total * prices.event,
        "SQS": total * (1 + 2 / setup.messages_per_receive) * prices.sqs_request,
        "Step Functions": total * prices.transition,
        "DynamoDB": total * math.ceil(setup.item_kb) * prices.write_unit,
        "compute": total * (work + setup.lambda_gb * setup.lambda_seconds * prices.lambda_gb_second),
    }


def requests(ids: float, setup: Setup) -> float:
    """To Genesys Cloud in a month, at most: only under load do ids wait for each other and share a request."""
    return min(ids, setup.requests_per_month)


def refused(ids: float, executions: float, setup: Setup) -> str:
    """What does not let so much through in a month; empty when nothing is in the way."""
    if ids > setup.requests_per_month * setup.ids_per_request:
        return OVER_THE_RATE_LIMIT
    if executions > setup.executions_per_second * 3600 * _HOURS:
        return OVER_THE_QUOTA
    return ""


def break_even(one: Counts, setup: Setup, prices: Prices) -> float | None:
    """Conversations a month from which on the recipe is dearer; None: it never is, at any volume of the least tasks."""

    def difference(conversations: float) -> float:
        theirs = recipe(one.events, conversations, setup, prices)
        return sum(service(one, conversations, setup, prices).values()) - sum(theirs.values())

    saved = difference(0) - difference(1)
    return difference(0) / saved if saved > 0 else None
