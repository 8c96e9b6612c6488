"""HTTP/1.1 as thin as it gets: the stub must never be what limits a measurement."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

_END_OF_HEAD = b"\r\n\r\n"
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}


@dataclass(slots=True, eq=False)
class Request:
    """One request; the answer may be given later, and in the meantime the client may be gone."""

    method: str
    target: str
    """Path and query string."""
    operation: str
    """The part of `X-Amz-Target` after the dot; empty for anything but AWS JSON."""
    body: bytes
    connection: "Connection"
    timer: asyncio.TimerHandle | None = None
    """Ends a long poll that is held."""

    def reply(self, body: bytes, *, status: int = 200, delay: float = 0.0) -> None:
        """Answer now, or `delay` seconds from now."""
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self.connection.answer, status, body)
        else:
            self.connection.answer(status, body)


Handler = Callable[[Request], None]


class Connection(asyncio.Protocol):
    """One client connection, one request at a time."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self.when_lost: Callable[[], None] | None = None
        """Called when the client goes away; set while a long poll is held."""

    @property
    def open(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        if self.when_lost is not None:
            self.when_lost()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(_END_OF_HEAD)
        if head_end < 0:
            self._received = received
            return
        head = received[:head_end].decode("latin-1")
        length, operation = _read_head(head)
        body_end = head_end + len(_END_OF_HEAD) + length
        if len(received) < body_end:
            self._received = received
            return
        self._received = received[body_end:]
        method, target, _ = head.split(" ", 2)
        body = received[head_end + len(_END_OF_HEAD) : body_end]
        self._handler(Request(method, target, operation, body, self))

    def answer(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            head = b"HTTP/1.1 %d %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(head % (status, _REASONS[status], len(body)) + body)


def _read_head(head: str) -> tuple[int, str]:
    """Content length and AWS operation of a request's head."""
    length, operation = 0, ""
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        lowered = name.lower()
        if lowered == "content-length":
            length = int(value)
        elif lowered == "x-amz-target":
            operation = value.rpartition(".")[2]
    return length, operation
