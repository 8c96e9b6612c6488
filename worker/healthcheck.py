"""The container's health check, `python -m worker.healthcheck [PORT [PATH]]`: exit 0 when `/livez` says 200.

It asks whether the loops move, not whether AWS and Genesys Cloud answer: to replace a task cures the former only. It
runs every few seconds beside the service on a fraction of a core, so it imports as little as it can.
"""

import os
import socket
import sys

_SECONDS = 8.0
"""Below the 10 s that the container's definitions give the check, so that the reason is still printed."""

_MOST = 4096


def check(port: int, path: str = "/livez") -> str | None:
    """What is wrong with the service on this port of the loopback address; None when it is alive."""
    request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
    try:
        with socket.socket() as connection:
            connection.settimeout(_SECONDS)
            connection.connect(("127.0.0.1", port))
            connection.sendall(request)
            answer = b""
            while len(answer) < _MOST and (part := connection.recv(_MOST)):
                answer += part
    except OSError as error:
        return f"no answer on port {port}: {type(error).__name__}: {error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ")[1:2]
    return None if status == [b"200"] else (status[0] + b" " + body if status else answer).decode("utf-8", "replace")


if __name__ == "__main__":
    given = sys.argv[1:] or [os.environ.get("HTTP_PORT") or "8080"]
    problem = check(int(given[0]), *given[1:])
    if problem is not None:
        print(problem.strip() or "an empty answer", file=sys.stderr)  # noqa: T201 -- shown by `docker inspect`
    sys.exit(problem is not None)
