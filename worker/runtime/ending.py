"""The end of the process, which waits for nothing that does not end by itself."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterator

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


def leave(status: int) -> int:
    """The exit status; where a thread is left that Python would wait for, the process ends here.

    Our own threads are daemons. A user's function may have started others, and one that hangs may wait for them.
    """
    main = threading.main_thread()
    if any(thread is not main and not thread.daemon for thread in threading.enumerate()):
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)
    return status
