"""A small document in the shared cache: read it, replace it if nobody else has, keep what a newer version added."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from worker.ports import SharedCache


class Content(Protocol):
    """What a document holds, as a value. Made without arguments it is empty."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The value of a JSON object; fields that it does not know are passed over.

        Raises ValueError, TypeError, KeyError, AttributeError or OverflowError when a field of its own is malformed.
        """

    def to_fields(self) -> dict[str, Any]:
        """All its fields, as they go into the JSON object."""


T = TypeVar("T", bound=Content)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A document as it was read or written."""

    value: T
    version: str | None = None
    """As ports.CacheEntry; None when the cache has no such document."""
    unknown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Fields that another version of the service wrote, kept for it."""

    @property
    def exists(self) -> bool:
        """Whether the cache has the document."""
        return self.version is not None


class Document(Generic[T]):
    """One key of the shared cache that holds a `T`. Versions of the service share it, so fields are only ever added."""

    def __init__(self, cache: SharedCache, key: str, kind: type[T]) -> None:
        self._cache = cache
        self._key = key
        self._kind = kind

    async def read(self) -> Snapshot[T]:
        """The document now; malformed content yields an empty value. Raises errors.SharedCacheError."""
        entry = await self._cache.get(self._key)
        if entry is None:
            return Snapshot(self._kind())
        value, unknown = self._parse(entry.content)
        return Snapshot(value, entry.version, unknown)

    async def replace(self, seen: Snapshot[T], value: T, *, seconds: float) -> Snapshot[T] | None:
        """Write `value` in place of what was `seen` and keep it for so many seconds; None when somebody was faster.

        Raises errors.SharedCacheError; then it may have been written or not.
        """
        content = json.dumps({**value.to_fields(), **seen.unknown}, separators=(",", ":"))
        entry = await self._cache.put(self._key, content, expected=seen.version, seconds=seconds)
        return None if entry is None else Snapshot(value, entry.version, seen.unknown)

    def _parse(self, content: str) -> tuple[T, Mapping[str, Any]]:
        try:
            fields = json.loads(content)
            value = self._kind.from_fields(fields)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return self._kind(), {}
        known = value.to_fields().keys()
        return value, {name: content for name, content in fields.items() if name not in known}


def finite(value: Any) -> float:
    """A number of a document, which is neither infinite nor NaN. Raises ValueError, TypeError or OverflowError."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a number in the shared cache is not finite")
    return number
