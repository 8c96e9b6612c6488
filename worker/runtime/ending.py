"""The end of the process, which waits for nothing that does not end by itself."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

import uvloop

from worker.cancellation import cancel_and_wait
from worker.runtime.health import end_when_stuck


@contextlib.contextmanager
def run_to_the_end() -> Iterator[asyncio.Runner]:
    """A runner of the service's event loop.

    asyncio's own end cancels each asyncio task once and waits, so that one that loses its cancellation is waited for
    for ever. This one cancels again, and in the end leaves alone what ignores it.
    """
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        yield runner
    finally:
        end_when_stuck()
        runner.run(_end_all_tasks())
        if not asyncio.all_tasks(runner.get_loop()):
            runner.close()


async def _end_all_tasks() -> None:
    current = asyncio.current_task()
    await cancel_and_wait(*(task for task in asyncio.all_tasks() if task is not current))


def leave(status: int) -> NoReturn:
    """End the process with this status, without the interpreter's own end.

    That one waits for threads: for those of a thread pool, say, that a user's function waits for for ever.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
