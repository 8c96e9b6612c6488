"""Nothing that is under way brings an erased conversation back."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.integration.erase.world import FRESH, ID, World, details, event, is_tombstone
from tests.support.stack import item_of
from worker.aws.archive import ArchivingStore
from worker.aws.records import Records
from worker.clock import SystemClock
from worker.events import RECONCILE, InteractionEvent
from worker.ports import Details, Kept

if TYPE_CHECKING:
    pass


async def test_two_runs_at_once_erase_it_together(world: World) -> None:
    await world.store().put(event(), details())
    await world.aws.failed(ID)
    places = await asyncio.gather(*(world.tombstones().put(ID) for _ in range(5)))
    assert [one.item for one in places].count(True) == 1
    assert [one.tombstone for one in places].count(True) == 4
    assert is_tombstone(await item_of(world.stack, ID))


async def test_of_two_tombstones_the_one_that_is_kept_longer_stays(world: World) -> None:
    async def expiry() -> int | None:
        item = await item_of(world.stack, ID) or {}
        return int(item["expiresAt"]["N"]) if "expiresAt" in item else None

    now = int(datetime.now(UTC).timestamp())
    found = []
    for days in (30, 60, 10, 0, 90):
        await world.tombstones(days).put(ID)
        left = await expiry()
        found.append(None if left is None else round((left - now) / 86_400))
    assert found == [30, 60, 60, None, None]


async def test_no_event_that_may_come_replaces_a_tombstone_for_a_worker_of_the_first_release(world: World) -> None:
    await world.tombstones().put(ID)
    with pytest.raises(world.clients.dynamodb.exceptions.ConditionalCheckFailedException):
        await world.clients.dynamodb.put_item(
            TableName=world.stack.settings["INTERACTION_TABLE_NAME"],
            Item={"interactionId": {"S": ID}, "startTime": {"S": "x"}},
            ConditionExpression="attribute_not_exists(eventTime) OR eventTime < :eventTime",
            ExpressionAttributeValues={":eventTime": {"S": "9999-12-31T23:59:59.999Z"}},
        )


async def test_an_item_whose_transform_once_wrote_the_tombstones_attribute_is_erased_like_any(world: World) -> None:
    await world.store().put(event(), details())
    await world.clients.dynamodb.update_item(
        TableName=world.stack.settings["INTERACTION_TABLE_NAME"],
        Key={"interactionId": {"S": ID}},
        UpdateExpression="SET erasedAt = :x",
        ExpressionAttributeValues={":x": {"S": "mine"}},
    )
    assert (await world.tombstones().put(ID)).item
    assert is_tombstone(await item_of(world.stack, ID))


@dataclass
class Raced:
    """A table before which, when an attempt comes to it, the conversation is erased."""

    table: Records
    world: World

    async def put(self, what: InteractionEvent, found: Details) -> Kept:
        assert (await self.world.erase(what.interaction_id, "--yes"))[0] == 0
        return await self.table.put(what, found)

    async def probe_write(self) -> None:
        await self.table.probe_write()


@pytest.mark.parametrize("known", [False, True], ids=["no item", "an item"])
@pytest.mark.parametrize("event_type", ["customer.end", RECONCILE])
async def test_an_attempt_between_its_document_and_its_item_brings_nothing_back(
    event_type: str, known: bool, world: World
) -> None:
    if known:
        await world.store().put(event(second=1), details(1))
    late = ArchivingStore(Raced(world.table(), world), world.s3, f"s3://{world.bucket}/kept")
    kept = await late.put(event(second=9, event_type=event_type), details(9))
    assert (kept.known.erased, kept.details, kept.event) == (True, False, False)
    assert is_tombstone(await item_of(world.stack, ID))
    assert await world.archived() == []


async def test_an_attempt_after_the_tombstone_takes_back_what_it_archived_and_what_a_killed_one_left(
    world: World,
) -> None:
    await world.tombstones().put(ID)
    killed = ArchivingStore(_Killed(world.table()), world.s3, f"s3://{world.bucket}/kept")
    with pytest.raises(RuntimeError):
        await killed.put(event(), details(5))
    assert len(await world.archived()) == 1
    for second in (9, 4):  # newer than the one that is left, and older, so that it archives nothing itself
        kept = await world.store().put(event(), details(second))
        assert kept.known.erased
        assert await world.archived() == []
        with pytest.raises(RuntimeError):
            await killed.put(event(), details(5))


class _Killed:
    """A table that no attempt reaches."""

    def __init__(self, table: Records) -> None:
        self.probe_write = table.probe_write

    async def put(self, _event: InteractionEvent, _details: Details) -> Kept:
        raise RuntimeError("killed")


async def test_an_attempt_that_merges_with_an_item_loses_to_a_tombstone(world: World) -> None:
    await world.table().put(event(second=9), details(1))

    class Merging(Records):
        async def _write(self, *arguments: Any) -> Any:
            stored = await super()._write(*arguments)
            await world.tombstones().put(ID)
            return stored

    slow = Merging(world.clients.dynamodb, world.stack.settings["INTERACTION_TABLE_NAME"], FRESH, SystemClock())
    kept = await slow.put(event(second=1), details(5))
    assert kept.known.erased
    assert is_tombstone(await item_of(world.stack, ID))


async def test_where_the_archive_keeps_the_document_the_attempt_succeeds_and_says_what_to_do(world: World) -> None:
    await world.tombstones().put(ID)
    retention: Any = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    lock: Any = {"ObjectLockEnabled": "Enabled", "Rule": retention}
    await world.s3.put_object_lock_configuration(Bucket=world.bucket, ObjectLockConfiguration=lock)
    with capture_logs() as logs:
        kept = await world.store().put(event(), details())
    assert kept.known.erased
    ((told, level),) = [(line["event"], line["log_level"]) for line in logs]
    assert (told, level) == ("erased_document_left", "error")
    assert len(await world.archived()) == 1


async def test_a_bucket_without_versions_keeps_nothing_either(world: World) -> None:
    plain = replace(world, bucket=f"{world.bucket}-plain")
    await world.s3.create_bucket(Bucket=plain.bucket)
    world.aws.environment["ARCHIVE_URL"] = f"s3://{plain.bucket}/kept"
    await plain.store().put(event(), details())
    assert "an item, 1 archived version" in (await plain.erase(ID, "--yes"))[1]
    assert await plain.archived() == []
    await plain.store().put(event(), details())
    assert await plain.archived() == []
