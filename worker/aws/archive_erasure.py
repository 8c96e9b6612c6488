"""Removes what the archive has of an interaction: every version and every delete marker."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from worker.aws.archive import object_key
from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_AT_ONCE = 32
"""Calls at the same time."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of one interaction's objects."""

    versions: int = 0
    """Removed ones, without delete markers."""
    problem: str = ""
    """Why something is left; empty where nothing is."""


class ArchiveErasure:
    """The archive, as `erase` sees it."""

    def __init__(self, client: "S3Client", url: str, *, every_call: Mapping[str, Any] | None = None) -> None:
        """`url` is s3://BUCKET/PREFIX; `every_call` has the further arguments of each call."""
        parts = urlsplit(url)
        self._client = client
        self._bucket: dict[str, Any] = {"Bucket": parts.netloc, **(every_call or {})}
        self._prefix = parts.path.strip("/")
        self._calls = asyncio.Semaphore(_AT_ONCE)

    async def remove(self, interaction_id: str, days: Iterable[date]) -> Removed:
        """Remove the interaction's object of each of the days (UTC), whatever of it can be removed."""
        keys = [object_key(self._prefix, interaction_id, day) for day in days]
        parts = await asyncio.gather(*(self._remove(key) for key in keys))
        problems = [part.problem for part in parts if part.problem]
        return Removed(sum(part.versions for part in parts), problems[0] if problems else "")

    async def _remove(self, key: str) -> Removed:
        removed, problem = 0, ""
        async with self._calls:
            try:
                versions = await self._versions(key)
            except AWS_ERRORS as error:
                return Removed(problem=_problem(error, "s3:ListBucketVersions"))
            for version, is_marker in versions:
                try:
                    await self._client.delete_object(**self._bucket, Key=key, VersionId=version)
                except AWS_ERRORS as error:
                    problem = _problem(error, "s3:DeleteObjectVersion")
                else:
                    removed += not is_marker
        return Removed(removed, problem)

    async def _versions(self, key: str) -> list[tuple[str, bool]]:
        """The object's versions, and whether each is a delete marker. Raises AWS_ERRORS."""
        found = []
        async for page in self._client.get_paginator("list_object_versions").paginate(**self._bucket, Prefix=key):
            # Other keys may begin with this one.
            found += [(one["VersionId"], False) for one in page.get("Versions", []) if one["Key"] == key]
            found += [(one["VersionId"], True) for one in page.get("DeleteMarkers", []) if one["Key"] == key]
        return found


def _problem(error: BaseException, permission: str) -> str:
    code = error_code(error)
    if kind_of(code) is not Kind.DENIED:
        return f"S3 did not confirm: {code}"
    return f"S3 refuses it ({code}): the object is under a lock or a legal hold, or {permission} is missing"
