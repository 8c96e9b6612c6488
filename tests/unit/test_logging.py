"""Log lines: JSON, without the text of exceptions, and never the end of the service."""

import asyncio
import gc
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from tests.support.virtual_time import VirtualClock
from worker.app import log_loop_error
from worker.runtime.lifecycle import Lifecycle
from worker.runtime.stopping import Stopping
from worker.telemetry.logging import configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def raise_with_data() -> None:
    raise ValueError("made-up personal data")


def test_an_exception_is_written_as_type_and_frames(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    log = structlog.get_logger()
    try:
        raise_with_data()
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("library failed")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ours["exception"][0]["type"] == theirs["exception"][0]["type"] == "ValueError"
    assert "raise_with_data" in ours["exception"][0]["frames"][-1]
    assert "personal" not in json.dumps([ours, theirs])


def test_libraries_stay_quiet_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    logging.getLogger("botocore.endpoint").debug("whole request")
    structlog.get_logger().debug("ours")
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == ["ours"]


class FullDisk(io.StringIO):
    """Takes nothing."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_does_not_stop_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    configure_logging("info", "json")
    structlog.get_logger().info("lost")
    logging.getLogger("library").warning("lost too")


def test_the_console_passes_no_control_character_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    hostile = "evil\x1b[2J\x9b1A\u202e\u2066\u2028\r\x7f"
    log = structlog.get_logger()
    log.warning(hostile, id=hostile, many=[hostile], odd=OddText(), **{hostile: 1})
    logging.getLogger("library").warning(hostile)
    error: Exception = type(hostile, (Exception,), {})()
    log.error("failed", exc_info=error)
    written = capsys.readouterr().out
    assert written.count("evil\\x1b[2J\\x9b1A\\x202e\\x2066\\x2028\\x0d\\x7f") >= 4
    assert "odd=\\x1b[2J" in written
    assert {c for c in written if not c.isprintable()} == {"\n"}


class OddText:
    """Describes itself in control characters."""

    def __repr__(self) -> str:
        return "\x1b[2J"


def test_the_console_shows_an_exception_as_type_and_frames(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")
    try:
        raise_with_data()
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("library failed")
    written = capsys.readouterr().out
    assert written.count("\nValueError\n") == 2
    assert written.count(" raise_with_data\n") == 2
    assert "personal" not in written


@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_loop_that_died_is_logged_without_the_text_of_its_exception(
    form: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    async def die() -> None:
        raise_with_data()

    configure_logging("info", form)
    clock = VirtualClock()
    life = Lifecycle(Stopping(clock), drain_seconds=1, hand_back_seconds=1, clock=clock)
    assert await life.run({"loop": die}, {}, None) == 1
    output = "".join(capsys.readouterr())
    assert "loop_died" in output
    assert "raise_with_data" in output
    assert "personal" not in output


@pytest.mark.parametrize("form", ["json", "console"])
async def test_an_exception_that_nobody_awaited_is_logged_without_its_text(
    form: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    async def die(_: str) -> None:
        raise_with_data()

    configure_logging("info", form)
    asyncio.get_running_loop().set_exception_handler(log_loop_error)
    forgotten = asyncio.create_task(die("made-up personal data"))
    await asyncio.wait([forgotten])
    del forgotten
    gc.collect()
    output = "".join(capsys.readouterr())
    assert "event_loop_error" in output
    assert "ValueError" in output
    assert "personal" not in output
