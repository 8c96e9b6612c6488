"""What conversations cost a month, here and as two Lambda functions. `python -m bench.cost_tables` prints it.

Prices, sizes and tasks are parameters. The prices are public list prices of us-east-1, without free tiers and savings
plans: examples to replace (`--prices FILE`).
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
_SECONDS = _HOURS * 3600
_KB_IN_GB = 1_000_000

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
    nat_gb: float = 0.045
    """Amazon VPC pricing: NAT gateway, data processed, in either direction."""
    log_gb: float = 0.50
    """Amazon CloudWatch pricing: logs collected, standard class."""
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
    task_vcpu: float = 0.25
    """The Terraform module's default: at 2 ms each, it has the CPU for 120 interactions per second."""
    task_gb: float = 0.5
    """The same: Fargate's least, and four times what the benchmark measures with 1,000 slots."""
    utilisation: float = 0.6
    """How busy tasks are kept before there is another one."""
    nat_gateways: int = 1
    """Paid for this service alone; 0 where one is there anyway."""
    receivers: int = 10
    """Of each task; each long poll of an empty queue is one request in 20 s."""
    slots: int = 100
    """Of each task; each long poll for a task is one call in 60 s, which AWS does not bill and a NAT gateway does."""
    gate_reads_per_second: float = 1.0
    """Of each task: whether the fleet may ask. One of the shared cache's documents, read consistently."""
    cache_reads_per_request: float = 1.0
    """To Genesys Cloud, of the ledger; each worker also reads it every 15 s (ADR 0020)."""
    cache_writes_per_request: float = 0.5
    """Of the ledger, as counted with four busy workers (ADR 0020)."""
    attempt_log_kb: float = 0.6
    """One line, as measured, with the 26 bytes that CloudWatch adds."""
    receive_log_kb: float = 0.16
    """One line for each batch of messages, the same."""
    call_kb: float = 3.0
    """Of an AWS call and its answer beside the body: the signature and a role's session token are most of it."""
    details_kb: float = 5.0
    """Of a conversation's details, compressed as Genesys Cloud sends them: an estimate."""
    lambda_gb: float = 0.125
    lambda_seconds: float = 0.05 + 0.30
    """Billed for both functions together; waiting for Genesys Cloud is most of it."""
    lambda_requests: float = 2.0
    """For each event: under little load the function that starts takes one message at a time, as the receive does."""
    lambda_log_kb: float = 0.4
    """Of each call: Lambda's own lines START, END and REPORT."""
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
    tasks = tasks_needed(one, conversations, setup)
    task_hour = setup.task_vcpu * prices.fargate_vcpu_hour + setup.task_gb * prices.fargate_gb_hour
    idle_receives = setup.tasks * setup.receivers * _SECONDS / 20
    messages = (one.receives + one.events + one.hides) / setup.messages_per_receive
    log_kb = one.attempts * setup.attempt_log_kb + one.receives * setup.receive_log_kb
    return {
        "EventBridge": conversations * one.events * prices.event,
        "SQS": (conversations * (one.events + messages) + idle_receives) * prices.sqs_request,
        "Step Functions": conversations * one.attempts * prices.transition,
        "DynamoDB": _dynamodb(one, conversations, tasks, setup, prices),
        "compute": _HOURS * tasks * task_hour,
        "NAT": _HOURS * setup.nat_gateways * prices.nat_gateway_hour
        + _gb_out_of_the_vpc(one, conversations, tasks, setup) * prices.nat_gb,
        "logs": conversations * log_kb / _KB_IN_GB * prices.log_gb,
    }


def tasks_needed(one: Counts, conversations: float, setup: Setup) -> int:
    """The least tasks, or as many as the CPU needs."""
    cpu_seconds = one.receives * setup.message_cpu_seconds + one.attempts * setup.attempt_cpu_seconds
    needed = conversations * cpu_seconds / setup.utilisation / _SECONDS
    return max(setup.tasks, math.ceil(needed / setup.task_vcpu))


def _dynamodb(one: Counts, conversations: float, tasks: int, setup: Setup, prices: Prices) -> float:
    """Items, lookups included, and the shared cache: its documents are below 1 KB each, and read consistently."""
    writes = one.writes * math.ceil(setup.item_kb) * prices.write_unit
    reads = one.reads * math.ceil(setup.item_kb / 4) / 2 * prices.read_unit
    asked = requests(one.attempts * conversations, setup)
    cache_reads = asked * setup.cache_reads_per_request + tasks * _SECONDS * (setup.gate_reads_per_second + 1 / 15)
    cache_writes = asked * setup.cache_writes_per_request
    return conversations * (writes + reads) + cache_reads * prices.read_unit + cache_writes * prices.write_unit


def _gb_out_of_the_vpc(one: Counts, conversations: float, tasks: int, setup: Setup) -> float:
    """What a NAT gateway processes: every call of the worker, and what Genesys Cloud answers."""
    lookups_and_writes = one.reads + one.writes
    each = (2 * one.receives + lookups_and_writes + 3 * one.attempts) * setup.call_kb + one.attempts * setup.details_kb
    polls = tasks * _SECONDS * (setup.slots / 60 + setup.receivers / 20 + setup.gate_reads_per_second)
    return (conversations * each + polls * setup.call_kb) / _KB_IN_GB


def recipe(events: int, conversations: float, setup: Setup, prices: Prices) -> dict[str, float]:
    """US dollars a month of two Lambda functions: one starts an execution for each event, the other does its work.

    They run outside a VPC, so that they need no NAT gateway.
    """
    total = conversations * events
    work = setup.lambda_requests * prices.lambda_request
    return {
        "EventBridge": total * prices.event,
        "SQS": total * (1 + 2 / setup.messages_per_receive) * prices.sqs_request,
        "Step Functions": total * prices.transition,
        "DynamoDB": total * math.ceil(setup.item_kb) * prices.write_unit,
        "compute": total * (work + setup.lambda_gb * setup.lambda_seconds * prices.lambda_gb_second),
        "NAT": 0.0,
        "logs": total * setup.lambda_requests * setup.lambda_log_kb / _KB_IN_GB * prices.log_gb,
    }


def requests(ids: float, setup: Setup) -> float:
    """To Genesys Cloud in a month, at most: only under load do ids wait for each other and share a request."""
    return min(ids, setup.requests_per_month)


def refused(ids: float, executions: float, setup: Setup) -> str:
    """What does not let so much through in a month, by the mean over it; empty when nothing is in the way."""
    if ids > setup.requests_per_month * setup.ids_per_request:
        return OVER_THE_RATE_LIMIT
    if executions > setup.executions_per_second * _SECONDS:
        return OVER_THE_QUOTA
    return ""


def break_even(one: Counts, setup: Setup, prices: Prices) -> float | None:
    """Conversations a month from which on the recipe is dearer; None: it never is, at any volume of the least tasks."""

    def difference(conversations: float) -> float:
        theirs = recipe(one.events, conversations, setup, prices)
        return sum(service(one, conversations, setup, prices).values()) - sum(theirs.values())

    saved = difference(0) - difference(1)
    return difference(0) / saved if saved > 0 else None
