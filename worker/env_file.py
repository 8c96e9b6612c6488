"""`--env-file FILE`: settings from a file that the user names; no file is read unasked.

A parser of our own, because python-dotenv reads more into a line than the documentation promises: it cuts a value at
` #`, takes backslashes and `${NAME}` for more than text, and skips what it cannot read. A secret may hold any of these.
"""

import os
import re
from pathlib import Path

from worker.settings import Problem, SettingsError

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*([^\0]*)")

_FIX = "write one setting on a line, as NAME=value without `export`; a comment is a line that begins with #"

_SHORTEST_QUOTED = 2


def load(path: Path) -> None:
    """Put the file's settings into the environment, `AWS_…` for the SDK too; a variable that is there already stays.

    An empty variable counts as there, so that it switches a setting of the file off. Raises SettingsError when the
    file cannot be read or a line is malformed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(Problem("--env-file", f"{path} cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError:
        raise SettingsError(Problem("--env-file", f"{path} is not text in UTF-8")) from None
    for name, value in parse(text, str(path)).items():
        os.environ.setdefault(name, value)


def parse(text: str, source: str) -> dict[str, str]:
    """The settings of a file's text; of a name that is there twice, the last one.

    A line is `NAME=value`, empty, or a comment that begins with #. White space around name and value is left out, and
    then one pair of quotes around the value; everything else is text as it stands. Raises SettingsError with `source`
    and the number of the first malformed line, and never with what it holds.
    """
    found = {}
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise SettingsError(Problem("--env-file", f"line {number} of {source} is not NAME=value", _FIX))
        found[match[1]] = _unquoted(match[2])
    return found


def _unquoted(value: str) -> str:
    quoted = len(value) >= _SHORTEST_QUOTED and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
