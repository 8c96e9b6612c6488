"""The record of each interaction in DynamoDB."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.aws.attributes import encode
from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.errors import Invalid, NotConfirmedError, StoreUnavailable
from worker.events import InteractionEvent, utc_text
from worker.ports import Details

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

_DAY_SECONDS = 86_400

_EXPIRY = "expiresAt"

_NEWER_ONLY = "attribute_not_exists(eventTime) OR eventTime < :eventTime"
"""Stored times have one width and one offset, so the order of the texts is the order of the instants. On a tie, which
the same event delivered twice is, the stored item stays."""


class DynamoDbStore:
    """`ports.Store` on a table with the partition key `interactionId`."""

    def __init__(
        self, client: "DynamoDBClient", table: str, *, ttl_days: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._table = table
        self._ttl_days = ttl_days
        self._clock = clock

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the table answers."""
        try:
            await self._client.describe_table(TableName=self._table)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error

    async def put(self, event: InteractionEvent, details: Details) -> bool:
        item = self._item(event, details)
        try:
            await self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=_NEWER_ONLY,
                ExpressionAttributeValues={":eventTime": item["eventTime"]},
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            kind = kind_of(code)
            if kind is Kind.CONDITION_FAILED:
                return False
            if kind is Kind.REFUSED:
                raise Invalid("DynamoDB refuses the item; does the table have the key interactionId (S)?") from error
            raise StoreUnavailable(f"DynamoDB did not confirm the item: {code}") from error
        return True

    def _item(self, event: InteractionEvent, details: Details) -> "dict[str, AttributeValueTypeDef]":
        now = self._clock()
        item: dict[str, AttributeValueTypeDef] = {
            "interactionId": {"S": event.interaction_id},
            "startTime": {"S": utc_text(details.start_time)},
            "channels": {"L": [{"S": channel} for channel in details.channels]},
            "processedAt": {"S": utc_text(datetime.fromtimestamp(now, UTC))},
            "eventType": {"S": event.event_type},
            "eventTime": {"S": utc_text(event.time)},
            "eventId": {"S": event.event_id},
        }
        if self._ttl_days:
            item[_EXPIRY] = {"N": str(int(now) + self._ttl_days * _DAY_SECONDS)}
        if details.attributes:
            item |= encode(details.attributes, reserved={*item, _EXPIRY})
        return item
