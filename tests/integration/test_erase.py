"""`erase` on an emulated AWS: nothing is left, and nothing brings it back."""

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.letters import Aws, event_body, terminal
from tests.support.stack import Stack, item_of
from worker.aws import letters
from worker.aws.archive import ArchivingStore
from worker.aws.clients import Clients, new_session, open_clients
from worker.aws.records import Records
from worker.aws.tombstones import Tombstones
from worker.cli import main
from worker.clock import SystemClock
from worker.events import RECONCILE, InteractionEvent
from worker.local.emulator import Emulator
from worker.ports import Details, Kept
from worker.record import Freshness
from worker.telemetry.metrics import PrometheusMetrics

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

FRESH = Freshness(timedelta(seconds=9))
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
ID = "5b0c1f9a-8d57-4f5e-9c1e-7a2f3d4e5f60"
OTHER = "ffffffff-8d57-4f5e-9c1e-7a2f3d4e5f60"


def event(interaction_id: str = ID, second: int = 0, event_type: str = "customer.end") -> InteractionEvent:
    return InteractionEvent(interaction_id, event_type, START + timedelta(seconds=second), f"event {second}")


def details(second: int = 5) -> Details:
    return Details(START, ("voice",), {"name": "Erika"}, asked_at=START + timedelta(seconds=second))


@dataclass(frozen=True, slots=True)
class World:
    """A table, an archive whose bucket keeps versions, and dead letters."""

    aws: Aws
    stack: Stack
    clients: Clients
    s3: "S3Client"
    bucket: str
    logs: list[MutableMapping[str, Any]] = field(default_factory=list)
    """What the last run logged."""

    def table(self) -> Records:
        return Records(self.clients.dynamodb, self.stack.settings["INTERACTION_TABLE_NAME"], FRESH, SystemClock())

    def store(self, table: Records | None = None) -> ArchivingStore:
        return ArchivingStore(table or self.table(), self.s3, f"s3://{self.bucket}/kept")

    def tombstones(self, days: int = 0) -> Tombstones:
        return Tombstones(
            self.clients.dynamodb, self.stack.settings["INTERACTION_TABLE_NAME"], SystemClock(), days=days
        )

    async def archived(self) -> list[str]:
        """The key of each version and each delete marker."""
        page = await self.s3.list_object_versions(Bucket=self.bucket)
        return [one["Key"] for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]

    async def erase(self, *arguments: str, answer: str | None = None) -> tuple[int, str, str]:
        """Exit status, stdout and stderr; `answer` is typed on a terminal, without one there is none."""
        output, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
            patch.setattr(letters, "_WAIT_SECONDS", 0)
            # It would stay so for the tests after this one.
            patch.setattr("worker.commands.erase.configure_logging", lambda: None)
            patch.setattr("worker.commands.erase._ARCHIVE_DAYS", 4)
            patch.setattr("sys.stdin", terminal(answer))
            for name, value in self.aws.environment.items():
                patch.setenv(name, value)
            with capture_logs() as logs:
                status = await asyncio.to_thread(main, ["erase", *arguments])
        self.logs[:] = logs
        return status, output.getvalue(), errors.getvalue()


@pytest.fixture
async def world(stack: Stack, emulator: Emulator) -> AsyncIterator[World]:
    bucket = f"{stack.names.prefix}-archive"
    environment = {
        "PATH": os.environ["PATH"],
        **emulator.environment,
        **stack.settings,
        "ARCHIVE_URL": f"s3://{bucket}/kept",
    }
    metrics = PrometheusMetrics()
    async with open_clients(new_session(), metrics, slots=50, receivers=1, archive=True) as clients:
        assert clients.s3
        await clients.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)  # which keeps versions
        yield World(Aws(stack.clients, stack.settings, environment), stack, clients, clients.s3, bucket)


def is_tombstone(item: Any) -> bool:
    return item is not None and item.keys() == {"interactionId", "erasedAt", "eventTime"}


async def test_nothing_but_a_tombstone_is_left_of_a_conversation_and_everything_of_others(world: World) -> None:
    for one in (ID, OTHER):
        await world.store().put(event(one), details(5))
        await world.store().put(event(one), details(6))
        await world.aws.failed(one)
        await world.aws.quarantined(event_body(one), "future_time")
    await world.s3.delete_object(Bucket=world.bucket, Key=world.store().key(ID, START))  # a marker
    status, output, errors = await world.erase(ID, "--yes")
    assert (status, errors) == (0, "")
    assert output == f"{ID}  erased: an item, 2 archived versions, 2 dead letters\n"
    assert is_tombstone(await item_of(world.stack, ID))
    assert "startTime" in (await item_of(world.stack, OTHER) or {})
    assert set(await world.archived()) == {world.store().key(OTHER, START)}
    assert await world.aws.waiting() == (2, 0)
    (line,) = world.logs
    assert (line["event"], line["interaction_id"], line["wholly"], line["log_level"]) == ("erased", ID, True, "info")
    assert "Erika" not in json.dumps(world.logs) + output


