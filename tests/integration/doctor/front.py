"""A server in front of the emulator."""

import time
from dataclasses import dataclass, field
from email.utils import formatdate

import aiohttp
from aiohttp import web

_PASSED_ON = ("content-type", "x-amzn-query-error", "etag", "x-amz-meta-")
"""Beginnings of the headers that an SDK looks at."""


@dataclass
class Front:
    """Stands in front of the emulator, refuses what it is told to, and has a clock of its own."""

    target: str
    refused: dict[str, str] = field(default_factory=dict)
    """Error code by X-Amz-Target."""
    answered: dict[str, dict[str, object]] = field(default_factory=dict)
    """Answer by X-Amz-Target, in place of the emulator's."""
    seconds_ahead: float = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        action = request.headers.get("X-Amz-Target", "sts")
        date = {"Date": formatdate(time.time() + self.seconds_ahead, usegmt=True)}
        if code := self.refused.get(action):
            body = {"__type": f"com.amazon.service#{code}", "message": "no identity-based policy allows it"}
            return web.json_response(body, status=400, headers=date, content_type="application/x-amz-json-1.0")
        if action in self.answered:
            return web.json_response(self.answered[action], headers=date, content_type="application/x-amz-json-1.1")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method,
                self.target + request.path_qs,
                headers={k: v for k, v in request.headers.items() if k.lower() not in {"host", "content-length"}},
                data=await request.read(),
            ) as response,
        ):
            kept = {k: v for k, v in response.headers.items() if k.lower().startswith(_PASSED_ON)}
            return web.Response(status=response.status, body=await response.read(), headers=kept | date)
