"""Serves MiniStack: `python -m worker.local.ministack_server`, with a guard before it and without what nobody uses.

One process, unlike MiniStack's own ways to start, so that killing it leaves nothing behind. MiniStack has some ninety
services, of which several run code that a caller brings: only those named in the variable SERVICES can be imported.
"""

import argparse
import asyncio
import os
import pkgutil
import sys
from collections.abc import Collection
from typing import Any

SERVICES = ("dynamodb", "events", "s3", "sqs", "states", "sts")
"""What the service calls, by MiniStack's names."""

_KEEP_ALIVE_SECONDS = 75.0
"""Above the 60 s of an activity poll, so that no connection is closed under a client that is about to use it."""

_SHARED_MODULES = frozenset({"apigateway", "apigateway_v1", "iam", "scheduler"})
"""Not served, but asked within: for a request's host, by sts, and at the start. None of them runs code."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="MiniStack for local work")
    parser.add_argument("--bind", default="127.0.0.1:4566", help="address, or fd://N (default: %(default)s)")
    parser.add_argument("--allow-host", action="append", default=[], help="a Host besides those of this machine")
    arguments = parser.parse_args()
    os.environ.setdefault("SERVICES", ",".join(SERVICES))
    asyncio.run(_serve(arguments.bind, arguments.allow_host))


async def _serve(bind: str, hosts: Collection[str]) -> None:
    # MiniStack reads the environment when it is imported.
    import ministack.app  # type: ignore[import-untyped]  # noqa: PLC0415
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415

    from worker.local.emulator_guard import guarded  # noqa: PLC0415

    _leave_out_all_but(ministack.app.SERVICE_HANDLERS, ministack.app.SERVICE_REGISTRY)
    config = Config()
    config.bind = [bind]
    config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
    config.graceful_timeout = 0.0
    config.loglevel = "WARNING"
    application: Any = guarded(ministack.app.app, hosts)
    await serve(application, config)


def _leave_out_all_but(names: Collection[str], registry: dict[str, Any]) -> None:
    """Make every other service's module impossible to import.

    SERVICES alone takes them off the port, but a state machine or a rule would still reach them from within.
    """
    import ministack.services  # type: ignore[import-untyped]  # noqa: PLC0415

    used = {registry[name]["module"] for name in names} | _SHARED_MODULES
    for module in pkgutil.iter_modules(ministack.services.__path__):
        if module.name not in used and not module.name.startswith("_"):
            sys.modules[f"ministack.services.{module.name}"] = None  # type: ignore[assignment]


if __name__ == "__main__":
    main()
