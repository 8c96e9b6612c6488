"""The three extension points over the network: a worker process with a transform, a reader of events and an archive."""

import asyncio
import gzip
import json
import random
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from examples.transform_queue_time import queue_time
from tests.support.samples import envelope, seed
from tests.support.stack import Stack
from tests.support.worker_process import until, worker_process
from worker.aws.archive import ArchivingStore
from worker.aws.clients import new_session, open_clients
from worker.aws.records import Records
from worker.clock import SystemClock
from worker.errors import Invalid, StoreUnavailable
from worker.events import InteractionEvent, utc_text
from worker.local.simulator.conversations import conversation
from worker.ports import Details
from worker.record import Freshness
from worker.telemetry.metrics import PrometheusMetrics

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

START = datetime(2026, 11, 23, 23, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Archive:
    s3: "S3Client"
    bucket: str
    store: ArchivingStore
    table: Records

    async def documents(self) -> dict[str, Any]:
        """Every archived document by its key."""
        found = {}
        for entry in (await self.s3.list_objects_v2(Bucket=self.bucket)).get("Contents", []):
            answer = await self.s3.get_object(Bucket=self.bucket, Key=entry["Key"])
            found[entry["Key"]] = json.loads(gzip.decompress(await answer["Body"].read()))
        return found


@pytest.fixture
async def archive(stack: Stack) -> AsyncIterator[Archive]:
    """An archive in a bucket of its own, before the test's table; made by the service's own clients."""
    bucket = f"{stack.names.prefix}-archive"
    metrics = PrometheusMetrics()
    async with open_clients(new_session(), metrics, slots=50, receivers=1, archive_owner="000000000000") as clients:
        assert clients.s3
        await clients.s3.create_bucket(Bucket=bucket)
        fresh = Freshness(lag=timedelta(seconds=90))
        table = Records(clients.dynamodb, stack.settings["INTERACTION_TABLE_NAME"], fresh, SystemClock())
        yield Archive(clients.s3, bucket, ArchivingStore(table, clients.s3, f"s3://{bucket}/details/all"), table)
        for entry in (await clients.s3.list_objects_v2(Bucket=bucket)).get("Contents", []):
            await clients.s3.delete_object(Bucket=bucket, Key=entry["Key"])
        await clients.s3.delete_bucket(Bucket=bucket)


def event(minute: int, interaction_id: str = "interaction-1") -> InteractionEvent:
    return InteractionEvent(interaction_id, "customer.end", START + timedelta(minutes=minute), f"event-{minute}")


def details(version: int) -> Details:
    """Asked for so many minutes after the start."""
    asked_at = START + timedelta(minutes=version)
    return Details(START, ("voice",), {"version": version, "text": "Grüße, \ud83d half a pair"}, asked_at=asked_at)


async def item_of(stack: Stack, interaction_id: str = "interaction-1") -> dict[str, Any] | None:
    answer = await stack.clients.dynamodb.get_item(
        TableName=stack.settings["INTERACTION_TABLE_NAME"],
        Key={"interactionId": {"S": interaction_id}},
        ConsistentRead=True,
    )
    return cast("dict[str, Any] | None", answer.get("Item"))


async def test_the_document_is_archived_by_the_day_on_which_the_interaction_started(
    stack: Stack, archive: Archive
) -> None:
    await archive.store.put(event(1), details(1))
    key = "details/all/year=2026/month=11/day=23/interaction-1.json.gz"
    assert await archive.documents() == {key: details(1).document}
    assert await item_of(stack)


async def test_the_archive_has_the_details_asked_for_last_whatever_their_event(archive: Archive) -> None:
    await archive.store.put(event(5), details(5))
    await archive.store.put(event(9), details(4))
    await archive.store.put(event(5), details(5))
    assert [document["version"] for document in (await archive.documents()).values()] == [5]
    await archive.store.put(event(4), details(6))
    assert [document["version"] for document in (await archive.documents()).values()] == [6]


async def test_a_document_of_the_first_release_is_older_than_any(archive: Archive) -> None:
    key = archive.store.key("interaction-1", START)
    later = "2027-01-01T00:00:00.000Z"
    await archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=b"", Metadata={"event-time": later})
    await archive.store.put(event(5), details(5))
    assert [document["version"] for document in (await archive.documents()).values()] == [5]


async def test_of_many_writers_at_once_the_newest_win_in_both_stores(stack: Stack, archive: Archive) -> None:
    minutes = random.sample(range(20), 20)

    async def put(minute: int) -> None:
        while True:
            try:
                await archive.store.put(event(minute), details(19 - minute))
            except StoreUnavailable:
                continue  # as the state machine does: too many others were faster
            return

    await asyncio.gather(*(put(minute) for minute in minutes))
    assert [document["version"] for document in (await archive.documents()).values()] == [19]
    item = await item_of(stack)
    assert item
    assert item["eventId"] == {"S": "event-19"}
    assert item["detailsAt"] == {"S": utc_text(details(19).asked_at)}


