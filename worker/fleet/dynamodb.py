"""The shared cache in a DynamoDB table: no new service to run.

The table's partition key is `pk` (S) and its TTL attribute `expiresAt` (N). Only GetItem and PutItem are used.
"""

import math
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.ports import CacheEntry

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import PutItemInputTypeDef

TIMEOUT_SECONDS = 1.0
"""A call usually takes under 10 ms; a worker that waits longer had better go on alone."""

FIRST_TIMEOUT_SECONDS = 5.0
"""The first call comes while the worker opens all its polls, and going on alone then would cost a needless login."""


class DynamoDBCache:
    """One item per key; every write is conditional on the version that was read."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._clock = clock
        self._patience = FIRST_TIMEOUT_SECONDS

    async def get(self, key: str) -> CacheEntry | None:
        """A strongly consistent read; DynamoDB deletes expired items hours late, so the time is compared here."""
        try:
            async with self._in_time():
                answer = await self._client.get_item(TableName=self._table, Key={"pk": {"S": key}}, ConsistentRead=True)
            item: Any = answer.get("Item")
            if not item or float(item["expiresAt"]["N"]) <= self._clock.time():
                return None
            return CacheEntry(item["content"]["S"], item["version"]["S"])
        except (TimeoutError, BotoCoreError, ClientError, KeyError, ValueError) as error:
            raise _unavailable(error) from error

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        """Compare and swap by a condition on the stored version."""
        entry = CacheEntry(content, uuid.uuid4().hex)
        now = self._clock.time()
        put: PutItemInputTypeDef = {
            "TableName": self._table,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            "Item": {
                "pk": {"S": key},
                "content": {"S": content},
                "version": {"S": entry.version},
                "expiresAt": {"N": str(math.ceil(now + seconds))},
            },
        }
        if expected is None:
            put["ConditionExpression"] = "attribute_not_exists(#pk) OR #expiresAt <= :now"
            put["ExpressionAttributeNames"] = {"#pk": "pk", "#expiresAt": "expiresAt"}
            put["ExpressionAttributeValues"] = {":now": {"N": f"{now:.3f}"}}
        else:
            put["ConditionExpression"] = "#version = :expected"
            put["ExpressionAttributeNames"] = {"#version": "version"}
            put["ExpressionAttributeValues"] = {":expected": {"S": expected}}
        try:
            async with self._in_time():
                await self._client.put_item(**put)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise _unavailable(error) from error
            # The client sends again what got no answer: then it is this very write that is in the way.
            found: Any = error.response.get("Item") or {}
            return entry if found.get("version", {}).get("S") == entry.version else None
        except (TimeoutError, BotoCoreError) as error:
            raise _unavailable(error) from error
        return entry

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with self._clock.timeout(self._patience):
                yield
        finally:
            self._patience = TIMEOUT_SECONDS


def _unavailable(error: Exception) -> SharedCacheError:
    """Without the request's parameters, which hold the token."""
    code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
    return SharedCacheError(f"DynamoDB: {code or type(error).__name__}")
