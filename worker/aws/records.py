"""The record of each interaction in DynamoDB: `record.py`'s two orders, said in conditions that DynamoDB checks.

Stored times have one width and one offset, so the order of the texts is the order of the instants.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from worker.aws.attributes import encode
from worker.aws.errors import AWS_ERRORS, Kind, error_code, kind_of
from worker.clock import Clock
from worker.errors import NotConfirmedError, StoreRefused, StoreThrottled, StoreUnavailable
from worker.events import RECONCILE, InteractionEvent, made_up_id, parse_time, utc_text
from worker.ports import Details, Kept
from worker.record import Coverage, Freshness, Known, coverage, newer
from worker.trouble import Trouble

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

    Attributes = dict[str, AttributeValueTypeDef]

log = structlog.get_logger()

DAY_SECONDS = 86_400

EXPIRY = "expiresAt"
"""The attribute by which DynamoDB expires an item: seconds since the epoch."""

_OWN = frozenset({"interactionId", "startTime", "channels", "processedAt", "eventType", "eventTime", "eventId", EXPIRY})
"""Attributes that the service writes itself, so that no user's function may."""

_OWN_LATER = frozenset({"detailsAt", "endTime", "complete", "erasedAt"})
"""Those that 0.1.0 did not write: a function made for it may return one of them, and its interactions must not fail."""

_EVENT_FIELDS = ("eventType", "eventTime", "eventId")

DECISIVE = "interactionId, eventTime, eventType, detailsAt, complete, erasedAt"
"""What `Known` is made of."""

_BOTH_NEWER = (
    "attribute_not_exists(interactionId) OR "
    "(eventTime < :eventTime AND (attribute_not_exists(detailsAt) OR detailsAt < :detailsAt))"
)

_ROUNDS = 5
"""Tries of a write that another writer of the same item gets ahead of."""