async def test_without_the_document_there_is_no_item(stack: Stack, archive: Archive) -> None:
    nowhere = ArchivingStore(archive.table, archive.s3, "s3://no-such-bucket-here/x")
    with pytest.raises(StoreUnavailable, match="S3 did not confirm the archived document: NoSuchBucket"):
        await nowhere.put(event(1), details(1))
    assert await item_of(stack) is None


async def test_attributes_beyond_what_an_item_holds_are_refused_before_dynamodb_is_asked(archive: Archive) -> None:
    with pytest.raises(Invalid, match="an item holds"):
        await archive.table.put(event(1), Details(START, (), attributes={"all": "x" * 400_000}, asked_at=START))


async def test_a_worker_with_all_three_stores_what_the_examples_say(
    stack: Stack, archive: Archive, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    own = {
        "DETAILS_TRANSFORM": "examples.transform_queue_time:queue_time",
        "EVENT_READER": "examples.read_ticket_events:read",
        "ARCHIVE_URL": f"s3://{archive.bucket}/details",
        "DRAIN_SECONDS": "0",
    }
    interaction_id = f"interaction-{uuid.uuid4().hex[:8]}"
    ticket = {"ticket": {"conversation": interaction_id}, "action": "closed", "at": 1772359200}
    refused = json.dumps(envelope({"ticket": {"organisation": "test"}}))
    async with worker_process(worker_environment | own, tmp_path / "worker.log"):
        for body in (json.dumps(envelope(ticket)), refused):
            await stack.clients.sqs.send_message(QueueUrl=stack.settings["EVENT_QUEUE_URL"], MessageBody=body)
        item = await until(lambda: item_of(stack, interaction_id))
        letter = await until(lambda: _letter(stack))

    known = conversation(interaction_id)
    expected = queue_time(known.analytics())
    assert item["eventType"] == {"S": "ticket.closed"}
    assert float(item["queueSeconds"]["N"]) == expected["queueSeconds"]
    assert item["queueIds"] == {"L": [{"S": queue} for queue in expected["queueIds"]]}
    day = f"year={known.start.year}/month={known.start.month:02}/day={known.start.day:02}"
    assert await archive.documents() == {f"details/{day}/{interaction_id}.json.gz": known.analytics()}
    assert letter == (refused, "test_organisation")


async def _letter(stack: Stack) -> tuple[str, str] | None:
    answer = await stack.clients.sqs.receive_message(
        QueueUrl=stack.settings["DEAD_LETTER_QUEUE_URL"], MessageAttributeNames=["All"]
    )
    for message in answer.get("Messages", ()):
        return message["Body"], message["MessageAttributes"]["reason"]["StringValue"]
    return None


async def test_a_transform_that_fails_leaves_a_dead_letter_that_names_it(
    stack: Stack, worker_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "made_up_transform.py").write_text("def failing(document):\n    return document['no such field']\n")
    own = {"DETAILS_TRANSFORM": "made_up_transform:failing", "PYTHONPATH": str(tmp_path), "DRAIN_SECONDS": "0"}
    async with worker_process(worker_environment | own, tmp_path / "worker.log"):
        await stack.clients.sqs.send_message(
            QueueUrl=stack.settings["EVENT_QUEUE_URL"], MessageBody=json.dumps(seed("interaction-1"))
        )
        body, reason = await until(lambda: _letter(stack))
    assert reason == "Interaction.Invalid"
    assert json.loads(body)["error"]["Cause"] == (
        "DETAILS_TRANSFORM made_up_transform:failing: KeyError at made_up_transform:2"
    )


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        (
            "DETAILS_TRANSFORM",
            "examples.transform_queue_time",
            "is not the name of a function; expected package.module:function",
        ),
        ("DETAILS_TRANSFORM", "no_such_module:f", "there is no module no_such_module"),
        ("EVENT_READER", "examples.read_ticket_events:nothing", "has no nothing"),
        ("ARCHIVE_URL", "https://bucket/prefix", "is not an S3 URL; expected s3://BUCKET/PREFIX"),
    ],
)
async def test_a_wrong_setting_is_one_line_and_exit_status_2(
    setting: str, value: str, problem: str, worker_environment: dict[str, str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "worker", "run"),
        env=worker_environment | {setting: value},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    (line,) = errors.decode().splitlines()
    assert line.startswith(f"{setting}: ")
    assert problem in line
    assert process.returncode == 2
