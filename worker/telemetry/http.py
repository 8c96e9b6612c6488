"""`/metrics`, `/livez` and `/readyz`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from worker.telemetry.metrics import PrometheusMetrics

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def serve_http(
    host: str,
    port: int,
    metrics: PrometheusMetrics,
    *,
    live: Callable[[], list[str]],
    ready: Callable[[], Awaitable[list[str]]],
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port, which matters when 0 was asked for.

    `live` and `ready` give what is wrong, a line each; empty is 200, anything else 503. Raises OSError when the port
    is taken.
    """

    async def get_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": _METRICS_TYPE})

    async def get_live(_: web.Request) -> web.Response:
        return _verdict(live())

    async def get_ready(_: web.Request) -> web.Response:
        return _verdict(await ready())

    app = web.Application()
    app.add_routes([web.get("/metrics", get_metrics), web.get("/livez", get_live), web.get("/readyz", get_ready)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, shutdown_timeout=1)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _verdict(problems: list[str]) -> web.Response:
    return web.Response(text="\n".join(problems or ["ok"]) + "\n", status=503 if problems else 200)
