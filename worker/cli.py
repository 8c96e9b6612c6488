"""The commands.

Each one's module is imported only when it is asked for, so that the service starts quickly and an installation without
the `local` extra has no use for what that brings.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from worker import env_file
from worker.printable import printable
from worker.settings import Problem, SettingsError

PROGRAM = "interaction-worker"


@dataclass(frozen=True, slots=True)
class Command:
    """A module with `add_arguments(parser)` and `run(arguments) -> exit status`."""

    module: str
    does: str


_LOCAL = "worker.local"
"""Everything for local work; the image for production leaves it out."""

COMMANDS = {
    "run": Command("worker.app", "the service, until SIGTERM or SIGINT (also with no command)"),
    "demo": Command("worker.local.demo", "everything on this machine: no AWS account, no Docker"),
    "doctor": Command("worker.commands.doctor", "check settings, credentials, AWS resources and the Genesys login"),
    "dlq": Command("worker.commands.dlq", "look at dead letters, send them through again, or delete them"),
    "erase": Command("worker.commands.erase", "remove everything kept of some conversations, for good"),
    "pause": Command("worker.commands.pause", "stop the whole fleet from asking Genesys Cloud; nothing is lost"),
    "resume": Command("worker.commands.resume", "end a pause"),
    "simulator": Command("worker.local.simulator", "the Genesys Cloud simulator alone"),
    "bootstrap": Command("worker.local.bootstrap", "create all AWS resources on AWS_ENDPOINT_URL, for local work"),
    "publish": Command("worker.local.publish", "send made-up events"),
}


_NAMES_USERS_MODULE = ("EVENT_READER", "DETAILS_TRANSFORM")


def main(arguments: Sequence[str] | None = None, *, users_modules: str | None = None) -> int:
    """Run one command; its exit status: 0 good, 1 fault, 2 wrong usage or settings.

    `users_modules` is a directory in which Python looks last, and only where a setting names a module of the user's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["-h"], ["--help"], ["help"]):
        print(_overview())
        return 0
    name, rest = (given[0], given[1:]) if given and not given[0].startswith("-") else ("run", given)
    if name not in COMMANDS:
        print(f"{PROGRAM}: there is no command {name!r}\n\n{_overview()}", file=sys.stderr)
        return 2
    try:
        return _run(name, rest, users_modules)
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose sub-commands, too, take `--env-file`: argparse makes their parsers of the same class."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_argument(
            "--env-file",
            type=Path,
            # A sub-command that is not given it does not take it back from its command.
            default=argparse.SUPPRESS,
            metavar="FILE",
            help="read settings from this file, as NAME=value lines; variables of the environment win over it",
        )

    def error(self, message: str) -> NoReturn:
        # It quotes arguments, which may be ids that others made up.
        super().error(printable(message))


def _run(name: str, rest: list[str], users_modules: str | None) -> int:
    command = COMMANDS[name]
    try:
        module = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name == _LOCAL:
            print(
                f"{name}: is not in this image; its target `local` has it (docker build --target local)",
                file=sys.stderr,
            )
            return 2
        if (error.name or "").startswith("worker"):
            raise
        print(f"{name}: {error.name} is missing; in the project's folder: pip install '.[local]'", file=sys.stderr)
        return 2
    parser = _Parser(prog=f"{PROGRAM} {name}", description=command.does)
    module.add_arguments(parser)
    arguments = parser.parse_args(rest)
    file: Path | None = getattr(arguments, "env_file", None)
    try:
        if file is not None:
            env_file.load(file)
        if users_modules and any(map(os.environ.get, _NAMES_USERS_MODULE)):
            sys.path.append(users_modules)
        status: int = module.run(arguments)
    except SettingsError as error:
        print(*(printable(str(_told(problem, file))) for problem in error.problems), sep="\n", file=sys.stderr)
        return 2
    return status


def _told(problem: Problem, file: Path | None) -> Problem:
    """The problem; where a `.env` file may be what is expected to be read, with the option that reads it."""
    if not problem.missing or file is not None or not Path(".env").is_file():
        return problem
    hint = "the file .env in this directory is read only with --env-file .env"
    return replace(problem, fix=f"{problem.fix}; {hint}" if problem.fix else hint)


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    rows = "\n".join(f"  {name:<{width}}{command.does}" for name, command in COMMANDS.items())
    return f"usage: {PROGRAM} COMMAND [--env-file FILE] [--help]\n\n{rows}"
