"""Ending asyncio tasks for certain."""

import asyncio

_PATIENCE_SECONDS = 0.5


async def cancel_and_wait(*tasks: "asyncio.Task[object]") -> None:
    """Cancel `tasks` until all have ended.

    Once is not always enough: where a library's own timeout runs out in the same turn of the loop as the
    cancellation, the library can take the one for the other, and the asyncio task goes on.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_PATIENCE_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()
