"""What a function of a user's may raise or return: everything that Python allows."""

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn


def refuse(*_: Any, **__: Any) -> NoReturn:
    """What the methods below do."""
    raise SystemExit("made-up personal data")


class Untouchable:
    """Raises whatever it is asked."""

    __str__ = __repr__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __format__ = refuse
    __class__ = property(refuse)

    def __getattr__(self, name: str) -> NoReturn:
        raise KeyboardInterrupt(name)


class UntouchableText(str):
    """A text whose methods all raise."""

    __slots__ = ()
    __str__ = __repr__ = __len__ = __eq__ = __hash__ = __getitem__ = __format__ = refuse
    encode = __contains__ = __add__ = refuse


class UntouchableNumber(int):
    """A number whose methods all raise."""

    __str__ = __repr__ = __int__ = __index__ = __bool__ = __eq__ = __hash__ = __format__ = refuse


class UntouchableTime(datetime):
    """A time whose methods all raise."""

    astimezone = replace = isoformat = utcoffset = __str__ = __repr__ = __hash__ = refuse


class LyingMapping(Mapping[str, Any]):
    """Raises when it is looked into."""

    __getitem__ = __iter__ = __len__ = items = keys = values = refuse


class Endless(Mapping[str, Any]):
    """Has attributes without an end."""

    def __getitem__(self, name: str) -> str:
        return name

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield str(number)

    def __len__(self) -> int:
        return 1


class UntouchableError(Exception):
    """An exception that cannot be described."""

    __str__ = __repr__ = refuse
    __traceback__ = property(refuse)


def cycle() -> dict[str, Any]:
    """A value that holds itself."""
    value: dict[str, Any] = {}
    value["self"] = value
    return value


RAISED: dict[str, BaseException | type[BaseException]] = {
    "SystemExit": SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt(),
    "CancelledError": asyncio.CancelledError(),
    "GeneratorExit": GeneratorExit(),
    "BaseException": BaseException("made-up personal data"),
    "StopIteration": StopIteration(1),
    "StopAsyncIteration": StopAsyncIteration(),
    "TimeoutError": TimeoutError(),
    "MemoryError": MemoryError(),
    "RecursionError": RecursionError(),
    "ExceptionGroup": ExceptionGroup("made-up personal data", [ValueError()]),
    "UntouchableError": UntouchableError,
    "surrogate": ValueError("\ud800"),
}

RETURNED: dict[str, Callable[[], Any]] = {
    "object": object,
    "untouchable": Untouchable,
    "NaN": lambda: math.nan,
    "text": lambda: "text",
    "bytes": lambda: b"bytes",
    "class": lambda: dict,
    "generator": lambda: (number for number in range(3)),
    "lying mapping": LyingMapping,
    "exception": SystemExit,
    "list": lambda: [1, 2],
    "function": lambda: refuse,
}
"""Makes what is neither EventFields nor a mapping of attributes. Tests go by the names: pytest looks at parameters."""
