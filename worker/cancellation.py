"""Ending asyncio tasks for certain."""

import asyncio

import structlog

_PATIENCE_SECONDS = 0.5

_TRIES = 10
"""Five seconds together: half of what is left between the end of the drain and SIGKILL (HAND_BACK_SECONDS)."""

log = structlog.get_logger()


async def cancel_and_wait(*tasks: "asyncio.Task[object]") -> None:
    """Cancel `tasks` until all have ended, ten times at most: one that goes on after that is named in the log.

    Once is not always enough: where a library's own timeout runs out in the same turn of the loop as the
    cancellation, the library can take the one for the other, and the asyncio task goes on.
    """
    pending = {task for task in tasks if not task.done()}
    for _ in range(_TRIES):
        if not pending:
            break
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_PATIENCE_SECONDS)
    if pending:
        log.error("cancellation_ignored", tasks=sorted(task.get_name() for task in pending), tries=_TRIES)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
