"""The container's health check, `python -m worker.healthcheck`: exit 0 when `/livez` says 200.

It asks whether the loops move, not whether AWS and Genesys Cloud answer: to replace a task cures the former only. It
imports nothing but the standard library, because it runs every few seconds.
"""

import http.client
import os
import sys

_SECONDS = 4.0
"""Below the 5 s that the container's definition gives the check, so that the reason is still printed."""


def check(port: int) -> str | None:
    """What is wrong with the service on this port of the loopback address; None when it is alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {type(error).__name__}: {error}"
    finally:
        connection.close()
    return None if answer.status == http.HTTPStatus.OK else f"{answer.status} {body}"


if __name__ == "__main__":
    problem = check(int(os.environ.get("HTTP_PORT") or "8080"))
    if problem:
        print(problem, file=sys.stderr)  # noqa: T201 -- shown by `docker inspect`
    sys.exit(bool(problem))
