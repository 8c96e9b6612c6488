"""One JSON object per line on stdout, for our own lines and for the libraries' warnings.

No line holds a payload, a token, a secret or personal data, at any level: libraries stay at `warning`, because their
debug lines hold whole requests, and an exception is written as its type and its frames: its text may quote data.
"""

import contextlib
import logging
import sys
import traceback
from typing import Any, Literal, Protocol, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from worker.printable import printable


class _Stdout:
    """Standard output that never fails: a full disk or a closed pipe costs lines, not the service."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return sys.stdout.write(text)
        return 0

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()


class LineOutput(Protocol):
    """Where lines go; each call brings whole ones."""

    def write(self, text: str, /) -> int: ...
    def flush(self) -> None: ...


def configure_logging(
    level: str = "info", form: Literal["json", "console"] | None = None, output: LineOutput | None = None
) -> None:
    """Set up structlog and the standard library's logging.

    `form` None: console on a terminal, else JSON. `output` None: standard output, which may block.
    """
    stream = cast("TextIO", output or _Stdout())
    console = form == "console" or (form is None and sys.stdout.isatty())
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _frames_only,
    ]
    render = _console() if console else [structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _frames_only, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _console() -> list[Processor]:
    """Lines for a person. JSON needs no such care: it escapes whatever is not ASCII."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return [_printable_only, renderer]


def _printable_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Names and values as text without control characters; the frames of an exception on lines of their own."""
    chain: Any = event.pop("exception", ())
    clean = {
        printable(str(name)): printable(value if isinstance(value, str) else repr(value))
        for name, value in event.items()
    }
    if chain:
        lines = [line for each in chain for line in (each["type"], *(f"  {frame}" for frame in each["frames"]))]
        clean["exception"] = "\n".join(map(printable, lines))
    return clean


def _frames_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """`exc_info` as exception types and code places, without the exceptions' texts."""
    info: Any = event.pop("exc_info", None)
    if not info:
        return event
    error = sys.exception() if info is True else info[1] if isinstance(info, tuple) else info
    chain = []
    while isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        chain.append({"type": type(error).__name__, "frames": places})
        error = error.__cause__ or error.__context__
    event["exception"] = chain
    return event
