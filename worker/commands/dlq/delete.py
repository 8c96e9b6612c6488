"""`dlq delete`: removes letters that nobody will send through again."""

import argparse
import sys

from worker.commands.confirm import WRONG_USAGE, ask
from worker.commands.dlq.removal import Removal
from worker.commands.dlq.wording import add_filter, by_error, is_selected, number_of, tell_failures, tell_hidden
from worker.commands.text import Progress, printable
from worker.settings import QueueSettings
from worker.wiring import open_queues

DESCRIPTION = (
    "For letters that nobody will send through again. It asks first, unless --yes, and cannot be undone: the events of "
    "deleted letters are lost. Letters of other senders are deleted too where the options select them. Exit status 1 "
    "if any letter could not be deleted, or the question was declined; 2 without options that select letters, and with "
    "nobody to ask."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which letters."""
    add_filter(parser, "deleted")
    parser.add_argument("--all", action="store_true", help="every letter")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def delete(args: argparse.Namespace, settings: QueueSettings) -> int:
    """Ask, and remove the selected letters; the exit status."""
    if args.all and (args.error is not None or args.id is not None):
        print("dlq delete: --all and a filter contradict each other", file=sys.stderr)
        return WRONG_USAGE
    if not args.all and args.error is None and args.id is None and args.limit is None and not args.dry_run:
        print("dlq delete: say which letters: --id, --error, --limit, or --all", file=sys.stderr)
        return WRONG_USAGE
    async with open_queues(settings) as aws:
        counts = await aws.letters.counts()
        status = ask(_question(args, counts.visible), yes=args.yes or args.dry_run)
        if status is not None:
            return status
        total = min(counts.visible, args.limit or counts.visible)
        with Progress("would delete" if args.dry_run else "deleted", total) as progress:
            tally = await Removal(
                aws.letters,
                hold_seconds=args.hold,
                select=lambda letter: is_selected(letter, args.error, args.id),
                limit=args.limit,
                dry_run=args.dry_run,
                seen=lambda tally: progress.update(tally.matching if args.dry_run else tally.removed),
            ).run()
    if args.dry_run:
        print(f"would delete {number_of(tally.matching, 'letter')}{by_error(tally.by_error)}")
    else:
        print(f"deleted {tally.removed} of {number_of(tally.matching, 'letter')}{by_error(tally.by_error)}")
    tell_failures([(letter, "SQS did not confirm that it is gone") for letter in tally.failed])
    tell_hidden(counts.hidden)
    return 1 if tally.failed else 0


def _question(args: argparse.Namespace, visible: int) -> str:
    which = [f"at most {args.limit}"] if args.limit else []
    which += [f"with error {printable(args.error)}"] if args.error is not None else []
    which += [f"of {printable(args.id)}"] if args.id is not None else []
    selected = f"dead letters {', '.join(which)}" if which else "all dead letters"
    return f"Delete {selected}, out of about {visible}, for good?"
