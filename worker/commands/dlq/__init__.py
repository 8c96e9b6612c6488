"""The `dlq` command: look at dead letters, send them through again, or delete them."""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from worker.aws.errors import AWS_ERRORS, error_code
from worker.commands.dlq import delete
from worker.commands.dlq.redrive import Redrive, Tally
from worker.commands.dlq.wording import (
    LONGEST_ERROR,
    add_filter,
    by_error,
    is_selected,
    number_of,
    tell_failures,
    tell_hidden,
)
from worker.commands.text import Progress, age, printable, table, width
from worker.errors import NotConfirmedError
from worker.events import utc_text
from worker.letter import Letter
from worker.settings import QueueSettings, SettingsError, load_settings
from worker.wiring import open_queues

HOLD_SECONDS = 120
"""For how long a killed run leaves the letters hidden that it had in hand."""

_READING = (
    "SQS can only be received from, not listed. So this command hides the letters while it reads and makes them "
    "visible again the moment it ends. Meanwhile another run sees fewer of them; letters that another run, or one "
    "that was killed, has hidden are counted as hidden and come back by themselves. Each look adds one to a letter's "
    "receive count. One pass reads up to 50,000 letters."
)

_SHOWING = (
    "On ECS what a task prints goes into a log group, which keeps it for months, and a quarantined body may tell of a "
    "person. So there the body and the sender's attributes are left out, unless --body asks for them. " + _READING
)

