"""The `erase` command: everything kept of some conversations goes, and does not come back."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import structlog

from worker.commands.confirm import WRONG_USAGE, ask
from worker.commands.dlq.wording import number_of
from worker.commands.erasure import Erased, Erasure
from worker.commands.text import printable
from worker.events import INTERACTION_ID
from worker.settings import ErasureSettings, load_settings
from worker.telemetry.logging import configure_logging
from worker.wiring import open_places

log = structlog.get_logger()

_ARCHIVE_DAYS = 400
_MOST_ARCHIVE_DAYS = 36_500

_SHOWN = 5

_DESCRIPTION = (
    "Removes the item, the archived documents with all their versions, and the dead letters of these conversations. It "
    "leaves tombstones, so that no late event, redrive or reconcile brings them back. A letter without a readable id "
    "goes where its body names one of the ids as a whole word of 16 characters or more. What Genesys Cloud, backups "
    "and archives of EventBridge have is not touched. May be repeated; an unknown id gets its tombstone too. Exit "
    "status 1 if any could not be erased wholly, for example under an object lock, or the question was declined; 2 for "
    "malformed ids, and where nobody can be asked."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which conversations."""
    parser.description = _DESCRIPTION
    parser.add_argument("ids", nargs="*", metavar="ID", help="conversation id; after `--` also one that begins with -")
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="one id per line; lines that begin with # are left out"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--archive-days",
        type=_days,
        default=_ARCHIVE_DAYS,
        metavar="N",
        help="without an item the day of an archived document is unknown: look at so many days back, one call each, "
        "twice (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Ask, erase, and tell what became of each. Raises SettingsError."""
    ids = _ids(args)
    if ids is None:
        return WRONG_USAGE
    settings = load_settings(ErasureSettings)
    shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
    status = ask(f"Erase everything kept of {number_of(len(ids), 'conversation')} ({shown}), for good?", yes=args.yes)
    if status is not None:
        return status
    configure_logging()
    try:
        return asyncio.run(_run(settings, ids, args.archive_days))
    except KeyboardInterrupt:
        print("interrupted; run it again: some may be erased in part", file=sys.stderr)
        return 130


async def _run(settings: ErasureSettings, ids: Sequence[str], archive_days: int) -> int:
    today = datetime.now(UTC).date()
    async with open_places(settings) as places:
        results = await Erasure(places, ids, archive_days=archive_days, today=today).run()
    for one in results:
        _tell(one, today)
    left = sum(not one.wholly for one in results)
    if left:
        print(f"{left} of {number_of(len(results), 'conversation')} not wholly erased", file=sys.stderr)
    return 1 if left else 0


def _tell(one: Erased, today: date) -> None:
    text = one.text(today)
    print(f"{one.interaction_id}  {'erased' if one.wholly else 'NOT WHOLLY ERASED'}: {text}")
    write = log.info if one.wholly else log.error
    item = one.replaced is not None and one.replaced.item
    counts = {"item": item, "archived_versions": one.versions, "dead_letters": one.letters}
    write("erased", interaction_id=one.interaction_id, wholly=one.wholly, **counts, detail=text)


def _ids(args: argparse.Namespace) -> list[str] | None:
    """The ids of the command line and of the file, each once; None, told on stderr, when they are unusable."""
    ids = list(args.ids)
    if args.file is not None:
        try:
            lines = [line.strip() for line in args.file.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            print(f"erase: {printable(str(args.file))} cannot be read: {reason}", file=sys.stderr)
            return None
        ids += [line for line in lines if line and not line.startswith("#")]
    wrong = [one for one in ids if not INTERACTION_ID.match(one)]
    for one in wrong[:_SHOWN]:
        print(f"erase: {printable(one, 80)} is not an interaction id ([A-Za-z0-9_-]{{1,64}})", file=sys.stderr)
    if wrong:
        print(f"erase: {number_of(len(wrong), 'malformed id')}; nothing was erased", file=sys.stderr)
    elif not ids:
        print("erase: name at least one conversation id, or a --file of them", file=sys.stderr)
    return None if wrong or not ids else list(dict.fromkeys(ids))


def _days(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _MOST_ARCHIVE_DAYS:
        raise argparse.ArgumentTypeError(f"must be 0 to {_MOST_ARCHIVE_DAYS}")
    return number
