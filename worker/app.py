"""The composition root, the only file that knows everything: settings in, a running service out."""

import argparse
import asyncio
import faulthandler
import functools
import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NoReturn

import structlog

from worker import __version__
from worker.attempt import Attempts
from worker.clock import SystemClock
from worker.extensions.event_reader import EventReading, load_reader
from worker.extensions.threads import FunctionThreads
from worker.extensions.transform import TransformedDetails, load_transform
from worker.fleet.gate import Gate
from worker.genesys.service import Fleet, open_details
from worker.runtime import backlog
from worker.runtime.admission import Admission
from worker.runtime.ending import leave, run_to_the_end
from worker.runtime.health import Readiness, Watchdog, end_when_stuck
from worker.runtime.holding import HeldDetails, HeldStore, probe_store
from worker.runtime.intake import Intake
from worker.runtime.lifecycle import Lifecycle, Loop
from worker.runtime.open_files import raise_open_files_limit
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping
from worker.settings import HAND_BACK_SECONDS, Settings, SettingsError, load_settings
from worker.telemetry.http import ListenError, serve_http
from worker.telemetry.line_writer import written_beside
from worker.telemetry.logging import configure_logging
from worker.telemetry.metrics import PrometheusMetrics
from worker.wiring import Aws, freshness, open_aws, open_shared, store_key

_GC_ALLOCATIONS = 10_000
"""Growth in objects between two rounds of the garbage collector. At the default of 700, and with the SDK's models in
each full round, they took about a tenth of an interaction's CPU (ADR 0031)."""

log = structlog.get_logger()

