"""Asks before something that cannot be undone."""

import sys

DECLINED = 1
WRONG_USAGE = 2


def ask(question: str, *, yes: bool) -> int | None:
    """Ask on the terminal, unless `yes`; None to go on, else the command's exit status."""
    if yes:
        return None
    if not sys.stdin.isatty():
        print("there is no terminal to ask on; --yes goes ahead without asking", file=sys.stderr)
        return WRONG_USAGE
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return None
    print("nothing was changed", file=sys.stderr)
    return DECLINED
