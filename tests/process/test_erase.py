"""`erase` beside a worker: a late event, a redrive and what the worker archives do not bring a person back."""

import asyncio
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.letters import failed_interaction
from tests.support.samples import seed
from tests.support.stack import Stack, executions, item_of, send, stored
from tests.support.worker_process import StartWorker, until
from worker.aws.clients import new_session, open_clients
from worker.telemetry.metrics import PrometheusMetrics


async def test_a_late_event_and_a_redrive_find_the_tombstone_and_leave_nothing(
    stack: Stack, worker_environment: dict[str, str], start_worker: StartWorker
) -> None:
    bucket, interaction_id = f"{stack.names.prefix}-archive", f"-{uuid.uuid4()}"
    archive = {"ARCHIVE_URL": f"s3://{bucket}/kept"}
    url = stack.settings["DEAD_LETTER_QUEUE_URL"]

    async def command(*arguments: str) -> str:
        given = [sys.executable, "-m", "worker", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, given, env=worker_environment | archive, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async with open_clients(
        new_session(), PrometheusMetrics(), slots=1, receivers=1, archive_owner="000000000000"
    ) as clients:
        assert clients.s3
        await clients.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        worker = await start_worker(**archive)
        await send(stack, seed(interaction_id))
        await stored(stack, interaction_id)
        letter = failed_interaction(stack.settings, interaction_id, "Genesys.Unavailable")

        told, logged = (await command("erase", "--yes", "--archive-days", "1", "--", interaction_id)).splitlines()
        assert told.startswith(f"{interaction_id}  erased: an item, 1 archived version")
        assert json.loads(logged)["event"] == "erased"

        later = datetime.now(UTC) + timedelta(hours=1)  # than the details that were stored
        await send(stack, seed(interaction_id, timestamp=later.isoformat()) | {"id": "a later one"})
        await until(lambda: any(line.get("covered") for line in worker.lines("intake_batch")))
        assert len(await executions(stack)) == 1

        reason: Any = {"DataType": "String", "StringValue": letter["error"]["Error"]}
        await stack.clients.sqs.send_message(
            QueueUrl=url, MessageBody=json.dumps(letter), MessageAttributes={"reason": reason}
        )
        await command("dlq", "redrive")
        await until(lambda: len(worker.lines("attempt")) == 2)
        assert await until(lambda: _all_succeeded(stack))
        item = await item_of(stack, interaction_id)
        assert item is not None
        assert item.keys() == {"interactionId", "erasedAt", "eventTime"}
        page = await clients.s3.list_object_versions(Bucket=bucket)
        assert not page.get("Versions")
        assert not page.get("DeleteMarkers")


async def _all_succeeded(stack: Stack) -> bool:
    return await executions(stack) == ["SUCCEEDED"] * 2
