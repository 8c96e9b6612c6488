"""One run: traffic, faults, kills, and then the account of every event."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chaos import accounting, plan, stack, traffic
from chaos.faults import Fault, FaultSource
from chaos.fleet import Fleet
from chaos.genesys import Genesys
from chaos.history import History
from chaos.orders import Rules
from chaos.proxy import Proxy
from chaos.steps import Steps
from worker.local.emulator import REGION
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options

HEARTBEAT_SECONDS = 6
WORKERS = 3
DELAY_SECONDS = 8
"""How long the event queue holds events back."""
RULES = Rules(lag=timedelta(seconds=4), final_wait=timedelta(seconds=45))
"""A twentieth of what production has, like the conversations' length."""
LOOK_SECONDS = 8
"""The first wait for a missing end, in the same proportion."""
ANALYTICS_LAG_SECONDS = 3.0
"""How late the simulator's details are: a second less than the workers expect."""
_SENDING_SHARE = 0.9
"""Sending ends a little before the faults do."""
_AT_ONCE = 10
"""Messages that SendMessageBatch takes."""


@dataclass(frozen=True, slots=True)
class Result:
    """All that a report needs."""

    seed: int
    seconds: float
    settle_seconds: float
    traffic: traffic.Traffic
    steps: Sequence[plan.Step]
    account: accounting.Account
    history: History
    injected: Mapping[tuple[str, Fault], int]
    ended: Mapping[str, int]
    drain_seconds: Sequence[float]
    genesys: Mapping[str, Any]
    peak_requests: int
    endless_answers: int
    clock_errors: Mapping[str, float]
    misled: Collection[str]
    """Interactions with which a worker had to do whose clock was hours wrong."""
    log: Sequence[Mapping[str, Any]]
    wrong: Sequence[str]


def _broken(history: History, fleet: Fleet) -> Iterator[str]:
    """What the proxy saw, and how the workers ended."""
    yield from history.violations
    yield from (f"a worker ended: {how}" for how in fleet.ended if how not in {"SIGKILL", "SIGTERM, exit 0"})


