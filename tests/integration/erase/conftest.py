"""An emulated AWS with an archive."""

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.integration.erase.world import World
from tests.support.letters import Aws
from tests.support.stack import Stack
from worker.aws.clients import new_session, open_clients
from worker.local.emulator import Emulator
from worker.telemetry.metrics import PrometheusMetrics

if TYPE_CHECKING:
    pass


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
    async with open_clients(new_session(), metrics, slots=50, receivers=1, archive_owner="000000000000") as clients:
        assert clients.s3
        await clients.s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)  # which keeps versions
        yield World(Aws(stack.clients, stack.settings, environment), stack, clients, clients.s3, bucket)
