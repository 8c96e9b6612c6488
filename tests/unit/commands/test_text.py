"""Tables and progress lines on a terminal and in a pipe."""

import io
from datetime import timedelta

import pytest

from worker.commands.text import Progress, age, printable, table


def test_a_table_that_fits_has_one_line_a_row() -> None:
    assert table(("A", "LONG"), [("1", "2"), ("333", "4")], 80) == "A    LONG\n1    2\n333  4"


def test_a_table_that_does_not_fit_puts_its_last_columns_on_a_second_line() -> None:
    rows = [("12s", "x" * 30, "y" * 36)]
    lines = table(("AGE", "ERROR", "MESSAGE"), rows, 60).splitlines()
    assert lines == ["AGE  ERROR", "    MESSAGE", f"12s  {'x' * 30}", f"    {'y' * 36}"]


def test_a_pipe_gets_every_column_on_one_line() -> None:
    assert "\n" not in table(("x" * 200, "y" * 200), [], None)


def test_control_characters_are_shown_and_not_sent_to_the_terminal() -> None:
    assert printable("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\x202ec\\x0ad"
    assert printable("a\nb", keep="\n") == "a\nb"
    assert printable("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (59, "59s"), (60, "1m00s"), (7500, "2h05m"), (273_600, "3d04h")]
)
def test_an_age_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_redraws_one_line_and_clears_it() -> None:
    terminal = Terminal()
    with Progress("redriven", 200, terminal) as progress:
        progress.update(50, "1 failed")
    assert terminal.getvalue() == "\rredriven 50 of about 200 [#####               ]  25%  1 failed\x1b[K\r\x1b[K"


def test_progress_of_a_quick_command_leaves_a_pipe_clean() -> None:
    pipe = io.StringIO()
    with Progress("redriven", 200, pipe) as progress:
        progress.update(50)
    assert pipe.getvalue() == ""


def test_a_cell_of_a_table_is_made_printable() -> None:
    assert table(("A", "B"), [("1\x1b[2J", "2")], None) == "A         B\n1\\x1b[2J  2"
