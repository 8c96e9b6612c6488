"""DynamoDB's conditions say the same as `record.py`, and many writers at once keep both orders."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.stack import Stack
from worker.aws.clients import new_session, open_clients
from worker.aws.records import Records
from worker.clock import SystemClock
from worker.errors import StoreUnavailable
from worker.events import RECONCILE, InteractionEvent, utc_text
from worker.ports import Details
from worker.record import Coverage, Freshness, Known, coverage, is_newest, newer
from worker.telemetry.metrics import PrometheusMetrics

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
FRESH = Freshness(timedelta(seconds=9), frozenset({"customer.end"}), timedelta(seconds=20))
ERASED = {"erasedAt": {"S": utc_text(START)}, "eventTime": {"S": "9999-12-31T23:59:59.999Z"}}


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def event(interaction_id: str, second: int, event_type: str = "acd.end") -> InteractionEvent:
    return InteractionEvent(interaction_id, event_type, at(second), f"{event_type} {second}")


def details(second: int, *, ended: bool = False, **attributes: Any) -> Details:
    """Asked for at `second`; its one attribute is named for it, so that leftovers show."""
    named = {f"asked_{second}": True, **attributes}
    return Details(START, ("voice",), attributes=named, asked_at=at(second), end_time=START if ended else None)


@dataclass(frozen=True, slots=True)
class Table:
    records: Records
    stack: Stack

    @property
    def name(self) -> str:
        return self.stack.settings["INTERACTION_TABLE_NAME"]

    async def item(self, interaction_id: str) -> dict[str, Any]:
        answer = await self.stack.clients.dynamodb.get_item(
            TableName=self.name, Key={"interactionId": {"S": interaction_id}}, ConsistentRead=True
        )
        return dict(answer.get("Item", {}))

    async def write(self, interaction_id: str, attributes: Any) -> None:
        """An item as somebody else wrote it."""
        item = {"interactionId": {"S": interaction_id}, **attributes}
        await self.stack.clients.dynamodb.put_item(TableName=self.name, Item=item)


@pytest.fixture
async def table(stack: Stack) -> AsyncIterator[Table]:
    async with open_clients(new_session(), PrometheusMetrics(), slots=50, receivers=1) as clients:
        yield Table(Records(clients.dynamodb, stack.settings["INTERACTION_TABLE_NAME"], FRESH, SystemClock()), stack)


@dataclass(slots=True)
class Model:
    """One item as `record.py` says it should be."""

    known: Known | None = None
    event_id: str = ""
    asked: int | None = None

    def put(self, what: InteractionEvent, second: int, *, ended: bool) -> None:
        known, self.known = self.known, self.known or Known()
        change = newer(self.known, what, at(second))
        if change.details:
            self.known = replace(self.known, details_at=at(second), complete=ended)
            self.asked = second
        if change.event:
            made = known is None and what.event_type == RECONCILE
            self._take(what, START if made else what.time)

    def settle(self, what: InteractionEvent) -> bool:
        if coverage(self.known, what, FRESH) is not Coverage.COVERED:
            return False
        assert self.known is not None
        if is_newest(self.known, what):
            self._take(what, what.time)
        return True

    def _take(self, what: InteractionEvent, time: datetime) -> None:
        assert self.known is not None
        self.known = replace(self.known, event_time=time, event_type=what.event_type)
        self.event_id = what.event_id


@pytest.mark.parametrize("seed", range(8))
async def test_every_sequence_of_writes_ends_as_the_pure_rules_say(table: Table, seed: int) -> None:
    await asyncio.gather(*(_play(table, random.Random(f"{seed} {number}")) for number in range(25)))


async def _play(table: Table, chance: random.Random) -> None:
    interaction_id, model, story = uuid.uuid4().hex, Model(), []
    for _ in range(8):
        what = event(interaction_id, chance.randrange(30), chance.choice(["acd.end", "customer.end", RECONCILE]))
        if chance.random() < 0.3 and what.event_type != RECONCILE:
            story.append(f"settle {what.event_id}")
            assert await table.records.settle(what) == model.settle(what), story
        else:
            second, ended = chance.randrange(40), chance.random() < 0.3
            story.append(f"put {what.event_id} with details of {second}{' that have an end' if ended else ''}")
            await table.records.put(what, details(second, ended=ended))
            model.put(what, second, ended=ended)
        assert (await table.records.look({interaction_id})).get(interaction_id) == model.known, story
    item = await table.item(interaction_id)
    assert item.get("eventId", {"S": ""}) == {"S": model.event_id}, story
    # Nothing of older details stays.
    assert [name for name in item if name.startswith("asked_")] == (
        [] if model.asked is None else [f"asked_{model.asked}"]
    )
    assert ("endTime" in item) == (model.known is not None and model.known.complete)


async def test_of_many_writers_at_once_the_newest_details_and_the_newest_event_stay(table: Table) -> None:
    async def put(event_second: int, details_second: int) -> None:
        while True:
            try:
                await table.records.put(event("busy", event_second), details(details_second))
            except StoreUnavailable:
                continue  # as the state machine does: too many others were faster
            return

    seconds = random.sample(range(30), 30)
    await asyncio.gather(*(put(second, 29 - second) for second in seconds))
    item = await table.item("busy")
    assert (item["eventId"], item["detailsAt"]) == ({"S": "acd.end 29"}, {"S": utc_text(at(29))})
    assert "asked_29" in item


async def test_a_covered_event_makes_no_item_and_changes_none_that_does_not_cover_it(table: Table) -> None:
    assert not await table.records.settle(event("gone", 0))
    assert await table.item("gone") == {}
    await table.records.put(event("stale", 0), details(5))
    before = await table.item("stale")
    assert not await table.records.settle(event("stale", 1))
    assert await table.item("stale") == before


async def test_a_covered_event_moves_the_event_fields_and_nothing_else(table: Table) -> None:
    await table.records.put(event("a", 0), details(20, ended=True))
    before = await table.item("a")
    assert await table.records.settle(event("a", 10, "customer.end"))
    after = await table.item("a")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"eventTime", "eventType", "eventId"}


async def test_an_item_of_the_first_release_is_the_oldest_and_covers_nothing(table: Table) -> None:
    old = {
        "startTime": {"S": utc_text(START)},
        "channels": {"L": []},
        "processedAt": {"S": utc_text(at(1000))},
        "eventType": {"S": "acd.end"},
        "eventTime": {"S": utc_text(at(10))},
        "eventId": {"S": "old"},
        "of_an_old_transform": {"S": "x"},
    }
    await table.write("old", old)
    assert not await table.records.settle(event("old", 20))
    kept = await table.records.put(event("old", 5), details(1))
    assert (kept.details, kept.event) == (True, False)
    item = await table.item("old")
    assert (item["eventId"], item["detailsAt"]) == ({"S": "old"}, {"S": utc_text(at(1))})
    assert "of_an_old_transform" not in item


async def test_a_tombstone_stays_and_is_a_success(table: Table) -> None:
    await table.write("erased", ERASED)
    before = await table.item("erased")
    for what in (event("erased", 10), event("erased", 20, RECONCILE)):
        kept = await table.records.put(what, details(30))
        assert (kept.known.erased, kept.details, kept.event) == (True, False, False)
    assert await table.records.settle(event("erased", 10))
    assert await table.item("erased") == before


async def test_a_reconcile_event_makes_an_item_that_any_event_is_newer_than(table: Table) -> None:
    await table.records.put(event("new", 50, RECONCILE), details(50))
    item = await table.item("new")
    assert (item["eventType"], item["eventTime"]) == ({"S": RECONCILE}, {"S": utc_text(START)})
    await table.records.put(event("new", 1), details(51))
    assert (await table.item("new"))["eventType"] == {"S": "acd.end"}


async def test_one_id_twice_is_looked_up_once(table: Table) -> None:
    await table.records.put(event("twice", 0), details(5))
    assert list(await table.records.look(["twice", "twice", "missing"])) == ["twice"]


async def test_attributes_that_the_service_writes_since_are_left_out_of_a_transforms(table: Table) -> None:
    await table.records.put(event("own", 0), details(5, endTime="mine", mine="too"))
    item = await table.item("own")
    assert "endTime" not in item
    assert item["mine"] == {"S": "too"}
