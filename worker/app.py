"""The composition root, the only file that knows everything: settings in, a running service out."""

import argparse
import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import structlog
import uvloop

from worker import __version__
from worker.attempt import Process
from worker.aws.activity import StepFunctionsActivity
from worker.aws.archive import ArchivingStore
from worker.aws.clients import Clients, new_session, open_clients, require_credentials
from worker.aws.ecs_agent import EcsAgent
from worker.aws.executions import StepFunctionsStateMachine
from worker.aws.probes import probe_activity, probe_queue, probe_state_machine, probe_table
from worker.aws.queue import SqsEventQueue
from worker.aws.records import DynamoDbStore
from worker.events import read_detail
from worker.extensions.event_reader import open_reader
from worker.extensions.transform import TransformedDetails, load_transform
from worker.fleet.shared_cache import open_shared_cache
from worker.genesys.service import open_details
from worker.ports import Store
from worker.runtime import backlog
from worker.runtime.health import Readiness, Watchdog
from worker.runtime.intake import Intake
from worker.runtime.lifecycle import Lifecycle
from worker.runtime.protection import ScaleInProtection
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping
from worker.settings import HAND_BACK_SECONDS, Problem, Settings, SettingsError, load_settings
from worker.telemetry.http import serve_http
from worker.telemetry.logging import configure_logging
from worker.telemetry.metrics import PrometheusMetrics

_GC_ALLOCATIONS = 10_000
"""Growth in objects between two rounds of the garbage collector. At the default of 700, and with the SDK's models in
each full round, they took about a tenth of an interaction's CPU (ADR 0031)."""

log = structlog.get_logger()

