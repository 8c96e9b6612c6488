"""`--env-file`: every value reaches the settings as it stands in the file, and no message holds one."""

import os
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import env_file
from worker.settings import SettingsError

_NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=20)
_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=40)


@given(settings=st.dictionaries(_NAMES, _VALUES), quote=st.sampled_from("\"'"))
def test_a_quoted_value_is_read_as_it_was_written(settings: dict[str, str], quote: str) -> None:
    text = "".join(f"{name}={quote}{value}{quote}\n" for name, value in settings.items())
    assert env_file.parse(text, "file") == settings


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("NAME=", ""),
        ("  NAME = value  ", "value"),
        ("NAME=value # no comment", "value # no comment"),
        ("NAME=#value", "#value"),
        ("NAME=a=b", "a=b"),
        ("NAME=$HOME ${HOME}", "$HOME ${HOME}"),
        (r"NAME=a\nb", r"a\nb"),
        ('NAME="a b "', "a b "),
        ("NAME=''", ""),
        ("NAME=\"'value'\"", "'value'"),
        ("NAME=\"value'", "\"value'"),
        ('NAME="', '"'),
        ("NAME=value\r", "value"),
        ("# NAME=comment\n\n\t# another\nNAME=value", "value"),
        ("NAME=first\nNAME=last", "last"),
    ],
)
def test_a_line_is_read_as_the_documentation_says(line: str, value: str) -> None:
    assert env_file.parse(line, "file") == {"NAME": value}


@pytest.mark.parametrize(
    "line", ["export NAME=hidden", "hidden", "NA-ME=hidden", "1NAME=hidden", "=hidden", "N=hid\0den"]
)
def test_a_malformed_line_is_told_by_file_and_number_and_never_by_its_content(line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        env_file.parse(f"# first\n{line}\n", "some.env")
    assert str(caught.value).startswith("--env-file: line 2 of some.env is not NAME=value; ")
    assert "hid" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_environment_has_stays_even_when_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEST_SET", "TEST_EMPTY", "TEST_UNSET"):
        monkeypatch.setenv(name, "")  # so that it is taken back after the test
    monkeypatch.setenv("TEST_SET", "environment")
    monkeypatch.delenv("TEST_UNSET")
    path = tmp_path / "file"
    path.write_text("TEST_SET=file\nTEST_EMPTY=file\nTEST_UNSET=file\n")
    env_file.load(path)
    assert [os.environ[name] for name in ("TEST_SET", "TEST_EMPTY", "TEST_UNSET")] == ["environment", "", "file"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_UNSET", "")
    monkeypatch.delenv("TEST_UNSET")
    path = tmp_path / "file"
    path.write_text("TEST_UNSET=file\n", encoding="utf-8-sig")
    env_file.load(path)
    assert os.environ["TEST_UNSET"] == "file"


def test_a_file_that_cannot_be_read_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"NAME=\xe9\n")
    for name, reason in (("none", "No such file"), (".", "directory"), ("latin", "not text in UTF-8")):
        with pytest.raises(SettingsError) as caught:
            env_file.load(tmp_path / name)
        assert str(caught.value).startswith("--env-file: ")
        assert reason in str(caught.value)