async def test_an_unknown_id_gets_a_tombstone_and_its_object_is_looked_for_day_by_day(world: World) -> None:
    key = world.store().key(ID, START)
    await world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"x")
    await world.s3.put_object(Bucket=world.bucket, Key=f"{key}.copy", Body=b"x")
    status, output, _ = await world.erase(ID, "--yes", "--archive-days", "2")
    first = datetime.now(UTC).date() - timedelta(days=2)
    assert status == 0
    assert output == (
        f"{ID}  erased: no item, 0 archived versions, 0 dead letters, "
        f"its day is unknown: the archive was searched back to {first}\n"
    )
    assert is_tombstone(await item_of(world.stack, ID))
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 0
    assert "erased before, 1 archived version," in output
    assert await world.archived() == [f"{key}.copy"], "only the object of the very id"


async def test_under_an_object_lock_it_fails_and_says_which_day_to_look_at_again(world: World) -> None:
    await world.store().put(event(), details())
    key = world.store().key(ID, START)
    await world.s3.put_object_legal_hold(Bucket=world.bucket, Key=key, LegalHold={"Status": "ON"})
    status, output, errors = await world.erase(ID, "--yes")
    assert status == 1
    assert f"{ID}  NOT WHOLLY ERASED: an item, 0 archived versions" in output
    assert "the object is under a lock" in output
    assert "repeat it with --archive-days 3" in output
    assert "1 of 1 conversation not wholly erased" in errors
    assert [(line["event"], line["log_level"]) for line in world.logs] == [("erased", "error")]
    await world.s3.put_object_legal_hold(Bucket=world.bucket, Key=key, LegalHold={"Status": "OFF"})
    assert (await world.erase(ID, "--yes", "--archive-days", "3"))[0] == 0
    assert await world.archived() == []


async def test_without_a_table_nothing_is_erased(world: World) -> None:
    await world.store().put(event(), details())
    await world.aws.failed(ID)
    world.aws.environment["INTERACTION_TABLE_NAME"] = "none"
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 1
    assert output == f"{ID}  NOT WHOLLY ERASED: DynamoDB did not confirm the tombstone: ResourceNotFoundException\n"
    assert len(await world.archived()) == 1
    assert await world.aws.waiting() == (1, 0)


async def test_letters_that_cannot_be_read_or_are_hidden_by_another_run_make_it_fail(world: World) -> None:
    await world.aws.failed(ID)
    url = world.stack.settings["DEAD_LETTER_QUEUE_URL"]
    await world.clients.sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 1
    assert "another run has hidden 1 dead letter" in output
    world.aws.environment["DEAD_LETTER_QUEUE_URL"] += "-none"
    status, output, _ = await world.erase(ID, "--yes")
    assert status == 1
    assert "not all dead letters could be read: " in output


async def test_bodies_without_a_readable_id_go_when_they_name_a_long_id_as_a_whole_word(world: World) -> None:
    gone = [f'{{"topic": "v2.detail.events.conversation.{ID}.acd"', f"{{{ID}}} of somebody else's"]
    stay = [f"{{x{ID}", f"{ID[:-1]}", '{"short": "a"', f"{event_body(OTHER)}"]
    for body in [*gone, *stay[:-1]]:
        await world.aws.quarantined(body)
    await world.aws.quarantined(stay[-1].replace("event-", f"{ID} "), "future_time")
    status, output, _ = await world.erase(ID, "a", "--yes")
    assert status == 0
    assert f"{ID}  erased: no item, 0 archived versions, 2 dead letters" in output
    assert "a  erased: no item, 0 archived versions, 0 dead letters" in output
    assert await world.aws.waiting() == (len(stay), 0)


async def test_an_id_may_begin_with_a_dash_and_a_file_names_many(world: World, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text(f"# asked for on Monday\n{ID}\n\n  {OTHER}\n{ID}\n")
    status, output, _ = await world.erase("--yes", "--archive-days", "0", "--file", str(file), "--", "-a", "--b")
    assert status == 0
    assert [line.split()[0] for line in output.splitlines()] == ["-a", "--b", ID, OTHER]
    for one in ("-a", "--b", ID, OTHER):
        assert is_tombstone(await item_of(world.stack, one))


@pytest.mark.parametrize(
    ("arguments", "answer", "status", "told"),
    [
        ((ID,), None, 2, "--yes"),
        ((ID,), "", 1, "Erase everything kept of 1 conversation"),
        ((ID,), "n", 1, "nothing was changed"),
        ((), "y", 2, "at least one conversation id"),
        ((ID, "a/b"), "y", 2, "a/b is not an interaction id"),
        ((ID, "\x1b[2J"), "y", 2, r"\x1b[2J is not an interaction id"),
        ((ID, "--file", "/none/at/all"), "y", 2, "/none/at/all cannot be read"),
    ],
)
async def test_without_a_clear_yes_to_sound_ids_nothing_is_erased(
    arguments: tuple[str, ...], answer: str | None, status: int, told: str, world: World
) -> None:
    await world.store().put(event(), details())
    found, output, errors = await world.erase(*arguments, answer=answer)
    assert (found, output) == (status, "")
    assert told in errors
    assert "startTime" in (await item_of(world.stack, ID) or {})


async def test_a_yes_on_the_terminal_erases(world: World) -> None:
    await world.store().put(event(), details())
    assert (await world.erase(ID, answer="y"))[0] == 0
    assert is_tombstone(await item_of(world.stack, ID))


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
