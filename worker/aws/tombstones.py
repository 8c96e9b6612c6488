"""What stays in the table of an erased interaction: an item with no details, which no version replaces."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.aws.records import DAY_SECONDS, EXPIRY, read_time
from worker.clock import Clock
from worker.errors import NotConfirmedError
from worker.events import utc_text

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

TOMBSTONE_TIME = "9999-12-31T23:59:59.999Z"
"""The `eventTime` of a tombstone: the largest text that a time is stored as. 0.1.0 knows no tombstones, but replaces
nothing by an event that is not newer."""

_NO_TOMBSTONE = "attribute_not_exists(erasedAt) OR attribute_exists(startTime)"
"""An item with a start is no tombstone, even if a user's function for 0.1.0 gave it an attribute `erasedAt`."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What was there before a tombstone."""

    item: bool = False
    tombstone: bool = False
    """The interaction was erased before."""
    start: datetime | None = None
    """When the interaction started; None: the item does not say, or there was none."""


class Tombstones:
    """Writes tombstones into a table with the partition key `interactionId`."""

    def __init__(self, client: "DynamoDBClient", table: str, clock: Clock, *, days: int) -> None:
        """`days`: how long they are kept; 0: for ever."""
        self._client = client
        self._table = table
        self._clock = clock
        self._days = days

    async def put(self, interaction_id: str) -> Replaced:
        """Put a tombstone over whatever is there, in one write; of two tombstones the one that is kept longer stays.

        Raises errors.NotConfirmedError.
        """
        now = self._clock.time()
        item: dict[str, AttributeValueTypeDef] = {
            "interactionId": {"S": interaction_id},
            "erasedAt": {"S": utc_text(datetime.fromtimestamp(now, UTC))},
            "eventTime": {"S": TOMBSTONE_TIME},
        }
        condition = f"{_NO_TOMBSTONE} OR attribute_exists({EXPIRY})"
        given: dict[str, Any] = {}
        if self._days:
            item[EXPIRY] = {"N": str(int(now) + self._days * DAY_SECONDS)}
            condition = f"{_NO_TOMBSTONE} OR {EXPIRY} < :{EXPIRY}"
            given = {"ExpressionAttributeValues": {f":{EXPIRY}": item[EXPIRY]}}
        try:
            answer = await self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=condition,
                ReturnValues="ALL_OLD",
                **given,
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            if kind_of(code) is Kind.CONDITION_FAILED:
                return Replaced(tombstone=True)
            raise NotConfirmedError(code) from error
        old = answer.get("Attributes", {})
        tombstone = "erasedAt" in old and "startTime" not in old
        return Replaced(bool(old) and not tombstone, tombstone, read_time(old.get("startTime")))