_REDRIVING = (
    "A failed interaction gets a new execution, whose name is derived from the failed one; a quarantined body goes "
    "back to the event queue untouched. A letter is removed only after that is confirmed. Killed half-way, run it "
    "again: an execution that was started already is found by its name and not started twice, and an event that was "
    "sent twice has the same execution name both times, so the second one is a duplicate for the intake. An event "
    "that is still unreadable comes back as a new letter, which this run leaves alone. Letters of other senders are "
    "left. Exit status 1 if any letter failed."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's sub-commands and their options."""
    commands = parser.add_subparsers(dest="dlq_command", metavar="list|show|redrive|delete", required=True)
    listing = commands.add_parser("list", help="one line for each dead letter", description=_READING)
    listing.add_argument("--json", action="store_true", help="a JSON array on stdout, without the bodies")
    show = commands.add_parser("show", help="one dead letter in full, with its body", description=_SHOWING)
    show.add_argument("id", metavar="ID", help="interaction id or message id")
    show.add_argument("--body", action="store_true", help="print the body on ECS too, where a log keeps it")
    redrive = commands.add_parser("redrive", help="send dead letters through again", description=_REDRIVING)
    add_filter(redrive, "sent through again")
    deletion = commands.add_parser("delete", help="remove dead letters for good", description=delete.DESCRIPTION)
    delete.add_arguments(deletion)
    for command in (listing, show, redrive, deletion):
        command.add_argument(
            "--hold",
            type=_hold,
            default=HOLD_SECONDS,
            metavar="SECONDS",
            help="when this run is killed, the letters it had in hand are hidden for so long (default: %(default)s)",
        )


def run(args: argparse.Namespace) -> int:
    """Run one of the sub-commands.

    Raises SettingsError. An AWS call that fails is told on stderr, and the exit status is 1.
    """
    command: Callable[[argparse.Namespace, QueueSettings], Coroutine[None, None, int]] = {
        "list": _list,
        "show": _show,
        "redrive": _redrive,
        "delete": delete.delete,
    }[args.dlq_command]
    settings = load_settings(QueueSettings)
    try:
        return asyncio.run(command(args, settings))
    except SettingsError:
        raise
    except (NotConfirmedError, *AWS_ERRORS) as error:
        fault = error.__cause__ or error  # the SDK's text names the call and the endpoint
        print(printable(f"dlq {args.dlq_command}: {error_code(fault)}: {fault}"), file=sys.stderr)
        print("`doctor` checks the queues, the permissions and the endpoint.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the letters that were not removed are visible again", file=sys.stderr)
        return 130


async def _read(
    settings: QueueSettings, hold: int, keep: Callable[[Letter], Letter | None]
) -> tuple[list[Letter], int]:
    """What `keep` makes of each letter, oldest first, and how many were hidden before."""
    found: list[Letter] = []
    async with open_queues(settings) as aws:
        counts = await aws.letters.counts()
        with Progress("read", counts.visible) as progress:
            seen = 0

            async def visit(letters: Sequence[Letter]) -> set[str]:
                nonlocal seen
                seen += len(letters)
                found.extend(filter(None, map(keep, letters)))
                progress.update(seen)
                return set()

            await aws.letters.walk(visit, hold_seconds=hold, enough=lambda: False, removes=False)
    return sorted(found, key=lambda letter: (letter.sent, letter.message_id)), counts.hidden


async def _list(args: argparse.Namespace, settings: QueueSettings) -> int:
    # Without the bodies, which may be a megabyte each.
    letters, hidden = await _read(settings, args.hold, lambda letter: replace(letter, body=""))
    if args.json:
        print(json.dumps([_summary(letter) for letter in letters], indent=2))
        return 0
    if letters:
        now = datetime.now(UTC)
        rows = [
            (
                age(now - letter.sent),
                letter.origin,
                printable(letter.error, LONGEST_ERROR),
                letter.interaction_id,
                printable(letter.message_id),
            )
            for letter in letters
        ]
        print(table(("AGE", "ORIGIN", "ERROR", "INTERACTION", "MESSAGE"), rows, width()))
        print()
    print(f"{number_of(len(letters), 'dead letter')}{by_error(Counter(letter.error for letter in letters))}")
    tell_hidden(hidden)
    return 0


async def _show(args: argparse.Namespace, settings: QueueSettings) -> int:
    letters, hidden = await _read(settings, args.hold, lambda letter: letter if letter.names(args.id) else None)
    with_body = args.body or not _on_ecs()
    for letter in letters:
        print(_in_full(letter, with_body=with_body))
    if not letters:
        print(f"no dead letter has the interaction id or message id {printable(args.id)}", file=sys.stderr)
        tell_hidden(hidden)
        return 1
    return 0


async def _redrive(args: argparse.Namespace, settings: QueueSettings) -> int:
    async with open_queues(settings) as aws:
        counts = await aws.letters.counts()
        total = min(counts.visible, args.limit or counts.visible)
        with Progress("would redrive" if args.dry_run else "redriven", total) as progress:
            redrive = Redrive(
                aws,
                hold_seconds=args.hold,
                select=lambda letter: is_selected(letter, args.error, args.id),
                limit=args.limit,
                dry_run=args.dry_run,
                seen=lambda tally: progress.update(*_progress(tally, args.dry_run)),
            )
            tally = await redrive.run()
    return _report(tally, dry_run=args.dry_run, hidden=counts.hidden)


def _progress(tally: Tally, dry_run: bool) -> tuple[int, str]:
    note = f"{len(tally.failed)} failed" if tally.failed else ""
    return (tally.matching if dry_run else tally.redriven), note


def _report(tally: Tally, *, dry_run: bool, hidden: int) -> int:
    if dry_run:
        print(f"would redrive {number_of(tally.matching, 'letter')}{by_error(tally.by_error)}")
    else:
        print(f"redriven {tally.redriven} of {number_of(tally.matching, 'letter')}{by_error(tally.by_error)}")
    if tally.foreign:
        print(f"left {number_of(tally.foreign, 'letter')} of other senders: `dlq list` shows origin `foreign`")
    tell_failures(tally.failed)
    tell_hidden(hidden)
    return 1 if tally.failed else 0


def _summary(letter: Letter) -> dict[str, str | int | None]:
    return {
        "messageId": letter.message_id,
        "interactionId": None if letter.interaction_id == "-" else letter.interaction_id,
        "origin": letter.origin,
        "error": None if letter.error == "-" else letter.error,
        "sentAt": utc_text(letter.sent),
        "receives": letter.receives,
        "executionArn": letter.failure.execution_arn if letter.failure else None,
    }


def _on_ecs() -> bool:
    """Whether this process runs in a container of ECS, which sets this variable in each."""
    return "ECS_CONTAINER_METADATA_URI_V4" in os.environ


def _in_full(letter: Letter, *, with_body: bool) -> str:
    facts = {
        "message": letter.message_id,
        "origin": letter.origin,
        "error": letter.error,
        "interaction": letter.interaction_id,
        "sent": f"{utc_text(letter.sent)} ({age(datetime.now(UTC) - letter.sent)} ago)",
        "receives": str(letter.receives),
    }
    if letter.failure is not None:
        facts |= {"execution": letter.failure.execution_arn, "cause": letter.failure.cause}
    if with_body:
        facts |= {f"attribute {name}": value for name, value in sorted(letter.attributes.items())}
        body = printable(letter.body, keep="\n\t")
    else:
        body = f"({number_of(len(letter.body), 'character')}, not printed into a log of ECS; --body prints them)"
    widest = max(map(len, facts))
    lines = [f"{printable(name):<{widest}}  {printable(value)}" for name, value in facts.items()]
    return "\n".join([*lines, "body:", body, ""])


def _hold(text: str) -> int:
    seconds = int(text)
    if not 2 <= seconds <= 43_200:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("must be 2 to 43200, SQS's longest visibility timeout")
    return seconds
