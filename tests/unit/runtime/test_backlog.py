"""The depths of the queues, as the metrics show them."""

import asyncio
from collections.abc import Mapping

from structlog.testing import capture_logs

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_time import VirtualClock
from worker.cancellation import cancel_and_wait
from worker.errors import NotConfirmedError
from worker.ports import Queue, QueueState
from worker.runtime import backlog


class Depths:
    """Answers, then fails twice, then answers again."""

    def __init__(self) -> None:
        self.asked = 0

    async def depths(self) -> Mapping[tuple[Queue, QueueState], int]:
        self.asked += 1
        if self.asked in (2, 3):
            raise NotConfirmedError("AccessDenied")
        return {("events", "visible"): self.asked}


async def test_the_depths_are_shown_every_15_seconds_and_taken_away_while_they_are_unknown() -> None:
    clock, metrics = VirtualClock(), RecordingMetrics()
    watching = asyncio.create_task(backlog.watch(Depths(), metrics, clock))
    with capture_logs() as lines:
        await clock.sleep(3.5 * 15)
    await cancel_and_wait(watching)
    shown = [call[3] for call in metrics.calls if call[:3] == ("queue_messages", "events", "visible")]
    assert shown == [1, None, None, 4]
    assert [(line["event"], line["dependency"]) for line in lines] == [
        ("dependency_failing", "queue_depths"),
        ("dependency_back", "queue_depths"),
    ]
