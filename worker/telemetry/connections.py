"""Connections to the port, bounded: whoever reaches it can neither fill the process nor keep it from ending.

aiohttp has no deadline for headers, none for reading an answer, and no cap of connections.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

MOST_CONNECTIONS = 50
"""Half of what settings._SPARE_FILES leaves for everything but polls."""

CONNECTION_SECONDS = 15.0
"""From connecting until headers and body have come, the answer is made (/readyz takes up to 3 s) and it is read."""

BACKLOG = 10
"""So many the event loop accepts in one round. A client that asks at once is heard two rounds later: more than
MOST_CONNECTIONS cannot come in between."""

SERVER = "interaction-worker"
"""The Server header. aiohttp's own tells its version and Python's."""

_PARSER: dict[str, Any] = {"max_line_size": 4096, "max_field_size": 4096, "max_headers": 64, "auto_decompress": False}
"""256 KB of headers at most, several times what a browser or a proxy sends."""

_LINGER_SECONDS = 1.0
"""How long a body that nobody reads may still come after the answer; to close at once could cost the client it."""


Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers one request."""


def close_after(response: web.StreamResponse) -> web.StreamResponse:
    """The response as the only one of its connection, so that a connection's deadline is a request's."""
    response.headers["Server"] = SERVER
    response.force_close()
    return response


class BoundedServer(web.Server):
    """Serves each connection one request. The one that has waited longest makes room when there are too many."""

    def __init__(self, answer: Answer) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            cast("_Connection", request.protocol).asked = True
            return close_after(await answer(request))

        super().__init__(handle, access_log=None, lingering_time=_LINGER_SECONDS, **_PARSER)
        self._open: dict[_Connection, None] = {}

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._open, loop=self._loop, **self._kwargs)

    def drop_all(self) -> None:
        """End every connection at once, also one whose client does not read what it was sent."""
        for connection in list(self._open):
            connection.drop()


class _Connection(web.RequestHandler):
    """One client's connection, among those that are open; oldest first."""

    __slots__ = ("_deadline", "_others", "_wire", "asked")

    def __init__(self, manager: web.Server, others: "dict[_Connection, None]", **options: Any) -> None:
        super().__init__(manager, **options)
        self.asked = False
        """Its request's headers have come."""
        self._others = others
        self._wire: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._others) >= MOST_CONNECTIONS:
            # One that has not asked, before any that has: min takes the first, which is the oldest.
            min(self._others, key=lambda connection: connection.asked).drop()
        self._others[self] = None
        self._wire = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(CONNECTION_SECONDS, self.drop)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._others.pop(self, None)
        super().connection_lost(exc)

    def drop(self) -> None:
        """End it without waiting for the client."""
        self._others.pop(self, None)
        if self._wire is not None:
            self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Also what is no HTTP comes here: it is neither quoted to the client nor logged."""
        if status >= 500:  # noqa: PLR2004 -- a fault of ours
            return close_after(super().handle_error(request, status, exc, message))
        return close_after(web.Response(status=status, text="not a request that can be answered\n"))
