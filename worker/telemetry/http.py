"""`/metrics`, `/livez` and `/readyz`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.registry import Collector

from worker.telemetry.connections import BACKLOG, Answer, BoundedServer


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
    server = BoundedServer(_pages(metrics, live, ready))
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise ListenError(host, port, error.strerror or type(error).__name__) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        server.drop_all()


def _pages(metrics: Collector, live: Callable[[], list[str]], ready: Callable[[], Awaitable[list[str]]]) -> Answer:
    get_metrics = make_aiohttp_handler(metrics)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="405: Method Not Allowed", headers={"Allow": "GET,HEAD"})
        match request.path:
            case "/metrics":
                return await get_metrics(cast("web.Request", request))  # it looks at query and headers alone
            case "/livez":
                return _verdict(live())
            case "/readyz":
                return _verdict(await ready())
        return web.Response(status=404, text="404: Not Found")

    return answer


def _verdict(problems: list[str]) -> web.Response:
    return web.Response(text="\n".join(problems or ["ok"]) + "\n", status=503 if problems else 200)