Probes = dict[str, Callable[[], Awaitable[object]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`run` takes no arguments: all is set by environment variables."""
    parser.epilog = "Settings are environment variables, or lines of the file; the README lists them."


def run(_: argparse.Namespace) -> NoReturn:
    """Run the service, and end the process with its exit status. Raises SettingsError."""
    raise_open_files_limit()
    leave(_run(load_settings()))


def _run(settings: Settings) -> int:
    metrics = PrometheusMetrics()
    with written_beside(metrics.log_line_dropped) as lines, run_to_the_end() as runner:
        configure_logging(settings.log_level, settings.log_format, lines)
        try:
            return runner.run(serve(settings, metrics))
        except SettingsError:
            raise
        except ListenError as error:
            log.error("fatal", error=type(error).__name__, detail=str(error))  # noqa: TRY400 -- the frames say no more
            return 1
        except Exception as error:
            log.exception("fatal", error=type(error).__name__)
            return 1


async def serve(settings: Settings, metrics: PrometheusMetrics) -> int:
    """The service, from its first connection to its last; the exit status."""
    asyncio.get_running_loop().set_exception_handler(log_loop_error)
    async with AsyncExitStack() as stack:
        stack.callback(faulthandler.cancel_dump_traceback_later)
        return await _Service(settings, metrics, stack).serve()


def log_loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody awaited, without asyncio's own text: that quotes the exception's text and a callback's values."""
    error = context.get("exception")
    log.error("event_loop_error", error=type(error).__name__ if error else "unknown", exc_info=error)


class _Service:
    def __init__(self, settings: Settings, metrics: PrometheusMetrics, stack: AsyncExitStack) -> None:
        self._settings = settings
        # The user's functions first: a wrong name ends the start before anything runs.
        self._reader = load_reader(settings.event_reader) if settings.event_reader else None
        self._transform = load_transform(settings.details_transform) if settings.details_transform else None
        self._stack = stack
        self._metrics = metrics
        self._clock = SystemClock()
        self._stopping = Stopping(self._clock)
        self._watchdog = Watchdog(self._metrics.loop_lag, self._clock, end_when_stuck)
        self._lifecycle = Lifecycle(
            self._stopping,
            drain_seconds=settings.drain_seconds,
            hand_back_seconds=HAND_BACK_SECONDS,
            clock=self._clock,
            on_drain=lambda: self._metrics.draining(True),
            holds=lambda: self._gate is not None and self._gate.closed,
        )
        self._gate: Gate | None = None
        self._threads = FunctionThreads(self._clock, self._lifecycle.fault)
        self._loops: dict[str, Loop] = {}
        self._helpers: dict[str, Loop] = {"watchdog": self._watchdog.run}
        self._probes: Probes = {}
        self._slots: Slots | None = None

    async def serve(self) -> int:
        settings = self._settings
        self._lifecycle.catch_signals()
        aws = await self._stack.enter_async_context(open_aws(settings, self._metrics))
        fleet = await self._stack.enter_async_context(open_shared(settings, aws.clients, self._metrics))
        self._gate = fleet.gate
        self._helpers["gate"] = fleet.gate.run
        if "intake" in settings.roles:
            self._add_intake(aws, fleet)
        if "activity" in settings.roles:
            await self._add_slots(aws, fleet)
        readiness = Readiness(self._probes, self._clock)

        async def ready() -> list[str]:
            return ["draining"] if self._stopping.requested else await readiness.problems()

        port = await self._stack.enter_async_context(
            serve_http(
                settings.http_host,
                settings.http_port,
                self._metrics.registry,
                live=self._watchdog.problems,
                ready=ready,
            )
        )
        await fleet.gate.look()  # a pause holds for a worker that starts in it, too
        log.info("started", version=__version__, roles=sorted(settings.roles), http_port=port)
        _settle_memory()
        return await self._lifecycle.run(self._loops, self._helpers, self._slots)

    def _add_intake(self, aws: Aws, fleet: Fleet) -> None:
        settings = self._settings
        intake = Intake(
            aws.queue,
            Admission(aws.executions, aws.records, freshness(settings), self._clock),
            self._metrics,
            self._stopping,
            concurrency=settings.intake_concurrency,
            visibility_seconds=settings.visibility_timeout_seconds,
            clock=self._clock,
            parse=EventReading(self._reader, self._threads) if self._reader else None,
            may_fetch=lambda: fleet.gate.may_fetch,
        )
        for number in range(settings.intake_concurrency):
            name = f"receiver_{number}"
            self._loops[name] = functools.partial(intake.receive, self._watchdog.tick(name))
        self._helpers["backlog"] = functools.partial(backlog.watch, aws.queue, self._metrics, self._clock)
        self._probes["event queue"] = aws.queue.probe
        self._probes["dead-letter queue"] = aws.letters.probe
        self._probes["state machine"] = aws.executions.probe

    async def _add_slots(self, aws: Aws, fleet: Fleet) -> None:
        settings = self._settings
        genesys = await self._stack.enter_async_context(open_details(settings, fleet, self._metrics))
        held = HeldDetails(genesys, fleet.genesys, self._clock)
        details = TransformedDetails(held, self._transform, self._threads) if self._transform else held
        store = fleet.gate.dependency("store", store_key(settings))
        store.probe = functools.partial(probe_store, aws.store, store, self._clock)
        attempts = Attempts(
            details,
            HeldStore(aws.store, store, self._clock),
            self._metrics,
            fresh=freshness(settings),
            not_found_after_seconds=settings.not_found_after_seconds,
            clock=self._clock,
            open_since=lambda: fleet.gate.open_since,
        )
        slots = self._slots = Slots(
            aws.activity,
            attempts,
            self._metrics,
            self._stopping,
            heartbeat_seconds=settings.heartbeat_seconds,
            clock=self._clock,
            fault=self._lifecycle.fault,
            may_fetch=lambda: fleet.gate.may_fetch,
        )
        for number in range(settings.max_concurrency):
            name = f"slot_{number}"
            self._loops[name] = functools.partial(slots.slot, self._watchdog.tick(name))
        self._probes["activity"] = aws.activity.probe
        self._probes["interaction table"] = aws.records.probe
        self._probes["genesys"] = genesys.check


def _settle_memory() -> None:
    """Take what lives as long as the process out of the garbage collector's rounds, and make them rarer.

    A full round over the SDK's models stops the event loop for tens of milliseconds and never frees any of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_ALLOCATIONS)
