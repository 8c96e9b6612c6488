"""The container's health check against a server of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from worker.healthcheck import check


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """A port that gives one connection this answer and closes it."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_alive() -> None:
    with _answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        assert check(port) is None


def test_what_livez_finds_wrong_is_told() -> None:
    with _answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\nslot 3 has not moved for 200 s\n") as port:
        assert check(port) == "503 slot 3 has not moved for 200 s\n"


@pytest.mark.parametrize("answer", [b"", b"nonsense"])
def test_no_http_is_not_alive(answer: bytes) -> None:
    with _answering(answer) as port:
        assert check(port) == answer.decode()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    problem = check(port)
    assert problem is not None
    assert "ConnectionRefusedError" in problem
