"""The `doctor` command: is everything there that the service needs, and is it allowed to use it. Changes nothing."""

import argparse
import asyncio
import re
import textwrap
from collections.abc import Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from aiobotocore.session import AioSession

from worker.aws.clients import call_config, new_session, s3_addresses
from worker.commands.doctor.checks import Asker, AwsCallError, Clock, Finding, cannot_look, failed, ok, skipped
from worker.commands.doctor.extensions import check_archive, check_functions
from worker.commands.doctor.genesys import check_genesys
from worker.commands.doctor.queues import check_queues
from worker.commands.doctor.state_machine import check_activity, check_state_machine
from worker.commands.doctor.tables import check_tables
from worker.commands.text import printable, width
from worker.settings import Settings, load_settings

SKEW_SECONDS = 30.0
"""AWS refuses signatures that are five minutes off; long before that the ages of events are wrong."""

_QUEUE_REGION = re.compile(r"(?:^|\.)sqs(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com|^([a-z0-9-]+)\.queue\.")
_PIPE_WIDTH = 120
_ATTEMPTS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options."""
    parser.description = (
        "Checks settings, credentials, every AWS resource, permissions, the Genesys login and the clock, and says how "
        "to fix what is wrong. It changes nothing: permissions to write are tried with calls that AWS refuses for "
        "what they ask for, such as an empty batch or a condition that is never true. Run it where the service runs, "
        "with the same role. Exit status 1 if a check failed."
    )


def run(args: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the table of checks; exit status 1 when one failed.

    Raises SettingsError when a setting is missing or can't be read at all.
    """
    findings = asyncio.run(examine(load_settings(with_conflicts=False)))
    print(_table(findings, width() or _PIPE_WIDTH))
    count = {status: sum(f.status == status for f in findings) for status in ("ok", "FAILED", "skipped")}
    print(f"\n{count['ok']} ok, {count['FAILED']} failed, {count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


async def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which a person should read them."""
    session = new_session()
    findings = [*_settings(settings), *check_functions(settings), _region(session, settings)]
    clock = Clock()
    aws, genesys = await asyncio.gather(_aws(session, clock, settings), check_genesys(clock, settings))
    return [*findings, *aws, *genesys, _clock(clock)]


def _settings(settings: Settings) -> list[Finding]:
    """Conflicts between settings; each says in itself what to change."""
    findings = [failed("settings", f"{found.setting}: {found.text}", found.fix) for found in settings.conflicts()]
    return findings or [ok("settings", "each readable, none against another")]


def _region(session: AioSession, settings: Settings) -> Finding:
    region = str(session.get_config_variable("region"))
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


async def _aws(session: AioSession, clock: Clock, settings: Settings) -> list[Finding]:
    if await session.get_credentials() is None:
        return [
            failed(
                "credentials",
                "the usual AWS chain finds none",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the task a role",
            ),
            skipped("AWS resources", "not checked: see credentials"),
        ]
    ask = Asker(clock)
    config = call_config(10, attempts=_ATTEMPTS)
    async with AsyncExitStack() as stack:
        sqs = await stack.enter_async_context(session.create_client("sqs", config=config))
        sfn = await stack.enter_async_context(session.create_client("stepfunctions", config=config))
        dynamodb = await stack.enter_async_context(session.create_client("dynamodb", config=config))
        s3 = await stack.enter_async_context(session.create_client("s3", config=config.merge(s3_addresses())))
        groups = await asyncio.gather(
            _identity(ask, session, settings),
            check_queues(ask, sqs, settings),
            check_state_machine(ask, sfn, settings),
            check_activity(ask, sfn, settings),
            check_tables(ask, dynamodb, settings),
            check_archive(ask, s3, settings),
        )
    return [finding for group in groups for finding in group]


async def _identity(ask: Asker, session: AioSession, settings: Settings) -> list[Finding]:
    name = "credentials"
    async with session.create_client("sts", config=call_config(1, attempts=1)) as sts:
        try:
            identity = await ask(sts, sts.get_caller_identity())
        except AwsCallError as error:
            if not error.reached:
                return [skipped(name, f"found, but who they are is not checked: {error}")]
            return [cannot_look(name, error)]
    account = settings.state_machine_arn.split(":")[4]
    if identity["Account"] != account:
        return [
            failed(
                name,
                f"are of account {identity['Account']}, but STATE_MACHINE_ARN is in {account}",
                "use a role of that account, or name the state machine in this one",
            )
        ]
    return [ok(name, identity["Arn"])]


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