class Records:
    """`ports.Store` and `ports.Items` on a table with the partition key `interactionId`."""

    def __init__(
        self, client: "DynamoDBClient", table: str, fresh: Freshness, clock: Clock, *, ttl_days: int = 0
    ) -> None:
        self._client = client
        self._table = table
        self._fresh = fresh
        self._clock = clock
        self._ttl_days = ttl_days
        self._told_of: set[str] = set()
        self._denied = Trouble(clock, begins="update_item_denied", ends="update_item_allowed")

    async def probe(self) -> None:
        """Raises errors.NotConfirmedError unless the table answers."""
        try:
            await self._client.describe_table(TableName=self._table)
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error

    async def probe_write(self) -> None:
        """Try a write that changes nothing. Raises StoreUnavailable unless the table would take an item."""
        nobody: Attributes = {"interactionId": {"S": made_up_id()}}
        await self._write(nobody, "attribute_exists(interactionId)", {})

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        """As ports.Store.put: nearly always one conditional put, and a merge with what is there where it is refused."""
        item = self._item(event, details)
        condition, values = _BOTH_NEWER, {name: item[name[1:]] for name in (":eventTime", ":detailsAt")}
        if event.event_type == RECONCILE:
            condition, values = "attribute_not_exists(interactionId)", {}
        stored = await self._write(item, condition, values)
        for _ in range(_ROUNDS):
            if stored is None:
                return Kept(_known(item), details=True, event=True)
            known = _known(stored)
            change = newer(known, event, details.asked_at)
            if change.nothing:
                return Kept(known, details=False, event=False)
            # Only what is newer replaces what is there; nothing of older details, or of another transform, stays.
            merged = item if change.details else {**stored, **self._expiry()}
            kept_event = item if change.event else stored
            merged = merged | {name: kept_event[name] for name in _EVENT_FIELDS if name in kept_event}
            seen, seen_values = _as_seen(stored)
            stored = await self._write(merged, seen, seen_values)
            if stored is None:
                return Kept(_known(merged), details=change.details, event=change.event)
        raise StoreUnavailable("DynamoDB: the item changed with every try")

    async def look(self, interaction_ids: Collection[str]) -> Mapping[str, Known]:
        """As ports.Items.look. Not consistent, for half the price: an old item leads to an execution too many."""
        keys: list[dict[str, Any]] = [{"interactionId": {"S": one}} for one in dict.fromkeys(interaction_ids)]
        try:
            answer = await self._client.batch_get_item(
                RequestItems={self._table: {"Keys": keys, "ProjectionExpression": DECISIVE}}
            )
        except AWS_ERRORS as error:
            raise NotConfirmedError(error_code(error)) from error
        # A table named by its ARN may be answered under its name.
        items = [item for found in answer.get("Responses", {}).values() for item in found]
        return {item["interactionId"]["S"]: _known(item) for item in items}

    async def settle(self, event: InteractionEvent) -> bool:
        """As ports.Items.settle: one update, which makes no item and changes none that does not cover the event."""
        values: Attributes = {
            ":eventType": {"S": event.event_type},
            ":eventTime": {"S": utc_text(event.time)},
            ":eventId": {"S": event.event_id},
            ":covers": {"S": utc_text(_up_to_milliseconds(event.time + self._fresh.lag))},
        }
        condition = "eventTime < :eventTime AND detailsAt >= :covers"
        if self._fresh.ends(event.event_type):
            condition += " AND (complete = :complete OR detailsAt >= :final)"
            values[":complete"] = {"BOOL": True}
            values[":final"] = {"S": utc_text(_up_to_milliseconds(event.time + self._fresh.final_wait))}
        assignments = [f"{name} = :{name}" for name in _EVENT_FIELDS]
        for name, value in self._expiry().items():
            assignments.append(f"{name} = :{name}")
            values[f":{name}"] = value
        try:
            await self._client.update_item(
                TableName=self._table,
                Key={"interactionId": {"S": event.interaction_id}},
                UpdateExpression=f"SET {', '.join(assignments)}",
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            if kind_of(code) is Kind.DENIED:
                # A new image before its policy: an execution writes the item as well.
                self._denied.failed(code, "each covered event that is its interaction's newest starts an execution")
                return False
            if kind_of(code) is not Kind.CONDITION_FAILED:
                raise NotConfirmedError(code) from error
            stored = _old_item(error)
            return stored is not None and coverage(_known(stored), event, self._fresh) is Coverage.COVERED
        self._denied.succeeded()
        return True

    async def _write(self, item: "Attributes", condition: str, values: "Attributes") -> "Attributes | None":
        """Put `item` on `condition`: None when it was written, else what is there (empty: nothing any more)."""
        given: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        try:
            await self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=condition,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **given,
            )
        except AWS_ERRORS as error:
            code = error_code(error)
            if kind_of(code) is Kind.CONDITION_FAILED:
                return _old_item(error) or {}
            raise _store_error(code) from error
        return None

    def _item(self, event: InteractionEvent, details: Details) -> "Attributes":
        reconciled = event.event_type == RECONCILE
        item: Attributes = {
            "interactionId": {"S": event.interaction_id},
            "startTime": {"S": utc_text(details.start_time)},
            "channels": {"L": [{"S": channel} for channel in details.channels]},
            "processedAt": {"S": utc_text(datetime.fromtimestamp(self._clock.time(), UTC))},
            "eventType": {"S": event.event_type},
            # So that any event of Genesys Cloud is newer.
            "eventTime": {"S": utc_text(details.start_time if reconciled else event.time)},
            "eventId": {"S": event.event_id},
            "detailsAt": {"S": utc_text(details.asked_at)},
            "complete": {"BOOL": details.end_time is not None},
            **self._expiry(),
        }
        if details.end_time is not None:
            item["endTime"] = {"S": utc_text(details.end_time)}
        if details.attributes:
            item |= encode(self._without_own(details.attributes), reserved=_OWN)
        return item

    def _without_own(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        taken = attributes.keys() & _OWN_LATER
        if not taken:
            return attributes
        if taken - self._told_of:
            self._told_of |= taken
            detail = "the service writes it itself; let DETAILS_TRANSFORM return another name"
            log.warning("attribute_not_written", attributes=sorted(taken), detail=detail)
        return {name: value for name, value in attributes.items() if name not in taken}

    def _expiry(self) -> "Attributes":
        if not self._ttl_days:
            return {}
        return {EXPIRY: {"N": str(int(self._clock.time()) + self._ttl_days * DAY_SECONDS)}}


def _store_error(code: str) -> StoreUnavailable:
    match kind_of(code):
        case Kind.REFUSED:
            return StoreRefused("DynamoDB refuses the item; does the table have the key interactionId (S)?")
        case Kind.THROTTLED:
            return StoreThrottled(f"DynamoDB takes no more at the moment: {code}")
        case _:
            return StoreUnavailable(f"DynamoDB did not confirm the item: {code}")


def _known(item: "Mapping[str, AttributeValueTypeDef]") -> Known:
    """What decides of an item, however it was written; an unreadable time counts as missing."""
    return Known(
        event_time=read_time(item.get("eventTime")),
        event_type=item.get("eventType", {}).get("S", ""),
        details_at=read_time(item.get("detailsAt")),
        complete=item.get("complete", {}).get("BOOL", False),
        erased="erasedAt" in item,
    )


def read_time(attribute: "AttributeValueTypeDef | None") -> datetime | None:
    """A stored time; None where it is missing or unreadable."""
    try:
        return parse_time(attribute["S"]) if attribute else None
    except (KeyError, ValueError):
        return None


def _as_seen(item: "Mapping[str, AttributeValueTypeDef]") -> tuple[str, "Attributes"]:
    """The condition that the item is still this one, or still missing where it is empty."""
    if not item:
        return "attribute_not_exists(interactionId)", {}
    names = ("eventTime", "detailsAt", "processedAt")
    values = {f":{name}": item[name] for name in names if name in item}
    parts = [f"{name} = :{name}" if name in item else f"attribute_not_exists({name})" for name in names]
    return " AND ".join(parts), values


def _old_item(error: BaseException) -> "Attributes | None":
    """The item that failed a condition, as the answer brings it."""
    return getattr(error, "response", {}).get("Item")


def _up_to_milliseconds(moment: datetime) -> datetime:
    """Rounded up, as stored times are cut to milliseconds."""
    return moment if moment.microsecond % 1000 == 0 else moment + timedelta(milliseconds=1)
