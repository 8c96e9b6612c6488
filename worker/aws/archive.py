"""A second store: the whole details document of each interaction in S3, beside the item in DynamoDB."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.errors import Invalid, StoreUnavailable
from worker.events import NOBODY, InteractionEvent, utc_text
from worker.ports import Details, Kept, ProbedStore

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

log = structlog.get_logger()

_DETAILS_AT = "details-at"
"""Metadata of an object: when its document was asked for. An object of 0.1.0 has none, and is older than any."""

_EVENT_TIME = "event-time"
"""Metadata of an object: the time of the event that it was written for; all that 0.1.0 knows."""

_CHANGED = frozenset({Kind.CONDITION_FAILED, Kind.NO_OBJECT})
"""Somebody else wrote or removed the object since we looked."""

_ROUNDS = 5

_NO_ETAG = '"0"'
"""The ETag of no object."""

_GZIP_LEVEL = 6
"""As the gzip command has it; 9, Python's default, takes twice the time for 1 or 2 % of size."""


class ArchivingStore:
    """A `ports.Store` that archives the document and then lets another store keep the record.

    In this order an item always has its document, as new as its details or newer. One gzipped line of JSON per
    interaction, at PREFIX/year=2026/month=11/day=23/INTERACTION-ID.json.gz, by the day (UTC) that it started.
    """

    def __init__(self, store: ProbedStore, client: "S3Client", url: str) -> None:
        """`url` is s3://BUCKET/PREFIX."""
        parts = urlsplit(url)
        self._store = store
        self._client = client
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._packing = asyncio.Lock()

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        """As ports.Store.put; StoreUnavailable also when S3 did not confirm the document, or that it is gone again."""
        await self._archive(event, details)
        kept = await self._store.put(event, details)
        if kept.known.erased:
            # Not before the write: only the table knows, and only then nothing comes between.
            await self._take_back(event.interaction_id, self.key(event.interaction_id, details.start_time))
        return kept

    async def probe_write(self) -> None:
        """Try a write that changes nothing. Raises StoreUnavailable unless the bucket would take an object."""
        nobody = f"{self._prefix}/{NOBODY}".lstrip("/")
        try:
            # It replaces an object that does not exist.
            await self._client.put_object(Bucket=self._bucket, Key=nobody, Body=b"", IfMatch=_NO_ETAG)
        except AWS_ERRORS as error:
            if kind_of(error_code(error)) not in _CHANGED:
                raise _unavailable(error) from error
        await self._store.probe_write()

    async def _archive(self, event: InteractionEvent, details: Details) -> None:
        """Write, unless a document asked for then or later is there. S3 decides, so no two writers can both win."""
        key = self.key(event.interaction_id, details.start_time)
        async with self._packing:  # one after the other, as it takes a few times the document's size
            body = await asyncio.to_thread(_pack, details.document)
        asked_at = utc_text(details.asked_at)
        condition: dict[str, Any] = {"IfNoneMatch": "*"}
        for _ in range(_ROUNDS):
            try:
                await self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=body,
                    ContentType="application/json",
                    ContentEncoding="gzip",
                    Metadata={_DETAILS_AT: asked_at, _EVENT_TIME: utc_text(event.time)},
                    **condition,
                )
            except AWS_ERRORS as error:
                if kind_of(error_code(error)) not in _CHANGED:
                    raise _unavailable(error) from error
            else:
                return
            etag, there = await self._look(key)
            if there >= asked_at:
                return
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        raise StoreUnavailable("S3: the archived document changed with every try")

    async def _look(self, key: str) -> tuple[str, str]:
        """ETag of the object that is there, and when its document was asked for; empty texts for what is missing."""
        try:
            answer = await self._client.head_object(Bucket=self._bucket, Key=key)
        except AWS_ERRORS as error:
            if kind_of(error_code(error)) is Kind.NO_OBJECT:
                return "", ""
            raise _unavailable(error) from error
        return answer["ETag"], answer["Metadata"].get(_DETAILS_AT, "")

    async def _take_back(self, interaction_id: str, key: str) -> None:
        """Delete the document of an erased interaction: this attempt's, and one of an attempt that was killed before.

        By version, so that a bucket that keeps versions keeps none of it. Where S3 forbids it, another attempt could do
        no more. Raises StoreUnavailable.
        """
        try:
            for _ in range(_ROUNDS):
                answer = await self._client.head_object(Bucket=self._bucket, Key=key)
                # `null` is the one version of an object where none are kept.
                version = answer.get("VersionId") or "null"
                await self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)
        except AWS_ERRORS as error:
            code = error_code(error)
            if kind_of(code) is Kind.NO_OBJECT:
                return
            if kind_of(code) is not Kind.DENIED:
                raise _unavailable(error) from error
            detail = "the archive keeps a document of an erased interaction; run `erase` for it once more"
            log.error("erased_document_left", interaction_id=interaction_id, error=code, detail=detail)  # noqa: TRY400
            return
        raise StoreUnavailable("S3: an erased interaction's document came back with every try")

    def key(self, interaction_id: str, start: datetime) -> str:
        """Where the document of an interaction that started then is."""
        return object_key(self._prefix, interaction_id, start)


def object_key(prefix: str, interaction_id: str, day: date) -> str:
    """Where the document of an interaction is that started on that day (UTC)."""
    folder = f"year={day.year:04}/month={day.month:02}/day={day.day:02}"
    return f"{prefix}/{folder}/{interaction_id}.json.gz".lstrip("/")


def _pack(document: Mapping[str, Any]) -> bytes:
    """One line, so that query engines read it as a row; without a time stamp, so that the same document is the same.

    Raises Invalid for a number that is not JSON, which query engines would stumble over.
    """
    # Half of a surrogate pair has no UTF-8 form: its escape is what JSON has for it.
    try:
        line = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise Invalid("the details hold a number that JSON does not have (NaN, or one beyond its range)") from None
    packed = line.encode("utf-8", "backslashreplace")
    return gzip.compress(packed + b"\n", _GZIP_LEVEL, mtime=0)


def _unavailable(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"S3 did not confirm the archived document: {error_code(error)}")
