"""An EVENT_READER and a DETAILS_TRANSFORM that hang for some interactions, and do odd things for others."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from worker.events import EventFields
from worker.extensions import threads

DEADLINE_SECONDS = 15.0
"""Half of production's, and more than a worker is ever frozen for: what is frozen in a function is not to blame."""

threads.DEADLINE_SECONDS = DEADLINE_SECONDS

READER_HANGS, READER_IS_ODD = "reader-hangs-", "reader-is-odd-"
TRANSFORM_HANGS, TRANSFORM_IS_ODD = "transform-hangs-", "transform-is-odd-"
"""How the ids of such interactions begin."""


class _Odd:
    """Raises whatever one asks of it."""

    def __getattribute__(self, name: str) -> Any:
        raise KeyboardInterrupt


def read(detail: Mapping[str, Any]) -> EventFields | None:
    """The EVENT_READER: leaves all other events to the shapes that are always accepted."""
    name = str(detail.get("interactionId") or detail.get("eventBody", {}).get("conversationId"))
    returned: EventFields | None = _misbehave(name, READER_HANGS, READER_IS_ODD)
    return returned


def attributes(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The DETAILS_TRANSFORM: adds nothing."""
    return _misbehave(document["conversationId"], TRANSFORM_HANGS, TRANSFORM_IS_ODD) or {}


def _misbehave(name: str, hangs: str, is_odd: str) -> Any:
    """As the beginning of the id says, each way in its turn."""
    ways = _HANGS if name.startswith(hangs) else _ODD if name.startswith(is_odd) else ()
    return ways[int(name.rpartition("-")[2]) % len(ways)]() if ways else None


def _wait() -> None:
    threading.Event().wait()


def _spin() -> NoReturn:
    while True:
        pass


def _sleep() -> None:
    time.sleep(2 * DEADLINE_SECONDS)


def _cancel() -> NoReturn:
    raise asyncio.CancelledError


def _end_generator() -> NoReturn:
    raise GeneratorExit


_HANGS: tuple[Callable[[], Any], ...] = (_wait, _sleep, _spin)
_ODD: tuple[Callable[[], Any], ...] = (sys.exit, _cancel, _end_generator, _Odd)