Loops = dict[str, Coroutine[Any, Any, None]]
Probes = dict[str, Callable[[], Awaitable[object]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`run` takes no arguments: all is set by environment variables."""
    parser.epilog = "Settings are environment variables, or lines of the file; the README lists them."


def run(_: argparse.Namespace) -> int:
    """Run the service; the process's exit status. Raises SettingsError."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(serve(settings))
        except SettingsError:
            raise
        except Exception as error:
            log.exception("fatal", error=f"{type(error).__name__}: {error}")
            return 1


async def serve(settings: Settings) -> int:
    """The service, from its first connection to its last; the exit status."""
    async with AsyncExitStack() as stack:
        return await _Service(settings, stack).serve()


class _Service:
    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings = settings
        # The user's functions first: a wrong name ends the start before anything runs.
        self._read = open_reader(settings.event_reader) if settings.event_reader else read_detail
        self._transform = load_transform(settings.details_transform) if settings.details_transform else None
        self._stack = stack
        self._metrics = PrometheusMetrics()
        self._stopping = Stopping()
        self._watchdog = Watchdog(self._metrics.loop_lag)
        self._lifecycle = Lifecycle(
            self._stopping,
            drain_seconds=settings.drain_seconds,
            hand_back_seconds=HAND_BACK_SECONDS,
            on_drain=lambda: self._metrics.draining(True),
        )
        self._loops: Loops = {}
        self._helpers: Loops = {"watchdog": self._watchdog.run(asyncio.sleep)}
        self._probes: Probes = {}
        self._slots: Slots | None = None

    async def serve(self) -> int:
        settings = self._settings
        self._lifecycle.catch_signals()
        session = new_session()
        await require_credentials(session)
        clients = await self._stack.enter_async_context(
            open_clients(
                session,
                self._metrics,
                slots=settings.max_concurrency,
                receivers=settings.intake_concurrency,
                archive=settings.archive_url is not None,
            )
        )
        if "intake" in settings.roles:
            self._add_intake(clients)
        if "activity" in settings.roles:
            await self._add_slots(clients)
        readiness = Readiness(self._probes)

        async def ready() -> list[str]:
            return ["draining"] if self._stopping.requested else await readiness.problems()

        port = await self._stack.enter_async_context(
            serve_http(settings.http_host, settings.http_port, self._metrics, live=self._watchdog.problems, ready=ready)
        )
        log.info("started", version=__version__, roles=sorted(settings.roles), http_port=port)
        _settle_memory()
        return await self._lifecycle.run(self._loops, self._helpers, self._slots)

    def _add_intake(self, clients: Clients) -> None:
        settings = self._settings
        queue = SqsEventQueue(
            clients.sqs_poll,
            clients.sqs,
            url=settings.event_queue_url,
            dead_letter_url=settings.dead_letter_queue_url,
            visibility_seconds=settings.visibility_timeout_seconds,
        )
        intake = Intake(
            queue,
            StepFunctionsStateMachine(clients.sfn, settings.state_machine_arn),
            self._metrics,
            self._stopping,
            concurrency=settings.intake_concurrency,
            visibility_seconds=settings.visibility_timeout_seconds,
            read=self._read,
        )
        for number in range(settings.intake_concurrency):
            name = f"receiver {number}"
            self._loops[name] = intake.receive(self._watchdog.tick(name))
        self._helpers["backlog"] = backlog.watch(queue, self._metrics, asyncio.sleep)
        self._probes["event queue"] = lambda: probe_queue(clients.sqs, settings.event_queue_url)
        self._probes["dead-letter queue"] = lambda: probe_queue(clients.sqs, settings.dead_letter_queue_url)
        self._probes["state machine"] = lambda: probe_state_machine(clients.sfn, settings.state_machine_arn)

    async def _add_slots(self, clients: Clients) -> None:
        settings = self._settings
        try:
            shared_cache = await self._stack.enter_async_context(
                open_shared_cache(settings.shared_cache_url, clients.dynamodb)
            )
        except ValueError as error:
            raise SettingsError(Problem("SHARED_CACHE_URL", str(error))) from error
        genesys = await self._stack.enter_async_context(open_details(settings, shared_cache, self._metrics))
        details = TransformedDetails(genesys, self._transform) if self._transform else genesys
        process = Process(
            details, self._store(clients), self._metrics, not_found_after_seconds=settings.not_found_after_seconds
        )
        activity = StepFunctionsActivity(
            clients.sfn_poll, clients.sfn, arn=settings.activity_arn, worker_name=_worker_name()
        )
        slots = self._slots = Slots(
            activity,
            process,
            self._metrics,
            self._stopping,
            heartbeat_seconds=settings.heartbeat_seconds,
            fault=self._lifecycle.fault,
        )
        for number in range(settings.max_concurrency):
            name = f"slot {number}"
            self._loops[name] = slots.slot(self._watchdog.tick(name))
        if uri := os.environ.get("ECS_AGENT_URI"):
            session = await self._stack.enter_async_context(aiohttp.ClientSession())
            protection = ScaleInProtection(EcsAgent(session, uri), lambda: slots.busy)
            self._helpers["scale-in protection"] = protection.run(asyncio.sleep)
        self._probes["activity"] = lambda: probe_activity(clients.sfn, settings.activity_arn)
        self._probes["interaction table"] = lambda: probe_table(clients.dynamodb, settings.interaction_table_name)
        self._probes["genesys"] = genesys.check

    def _store(self, clients: Clients) -> Store:
        settings = self._settings
        table = DynamoDbStore(clients.dynamodb, settings.interaction_table_name, ttl_days=settings.item_ttl_days)
        if clients.s3 is None or settings.archive_url is None:
            return table
        return ArchivingStore(table, clients.s3, settings.archive_url)


def _settle_memory() -> None:
    """Take what lives as long as the process out of the garbage collector's rounds, and make them rarer.

    A full round over the SDK's models stops the event loop for tens of milliseconds and never frees any of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS)


def _worker_name() -> str:
    """Shown in the execution's history beside the attempt; Step Functions takes at most 80 characters."""
    return f"{socket.gethostname()}-{os.getpid()}"[:80]
