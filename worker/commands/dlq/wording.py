"""Texts and options that several sub-commands of `dlq` have."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from worker.commands.text import printable
from worker.letter import Letter

SHOWN_FAILURES = 20
LONGEST_ERROR = 48


def add_filter(parser: argparse.ArgumentParser, does: str) -> None:
    """The options that select letters; `does` is what a dry run leaves undone."""
    parser.add_argument("--error", metavar="NAME", help="only letters with this error name or reason")
    parser.add_argument("--id", metavar="ID", help="only letters of this interaction id, or with this message id")
    parser.add_argument("--limit", type=_positive, metavar="N", help="at most so many letters")
    parser.add_argument("--dry-run", action="store_true", help=f"only say what would be {does}")


def is_selected(letter: Letter, error: str | None, wanted_id: str | None) -> bool:
    """Whether the filter selects the letter; None selects any."""
    return error in {None, letter.error} and (wanted_id is None or letter.names(wanted_id))


def number_of(count: int, noun: str) -> str:
    """`1 letter`, `2 letters`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def by_error(errors: Counter[str]) -> str:
    """How many there are of each error, most of them first."""
    parts = [f"{count} {printable(error, LONGEST_ERROR)}" for error, count in errors.most_common()]
    return f": {', '.join(parts)}" if parts else ""


def tell_failures(failures: Sequence[tuple[Letter, str]]) -> None:
    """Each letter that failed, and why; beyond the first ones how many more."""
    for letter, problem in failures[:SHOWN_FAILURES]:
        print(f"failed: {printable(letter.message_id)} {letter.interaction_id}: {printable(problem)}", file=sys.stderr)
    if len(failures) > SHOWN_FAILURES:
        print(f"failed: {len(failures) - SHOWN_FAILURES} more", file=sys.stderr)


def tell_hidden(hidden: int) -> None:
    """That this run did not see every letter."""
    if hidden:
        print(
            f"about {number_of(hidden, 'more letter')} hidden when this began, held by another run or one that was "
            "killed; run again when its hold is over",
            file=sys.stderr,
        )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
