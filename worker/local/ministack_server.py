"""Serves MiniStack on an inherited listening socket: `python -m worker.local.ministack_server DESCRIPTOR`.

One process, unlike MiniStack's own ways to start, so that killing it leaves nothing behind.
"""

import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app  # type: ignore[import-untyped]

_KEEP_ALIVE_SECONDS = 75.0
"""Above the 60 s of an activity poll, so that no connection is closed under a client that is about to use it."""


def main(descriptor: str) -> None:
    """Serve until SIGTERM."""
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.graceful_timeout = 0.0
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(sys.argv[1])
