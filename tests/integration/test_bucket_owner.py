"""A bucket whose name somebody else has taken: S3 refuses what comes for its former owner, if told who that is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.doctor.front import Front
from tests.integration.doctor.looking import faults
from tests.support.stack import Stack, item_of
from worker.aws.archive import ArchivingStore
from worker.aws.clients import new_session, open_clients
from worker.aws.records import Records
from worker.clock import SystemClock
from worker.errors import StoreUnavailable
from worker.events import InteractionEvent
from worker.local.emulator import Emulator
from worker.ports import Details
from worker.record import Freshness
from worker.telemetry.metrics import PrometheusMetrics

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

START = datetime(2026, 11, 23, tzinfo=UTC)
EVENT = InteractionEvent("interaction-1", "customer.end", START, "event-1")
DETAILS = Details(START, ("voice",), {"version": 1}, asked_at=START + timedelta(minutes=5))


class Owned(Front):
    """The emulator, which looks at no owner, with S3's check of it."""

    owner = "000000000000"
    asked: list[tuple[str, str | None]]

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.asked = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "/s3/" in request.headers.get("Authorization", ""):
            expected = request.headers.get("x-amz-expected-bucket-owner")
            self.asked.append((request.method, expected))
            if expected not in {None, self.owner}:
                text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                return web.Response(status=403, text=text, content_type="application/xml")
        return await super().answer(request)


@dataclass
class Archive:
    s3: "S3Client"
    store: ArchivingStore
    front: Owned
    bucket: str
    stack: Stack = field(repr=False)

    async def keys(self) -> list[str]:
        return [entry["Key"] for entry in (await self.s3.list_objects_v2(Bucket=self.bucket)).get("Contents", [])]


@pytest.fixture
async def archive(
    stack: Stack, emulator: Emulator, worker_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Archive]:
    """In a bucket of the account, as the service's own clients see it."""
    bucket = f"{stack.names.prefix}-owned"
    front = Owned(emulator.url)
    app = web.Application(client_max_size=2**22)
    app.router.add_route("*", "/{path:.*}", front.answer)
    for name, value in worker_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ARCHIVE_URL", f"s3://{bucket}/details")
    server = TestServer(app)
    await server.start_server(auto_decompress=False)  # a document is passed on as it came
    async with server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")))
        metrics = PrometheusMetrics()
        async with open_clients(new_session(), metrics, slots=5, receivers=1, archive_owner=Owned.owner) as clients:
            assert clients.s3
            await clients.s3.create_bucket(Bucket=bucket)
            front.asked.clear()
            fresh = Freshness(lag=timedelta(seconds=90))
            table = Records(clients.dynamodb, stack.settings["INTERACTION_TABLE_NAME"], fresh, SystemClock())
            store = ArchivingStore(table, clients.s3, f"s3://{bucket}/details")
            found = Archive(clients.s3, store, front, bucket, stack)
            yield found
            front.owner = Owned.owner
            for key in await found.keys():
                await clients.s3.delete_object(Bucket=bucket, Key=key)
            await clients.s3.delete_bucket(Bucket=bucket)


async def test_every_call_says_whose_bucket_it_expects(archive: Archive) -> None:
    await archive.store.put(EVENT, DETAILS)
    await archive.store.put(EVENT, DETAILS)
    await archive.store.probe_write()
    await faults()
    assert {method for method, _ in archive.front.asked} == {"PUT", "HEAD", "DELETE"}
    assert {expected for _, expected in archive.front.asked} == {Owned.owner}


async def test_somebody_elses_bucket_receives_nothing(archive: Archive) -> None:
    archive.front.owner = "999999999999"
    with pytest.raises(StoreUnavailable, match="AccessDenied"):
        await archive.store.put(EVENT, DETAILS)
    with pytest.raises(StoreUnavailable, match="AccessDenied"):
        await archive.store.probe_write()
    archive.front.owner = Owned.owner
    assert await archive.keys() == []
    assert await item_of(archive.stack, EVENT.interaction_id) is None


async def test_doctor_finds_a_bucket_of_another_account(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "archive" not in await faults()
    monkeypatch.setenv("ARCHIVE_BUCKET_OWNER", "999999999999")
    found = (await faults())["archive"]
    assert found.text == (f"s3:ListBucket on {archive.bucket} is denied, or the bucket is not of account 999999999999")
    assert "ARCHIVE_BUCKET_OWNER" in found.fix