def _gates_that_stayed_open(log: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each plan has an outage of either that lasts until the workers must have noticed."""
    for dependency in ("genesys", "store"):
        if not any(line["event"] == "outage_began" and line["dependency"] == dependency for line in log):
            yield f"no worker noticed the outage of {dependency}"


async def run(
    seed: int, endpoints: stack.Endpoints, *, events: int, seconds: float, settle_seconds: float, folder: Path
) -> Result:
    """One run on running emulators; logs of the workers go to `folder`.

    After the faults it waits until every event has its end, as long as more have it than `settle_seconds` ago.
    """
    steps = plan.draw(seed, seconds)
    history, faults = History(RULES), FaultSource(seed)
    async with _opened(seed, endpoints, faults, history, folder) as (made, fleet, simulator):
        acting = Steps(fleet, faults, simulator, history, made.settings["INTERACTION_TABLE_NAME"])
        start = datetime.now(UTC)
        history.began = time.monotonic()
        made_up = traffic.make(events, seed, start, seconds * _SENDING_SHARE)
        simulator.tell(*made_up.conversations)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send(made, made_up.messages, start))
            for step in steps:
                group.create_task(acting.perform(step))
        faults.quiet = True
        faulty_ended = time.monotonic()
        expected = accounting.Expectation(RULES, simulator.seen, history.misled)
        account = await _settle(made, sending.result(), expected, settle_seconds)
        settled_after = time.monotonic() - faulty_ended
        unexpected = fleet.unexpected_ends()
        await asyncio.gather(*(fleet.terminate(name) for name in list(fleet.workers)))
    log = fleet.log_lines()
    wrong = [*account.wrong, *unexpected, *_broken(history, fleet), *_gates_that_stayed_open(log)]
    if not account.settled:
        wrong.append(f"not settled, and nothing moved for {settle_seconds:g} s")
    return Result(
        seed=seed,
        seconds=seconds,
        settle_seconds=settled_after,
        traffic=made_up,
        steps=steps,
        account=account,
        history=history,
        injected=faults.injected,
        ended=fleet.ended,
        drain_seconds=fleet.drain_seconds,
        genesys=simulator.stats.as_dict(),
        peak_requests=simulator.limiter.peak,
        endless_answers=simulator.endless,
        clock_errors=fleet.clock_errors,
        misled=history.misled,
        log=log,
        wrong=wrong,
    )


@asynccontextmanager
async def _opened(
    seed: int, endpoints: stack.Endpoints, faults: FaultSource, history: History, folder: Path
) -> AsyncIterator[tuple[stack.Stack, Fleet, Genesys]]:
    """Resources of the run's own, a simulator, and workers behind a proxy that `history` watches."""
    calm = FaultPlan(
        missing_prefix=traffic.MISSING_PREFIX,
        poison_prefix=traffic.POISON_PREFIX,
        slow_seconds=3.0,
        analytics_lag_seconds=ANALYTICS_LAG_SECONDS,
    )
    creating = stack.create(
        endpoints, heartbeat_seconds=HEARTBEAT_SECONDS, delay_seconds=DELAY_SECONDS, look_seconds=LOOK_SECONDS
    )
    async with (
        creating as made,
        Proxy(queues=endpoints.queues, tables=endpoints.tables, faults=faults, witness=history) as proxy,
        Genesys(Options(seed=seed, plan=calm)) as simulator,
    ):
        with Fleet(_environment(made, proxy, simulator), folder, seed) as fleet:
            for _ in range(WORKERS):
                await fleet.start()
            yield made, fleet, simulator


def _environment(made: stack.Stack, proxy: Proxy, simulator: Genesys) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": "chaos",
        "AWS_EC2_METADATA_DISABLED": "true",
        **made.settings,
        **simulator.environment,
        "EVENT_READER": "chaos.functions:read",
        "DETAILS_TRANSFORM": "chaos.functions:attributes",
        "GENESYS_BATCH_SIZE": "5",
        "MAX_CONCURRENCY": "15",
        "INTAKE_CONCURRENCY": "3",
        "HEARTBEAT_SECONDS": "2",
        "STATE_MACHINE_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
        "VISIBILITY_TIMEOUT_SECONDS": "10",
        "NOT_FOUND_AFTER_SECONDS": "10",
        "DETAILS_LAG_SECONDS": f"{RULES.lag.total_seconds():g}",
        "FINAL_WAIT_SECONDS": f"{RULES.final_wait.total_seconds():g}",
        "DRAIN_SECONDS": "15",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
    }


async def _send(made: stack.Stack, messages: Sequence[traffic.Sent], start: datetime) -> list[accounting.HandedOver]:
    """Hand over each message when it is due, and say when that was."""
    handed_over: list[accounting.HandedOver] = []
    while len(handed_over) < len(messages):
        due = start + timedelta(seconds=messages[len(handed_over)].due)
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        at = datetime.now(UTC)
        passed = (at - start).total_seconds()
        some = messages[len(handed_over) : len(handed_over) + _AT_ONCE]
        batch = [message for message in some if message.due <= passed]
        answer = await made.clients.sqs.send_message_batch(
            QueueUrl=made.settings["EVENT_QUEUE_URL"],
            Entries=[{"Id": str(n), "MessageBody": message.body} for n, message in enumerate(batch)],
        )
        assert len(answer["Successful"]) == len(batch)
        handed_over += [accounting.HandedOver(message, at) for message in batch]
    return handed_over


async def _settle(
    made: stack.Stack, sent: Sequence[accounting.HandedOver], expected: accounting.Expectation, seconds: float
) -> accounting.Account:
    """The account once every event has its end, or what it is when for so long none came to an end."""
    moved, last = time.monotonic(), -1
    letters = accounting.Letters()
    while True:
        account = accounting.account(sent, await accounting.look(made, letters), expected)
        if account.settled or time.monotonic() - moved > seconds:
            return account
        if (ended := account.count(*accounting.SETTLED) - len(account.found.running())) != last:
            moved, last = time.monotonic(), ended
        await asyncio.sleep(2)
