"""How much waits in the queues, for the metrics."""

from typing import get_args

from worker.clock import Clock
from worker.errors import NotConfirmedError
from worker.ports import Metrics, Queue, QueueDepths, QueueState
from worker.runtime.health import dependency_trouble

_INTERVAL_SECONDS = 15.0


async def watch(depths: QueueDepths, metrics: Metrics, clock: Clock) -> None:
    """Ask for the depths every 15 s; while they are unknown, their series are taken away."""
    trouble = dependency_trouble(clock, "queue_depths")
    while True:
        try:
            found = await depths.depths()
        except NotConfirmedError as error:
            trouble.failed(error.code)
            found = {}
        else:
            trouble.succeeded()
        for queue in get_args(Queue):
            for state in get_args(QueueState):
                metrics.queue_messages(queue, state, found.get((queue, state)))
        await clock.sleep(_INTERVAL_SECONDS)
