"""How much waits in the queues, for the metrics."""

from collections.abc import Awaitable, Callable
from typing import get_args

from worker.errors import NotConfirmedError
from worker.ports import Metrics, Queue, QueueDepths, QueueState
from worker.runtime.health import Outage

_INTERVAL_SECONDS = 15.0


async def watch(depths: QueueDepths, metrics: Metrics, wait: Callable[[float], Awaitable[None]]) -> None:
    """Ask for the depths every 15 s; while they can't be had, their series are taken away."""
    outage = Outage("queue depths")
    while True:
        try:
            found = await depths.depths()
        except NotConfirmedError as error:
            outage.failed(error)
            found = {}
        else:
            outage.ok()
        for queue in get_args(Queue):
            for state in get_args(QueueState):
                metrics.queue_messages(queue, state, found.get((queue, state)))
        await wait(_INTERVAL_SECONDS)
