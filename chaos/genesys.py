"""A simulator of Genesys Cloud that also goes away for long, and gives large and endless answers."""

import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from aiohttp import web

from worker.local.simulator.replies import api_error
from worker.local.simulator.server import Options, Simulator

LARGE_PREFIX = "large-"
"""Ids of conversations whose details have two megabytes; a batch with several of them is too large."""

ENDLESS_PREFIX = "endless-"
"""Ids of conversations whose details never end."""

_PADDING = [{"purpose": "agent", "sessions": [{"mediaType": "voice", "segments": ["x" * 200] * 8}]}] * 1200
_ENDLESS_BYTES = 64 * 2**20
"""After so much even the endless answer ends: who reads on has failed."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Genesys(Simulator):
    """As the simulator, with more faults."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.down: Literal["answers 503", "resets connections"] | None = None
        """What becomes of every request, logins too."""
        self.endless = 0
        """Endless answers that were given."""

    def application(self) -> web.Application:
        app = super().application()

        @web.middleware
        async def disturb(request: web.Request, handler: _Handler) -> web.StreamResponse:
            return await self._disturb(request, handler)

        app.middlewares.append(disturb)
        return app

    async def _disturb(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self.down == "answers 503":
            return api_error(503, "service.unavailable", "the service is away")
        if self.down == "resets connections":
            return _hang_up(request)
        answer = await handler(request)
        ids = ",".join(request.query.getall("id", []))
        if isinstance(answer, web.Response) and answer.status == web.HTTPOk.status_code:
            if ENDLESS_PREFIX in ids:
                return await self._answer_without_end(request)
            if LARGE_PREFIX in ids:
                return _enlarge(answer)
        return answer

    async def _answer_without_end(self, request: web.Request) -> web.StreamResponse:
        self.endless += 1
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(b'{"conversations":[{}')
        piece = b",{}" * 20_000
        with contextlib.suppress(ConnectionError):
            for _ in range(_ENDLESS_BYTES // len(piece)):
                await answer.write(piece)
        return answer


def _enlarge(answer: web.Response) -> web.Response:
    document: dict[str, Any] = json.loads(answer.text or "{}")
    for conversation in document["conversations"]:
        if conversation["conversationId"].startswith(LARGE_PREFIX):
            conversation["padding"] = _PADDING
    return web.json_response(document)


def _hang_up(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
