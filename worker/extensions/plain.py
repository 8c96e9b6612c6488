"""Copies of JSON values that consist of Python's own types, so that reading them runs no code of the user's."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

_DEEPEST = 40
"""Levels of a value that is returned; DynamoDB nests up to 32."""

_LARGEST = 400 * 1024
"""Characters and values together; DynamoDB's largest item has as many bytes, and each of them takes one or more."""


class UnusableValueError(ValueError):
    """A value that no item holds."""


def copy_json(value: Any) -> Any:
    """A copy of what a JSON parser made."""
    if isinstance(value, dict):
        return {name: copy_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [copy_json(part) for part in value]
    return value


def plain_attributes(returned: Mapping[Any, Any]) -> dict[str, Any]:
    """`returned`, whatever classes it is made of, as Python's own.

    Raises UnusableValueError, which names the attribute and never its value; and whatever reading the value raises.
    """
    attributes = {}
    size = _Size()
    for name, value in _named(returned, size):
        try:
            attributes[name] = _plain(value, _DEEPEST, size)
        except UnusableValueError as error:
            raise UnusableValueError(f"attribute {name[:100]!a}: {error}") from None
    return attributes


def plain_text(text: str) -> str:
    """A text, also of a class that is derived from str, as a str."""
    return str.__str__(text)


class _Size:
    """How much was copied."""

    def __init__(self) -> None:
        self._left = _LARGEST

    def add(self, more: int) -> None:
        self._left -= more
        if self._left < 0:
            raise UnusableValueError(f"more than the {_LARGEST} bytes of an item")


def _named(mapping: Mapping[Any, Any], size: _Size) -> Iterator[tuple[str, Any]]:
    for name, value in mapping.items():
        if not isinstance(name, str):
            raise UnusableValueError("a name that is not a text")
        size.add(len(name))
        yield plain_text(name), value


def _plain(value: Any, levels: int, size: _Size) -> Any:
    size.add(1)
    if levels == 0:
        raise UnusableValueError("nested too deep")
    if isinstance(value, list | tuple):
        return [_plain(part, levels - 1, size) for part in value]
    if isinstance(value, Mapping):
        return {name: _plain(part, levels - 1, size) for name, part in _named(value, size)}
    return _scalar(value, size)


def _scalar(value: Any, size: _Size) -> Any:
    match value:
        case None | True | False:
            return value
        case str():
            text = plain_text(value)
            size.add(len(text))
            return text
        case int():
            return int.__index__(value)
        case float():
            return float.__float__(value)
        case Decimal():
            return Decimal(value)
    raise UnusableValueError(f"{type(value).__name__} is not a JSON value")
