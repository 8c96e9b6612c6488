"""The `doctor` command: is everything there that the service needs, and is it allowed to use it. Changes nothing."""

import argparse
import asyncio
import re
import textwrap
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

import structlog

from worker.aws.inspection import CallFailedError, Inspection
from worker.commands.doctor.checks import (
    Clock,
    Finding,
    cannot_look,
    excuse_operators,
    explain,
    failed,
    ok,
    skipped,
)
from worker.commands.doctor.extensions import check_archive, check_functions
from worker.commands.doctor.fleet import check_fleet
from worker.commands.doctor.genesys import check_genesys
from worker.commands.doctor.queues import check_queues
from worker.commands.doctor.state_machine import check_activity, check_state_machine
from worker.commands.doctor.tables import check_tables
from worker.commands.text import printable, width
from worker.runtime.open_files import raise_open_files_limit
from worker.settings import Settings, load_settings
from worker.wiring import open_inspection

SKEW_SECONDS = 30.0
"""AWS refuses signatures that are five minutes off; long before that the ages of events are wrong."""

_QUEUE_REGION = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com|^([a-z0-9-]+)\.queue\.")
_PIPE_WIDTH = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""
    parser.description = (
        "Checks settings, credentials, every AWS resource, permissions, the Genesys login and the clock, and says how "
        "to fix what is wrong. It changes nothing: permissions to write are tried with calls that AWS refuses for "
        "what they ask for, such as an empty batch or a condition that is never true. Run it where the service runs, "
        "with the same role: with an operator's, who may look and no more, the worker's permissions are skipped. Exit "
        "status 1 if a check failed."
    )


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the table of checks; exit status 1 when one failed.

    Raises SettingsError when a setting is missing or cannot be read at all.
    """
    # The table says it all; the client's log lines would come in between.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    raise_open_files_limit()  # as `run` does, so that the same limit is checked
    findings = asyncio.run(examine(load_settings(with_conflicts=False)))
    print(_table(findings, width() or _PIPE_WIDTH))
    count = {status: sum(f.status == status for f in findings) for status in ("ok", "FAILED", "skipped")}
    print(f"\n{count['ok']} ok, {count['FAILED']} failed, {count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


async def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which a person should read them."""
    clock = Clock()
    own = [*_settings(settings), *check_functions(settings)]
    async with open_inspection(settings, partial(clock.sample, "AWS")) as inspection:
        aws, genesys = await asyncio.gather(_aws(inspection, settings), check_genesys(clock, settings))
        return [*own, _region(inspection.region, settings), *aws, *genesys, *await check_fleet(settings), _clock(clock)]


def _settings(settings: Settings) -> list[Finding]:
    """Conflicts between settings; each says in itself what to change."""
    findings = [failed("settings", f"{found.setting}: {found.text}", found.fix) for found in settings.conflicts()]
    return findings or [ok("settings", "each readable, none against another")]


def _region(region: str, settings: Settings) -> Finding:
    named = {
        "STATE_MACHINE_ARN": settings.state_machine_arn.split(":")[3],
        "ACTIVITY_ARN": settings.activity_arn.split(":")[3],
        "EVENT_QUEUE_URL": _queue_region(settings.event_queue_url),
        "DEAD_LETTER_QUEUE_URL": _queue_region(settings.dead_letter_queue_url),
    }
    other = {setting: its for setting, its in named.items() if its not in {region, None}}
    if not other:
        return ok("region", region)
    where = ", ".join(f"{setting} in {its}" for setting, its in other.items())
    return failed(
        "region",
        f"AWS_REGION is {region}, but {where}",
        f"set AWS_REGION={next(iter(other.values()))}, or name the resources in {region}",
    )


def _queue_region(url: str) -> str | None:
    found = _QUEUE_REGION.search(urlsplit(url).hostname or "")
    return (found[1] or found[2]) if found else None


async def _aws(inspection: Inspection, settings: Settings) -> list[Finding]:
    if not await inspection.has_credentials():
        return [
            failed(
                "credentials",
                "the usual AWS chain finds none",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the ECS task a role",
            ),
            skipped("AWS resources", "not checked: see credentials"),
        ]
    identity, *groups = await asyncio.gather(
        _identity(inspection, settings),
        check_queues(inspection, settings),
        check_state_machine(inspection, settings),
        check_activity(inspection, settings),
        check_tables(inspection, settings),
        check_archive(inspection, settings),
    )
    return [*identity, *excuse_operators([finding for group in groups for finding in group])]


async def _identity(inspection: Inspection, settings: Settings) -> list[Finding]:
    name = "credentials"
    try:
        account, arn = await inspection.identity()
    except CallFailedError as error:
        if error.status is None:
            return [skipped(name, f"found, but whose they are is not checked: {explain(error)[0]}")]
        return [cannot_look(name, error)]
    wanted = settings.state_machine_arn.split(":")[4]
    if account != wanted:
        return [
            failed(
                name,
                f"are of account {account}, but STATE_MACHINE_ARN is in {wanted}",
                "use a role of that account, or name the state machine in this one",
            )
        ]
    return [ok(name, arn)]


def _clock(clock: Clock) -> Finding:
    worst = clock.worst()
    if worst is None:
        return skipped("clock", "not checked: no answer had a Date header")
    whose, seconds = worst
    text = f"{abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} {whose}"
    if abs(seconds) > SKEW_SECONDS:
        fix = "let NTP set this machine's clock; AWS refuses signatures that are more than 5 minutes off"
        return failed("clock", text, fix)
    return ok("clock", f"within {max(1, round(abs(seconds)))} s of {whose}")


def _table(findings: Sequence[Finding], columns: int) -> str:
    """Status, check and what was found, wrapped; the fix below."""
    widest = max(len(finding.name) for finding in findings)
    indent = " " * (len("skipped") + 2 + widest + 2)
    lines = []
    for finding in findings:
        head = f"{finding.status:<7}  {finding.name:<{widest}}  "
        for start, text in ((head, finding.text), (f"{indent}fix: ", finding.fix)):
            if text:
                lines += textwrap.wrap(
                    printable(text), columns, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
                )
    return "\n".join(lines)
