"""The `pause` and `resume` commands: the whole fleet stops asking Genesys Cloud, and goes on.

They change one document of the shared cache, which every worker reads about once per second.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from worker.clock import Clock, SystemClock
from worker.errors import SharedCacheError
from worker.events import utc_text
from worker.fleet.document import Document
from worker.fleet.gate import change_gate
from worker.fleet.gate_record import LONGEST_PAUSE_SECONDS, GateRecord, Pause
from worker.printable import printable
from worker.settings import FleetSettings, Problem, SettingsError, load_settings
from worker.wiring import open_gate

REACHES_SECONDS = 2
"""A worker reads the document every 0.9 s at the latest; with the read itself, so long at most."""

_SECONDS = {"s": 1, "m": 60, "h": 3600}

_TRIES = 20
"""Writes that a worker gets ahead of. Workers write only when an outage begins, ends or is probed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long."""
    parser.description = (
        "Within 2 s no worker of the fleet asks Genesys Cloud any more, until `resume` or the end that --for sets. "
        "Nothing is lost and no attempt is used up: events wait in the queue, and what is in work is held with its "
        "heartbeats. Pausing again replaces the end. Needs SHARED_CACHE_URL, GENESYS_CLIENT_ID and the region or login "
        "URL of the workers, and AWS's settings where the cache is in DynamoDB."
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=parse_duration,
        metavar="TIME",
        help="how long: a whole number with s, m or h, for example 30m (default: until `resume`)",
    )
    parser.set_defaults(pauses=True)


def add_resume_arguments(parser: argparse.ArgumentParser) -> None:
    """`resume` has no options."""
    parser.description = (
        "The workers ask Genesys Cloud again within 2 s. Not paused: it says so, and the exit status is 0."
    )
    parser.set_defaults(pauses=False)


def parse_duration(text: str) -> int:
    """Seconds of a whole number with s, m or h. Raises argparse.ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,9})([smh])", text, re.ASCII)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST_PAUSE_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not how long a pause may be; expected a whole number above 0 with s, m or h, for example "
            f"30m, and at most {LONGEST_PAUSE_SECONDS // 3600:.0f}h"
        )
    return seconds


def run(args: argparse.Namespace) -> int:
    """Change the document and say what holds now; exit status 1 when the shared cache does not answer.

    Raises SettingsError.
    """
    settings = load_settings(FleetSettings)
    if settings.shared_cache_url.startswith("memory:"):
        text = "is memory://, which a worker shares with nobody, so no command reaches it"
        fix = "set it as the workers have it: dynamodb://TABLE, redis://… or rediss://…"
        raise SettingsError(Problem("SHARED_CACHE_URL", text, fix))
    try:
        print(asyncio.run(_run(args, settings)))
    except SharedCacheError as error:
        text = f"the shared cache did not confirm the change, which may be made or not: {error}"
        print(printable(text), file=sys.stderr)
        print("`doctor` checks the shared cache and the permissions; then run this again.", file=sys.stderr)
        return 1
    return 0


async def _run(args: argparse.Namespace, settings: FleetSettings) -> str:
    async with open_gate(settings) as document:
        return await (pause(document, SystemClock(), args.seconds) if args.pauses else resume(document, SystemClock()))


async def pause(document: Document[GateRecord], clock: Clock, seconds: float | None) -> str:
    """Pause for so many seconds, or until `resume`; what holds now. Raises errors.SharedCacheError."""
    wanted = Pause(clock.time(), seconds)
    await _change(document, clock, lambda record: replace(record, pause=wanted))
    if seconds is None:
        return f"paused: no worker asks Genesys Cloud from within {REACHES_SECONDS} s until `resume`"
    end = utc_text(datetime.fromtimestamp(wanted.since + seconds, UTC))
    return f"paused: no worker asks Genesys Cloud from within {REACHES_SECONDS} s until {end}; `resume` ends it sooner"


async def resume(document: Document[GateRecord], clock: Clock) -> str:
    """End the pause, if there is one; what holds now. Raises errors.SharedCacheError."""
    before = await _change(document, clock, lambda record: replace(record, pause=None))
    if before.pause is None or before.pause.remaining(clock.time()) <= 0:
        return "not paused: there is nothing to resume"
    return f"resumed: the workers ask Genesys Cloud again within {REACHES_SECONDS} s; `pause` stops them"


async def _change(
    document: Document[GateRecord], clock: Clock, change: Callable[[GateRecord], GateRecord]
) -> GateRecord:
    """Write what `change` makes of the document; what was there before. Raises errors.SharedCacheError."""
    changed = await change_gate(document, clock, change, tries=_TRIES)
    if changed is None:
        raise SharedCacheError("workers wrote at the same time, again and again")
    return changed[0]
