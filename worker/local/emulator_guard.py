"""What stands before the emulator: it answers AWS clients of this machine, and no page that a browser shows.

A page of any site can have its browser send requests to a port of this machine, and one whose name its owner leads
here (DNS rebinding) may read the answers as well. The first kind is known by Origin and Sec-Fetch-Site, which browsers
send and AWS clients do not; the second by its Host.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from worker.loopback import is_loopback

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI application."""

HEALTH_PATH = "/_ministack/health"

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::[0-9]+)?", re.IGNORECASE)
_OWN_PATHS = "/_"
"""What the emulator adds to AWS, such as changes of its configuration. No AWS call and no bucket begins so."""


def guarded(application: Application, hosts: Iterable[str] = ()) -> Application:
    """The application for requests whose Host is this machine or one of `hosts`, without an Origin and without CORS."""
    names = frozenset(hosts)

    async def guard(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, receive, send)
        elif scope["type"] != "http":
            # No service in use has WebSockets. Closed before it is accepted, the upgrade is answered with 403.
            await send({"type": "websocket.close"})
        elif refusal := _refusal(scope, names):
            await _refuse(send, refusal)
        else:
            await application(scope, receive, _without_cors(send))

    return guard


def _refusal(scope: Message, names: frozenset[str]) -> str:
    """Why the request is refused; empty: it is not."""
    hosts, origins, sites = (_values(scope, name) for name in (b"host", b"origin", b"sec-fetch-site"))
    if len(hosts) != 1 or not _is_allowed(hosts[0], names):
        return "the Host of the request is none of this emulator's"
    if origins or any(site != "none" for site in sites):
        return "the emulator answers no page of a browser"
    if scope["path"].startswith(_OWN_PATHS) and scope["path"] != HEALTH_PATH:
        return "of the emulator's own paths only its health is served"
    return ""


def _is_allowed(host: str, names: frozenset[str]) -> bool:
    match = _HOST.fullmatch(host)
    name = (match[1] or match[2]) if match else ""
    return name in names or is_loopback(name)


def _values(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for header, value in scope["headers"] if header.lower() == name]


async def _refuse(send: Send, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _without_cors(send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if "headers" in message:
            kept = [(n, v) for n, v in message["headers"] if not n.lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return send_on
