"""What a test of `erase` has: things to erase, and the command."""

import asyncio
import io
from collections.abc import MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.letters import Aws, terminal
from tests.support.stack import Stack
from worker.aws import letters
from worker.aws.archive import ArchivingStore
from worker.aws.clients import Clients
from worker.aws.records import Records
from worker.aws.tombstones import Tombstones
from worker.cli import main
from worker.clock import SystemClock
from worker.events import InteractionEvent
from worker.ports import Details
from worker.record import Freshness

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
        """Exit status, stdout and stderr; `answer` is typed on a terminal; None: no terminal."""
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


def is_tombstone(item: Any) -> bool:
    return item is not None and item.keys() == {"interactionId", "erasedAt", "eventTime"}
