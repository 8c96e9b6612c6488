"""`/metrics`, `/livez` and `/readyz`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.registry import Collector


class ListenError(Exception):
    """The pages cannot be served at the address that the settings name."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"cannot listen on HTTP_HOST {host}, HTTP_PORT {port}: {why}")


@asynccontextmanager
async def serve_http(
    host: str,
    port: int,
    metrics: Collector,
    *,
    live: Callable[[], list[str]],
    ready: Callable[[], Awaitable[list[str]]],
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port, which matters when 0 was asked for.

    `live` and `ready` give what is wrong, a line each; empty is 200, anything else 503. Raises ListenError,
    most often because the port is taken.
    """

    async def get_live(_: web.Request) -> web.Response:
        return _verdict(live())

    async def get_ready(_: web.Request) -> web.Response:
        return _verdict(await ready())

    app = web.Application()
    get_metrics = make_aiohttp_handler(metrics)
    app.add_routes([web.get("/metrics", get_metrics), web.get("/livez", get_live), web.get("/readyz", get_ready)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ListenError(host, port, error.strerror or type(error).__name__) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _verdict(problems: list[str]) -> web.Response:
    return web.Response(text="\n".join(problems or ["ok"]) + "\n", status=503 if problems else 200)
