"""The `demo` command: the whole way of an event on this machine, with every event accounted for at the end."""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from worker.aws.errors import AWS_ERRORS
from worker.local.arguments import amount, positive
from worker.local.aws import explain
from worker.local.demo.accounting import Account, Accounting
from worker.local.demo.display import Display, Glance, print_result, summary
from worker.local.demo.fleet import WorldError
from worker.local.demo.script import Script
from worker.local.demo.world import DETAILS_LAG_SECONDS, World, running_world
from worker.local.emulator import EmulatorError
from worker.local.publish import add_unfolding_arguments
from worker.local.traffic import PublishError
from worker.printable import printable

_LOOK_SECONDS = 0.4
_QUIET_LOOKS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Runs everything on this machine: an embedded AWS emulator, a Genesys Cloud simulator and workers; publishes "
        "events through EventBridge and shows what became of every one. Needs no AWS account and no Docker, and leaves "
        "nothing running. The exit status is 0 only when all events are accounted for."
    )
    parser.add_argument(
        "--events", type=positive, default=500, help="how many interactions send events (default: %(default)s)"
    )
    add_unfolding_arguments(parser, events_per_interaction=4, spread=2.0)
    parser.add_argument("--workers", type=positive, default=2, help="worker processes (default: %(default)s)")
    parser.add_argument(
        "--faults",
        action="store_true",
        help="add rate limits, 5xx answers, cut-off bodies, ended tokens, unknown interactions, malformed and "
        "duplicate events",
    )
    parser.add_argument(
        "--rate", type=amount, default=100.0, help="events published per second; 0 is all at once (default: 100)"
    )
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, with the URLs printed, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print a machine-readable summary as the last line")
    parser.add_argument(
        "--patience",
        type=positive,
        default=60,
        help="seconds without any progress after which what is open counts as open (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; 128 + the signal's number when interrupted before the result."""
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    with tempfile.TemporaryDirectory(prefix="interaction-worker-demo-") as directory:
        try:
            return asyncio.run(_until_signal(args, console, Path(directory)))
        except (EmulatorError, WorldError, PublishError) as error:
            print(printable(f"demo: {error}", keep="\n"), file=sys.stderr)
        except AWS_ERRORS as error:
            print(f"demo: {explain(error)}", file=sys.stderr)
    return 1


async def _until_signal(args: argparse.Namespace, console: Console, directory: Path) -> int:
    """Run until the end or a signal, whichever comes first; either way everything is stopped before this returns."""
    work = asyncio.ensure_future(_demo(args, console, directory))
    received: list[int] = []

    def interrupt(number: int) -> None:
        received.append(number)
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt, number)
    try:
        everything_is_accounted_for = await work
    except asyncio.CancelledError:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 128 + received[0]
    return 0 if everything_is_accounted_for else 1


async def _demo(args: argparse.Namespace, console: Console, directory: Path) -> bool:
    """Whether every event is where it should be."""
    console.print(f"starting the AWS emulator, the Genesys Cloud simulator and {args.workers} workers")
    async with running_world(directory, workers=args.workers, faults=args.faults) as world:
        accounting = Accounting(
            world.clients, world.settings, world.simulator.seen, details_lag_seconds=DETAILS_LAG_SECONDS
        )
        start = time.monotonic()
        script = Script(
            world,
            accounting,
            args.events,
            rate=args.rate,
            faults=args.faults,
            events_per_interaction=args.events_per_interaction,
            spread=args.spread,
        )
        with Display(console, script.events) as display:
            account = await _watch(world, accounting, script, display, args)
        result = summary(account, world.simulator.stats.as_dict(), time.monotonic() - start)
        print_result(console, result)
        if (item := await accounting.example()) is not None:
            console.print("One of the items:", printable(json.dumps(item, ensure_ascii=False)), markup=False)
        if args.keep:
            _print_urls(console, world)
        if args.json:
            print(json.dumps(result), flush=True)
        if args.keep:
            await _until_interrupted()
    return account.complete and account.events == script.events


async def _watch(
    world: World, accounting: Accounting, script: Script, display: Display, args: argparse.Namespace
) -> Account:
    """Publish, and look until every event is accounted for, or nothing is open any more, or nothing moves any more."""
    newest: tuple[int, ...] = ()
    moved = time.monotonic()
    quiet_looks = 0
    publishing = asyncio.ensure_future(script.play())
    try:
        while True:
            world.check()
            counts = await accounting.counts()
            glance = Glance(script.events, accounting.events, **counts, stats=world.simulator.stats.as_dict())
            display.show(glance)
            if publishing.done():
                publishing.result()
            if newest != glance.progress:
                newest, moved = glance.progress, time.monotonic()
            stuck = time.monotonic() - moved > args.patience
            if stuck or (publishing.done() and (glance.all_seen or glance.queued == 0)):
                account = await accounting.settle()
                # EventBridge delivers a little after it has accepted, so nothing is lost at first sight.
                quiet_looks = 0 if account.open else quiet_looks + 1
                if stuck or account.complete or quiet_looks == _QUIET_LOOKS:
                    return account
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        publishing.cancel()


def _print_urls(console: Console, world: World) -> None:
    console.print(
        f"Still running until Ctrl-C. AWS emulator {world.emulator.url}, Genesys simulator {world.simulator.url}"
    )
    for url in world.worker_urls:
        console.print(f"worker {url}/metrics {url}/livez {url}/readyz")
    console.print("To use them from another shell:")
    for name, value in {**world.emulator.environment, **world.settings, **world.simulator.environment}.items():
        console.print(f"  export {name}={value}")


async def _until_interrupted() -> None:
    """Wait for SIGINT or SIGTERM, which here mean that all is well."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
