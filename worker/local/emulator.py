"""The embedded AWS: MiniStack in a child process on a free loopback port, in memory only."""

import http.client
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

# Says at once that the `local` extra is missing, not when the child fails.
import ministack  # type: ignore[import-untyped]  # noqa: F401

from worker.local.aws import ACCESS_KEY, SECRET_KEY
from worker.local.child_process import Child
from worker.local.emulator_guard import HEALTH_PATH
from worker.local.ministack_server import SERVICES

REGION = "us-east-1"

_START_SECONDS = 60.0
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""All that the emulator gets of this process's environment, which may hold keys of an AWS account."""


class EmulatorError(Exception):
    """The emulator did not start; the text says why and where to look."""


class Emulator:
    """MiniStack, started on entering the context and gone after leaving it, or when this process ends in any way."""

    def __init__(
        self, *, wait_scale: float = 1.0, output: Path | None = None, more_services: Sequence[str] = ()
    ) -> None:
        """`wait_scale` multiplies waits and retry intervals of Step Functions; `output` receives what it prints.

        `more_services` are served besides those that the service calls, by MiniStack's names.
        """
        self._services = (*SERVICES, *more_services)
        self._wait_scale = wait_scale
        self._output = output
        self._child: Child | None = None
        self.url = ""

    def __enter__(self) -> Self:
        # Bound here and handed over, so that the port is free for certain and a first request waits in the backlog
        # until the emulator answers it.
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            port = int(listener.getsockname()[1])
            descriptor = listener.fileno()
            self._child = Child(
                "worker.local.ministack_server",
                ["--bind", f"fd://{descriptor}"],
                environment=self._environment(port),
                output=self._output,
                file_descriptors=[descriptor],
            )
        self.url = f"http://127.0.0.1:{port}"
        try:
            self._await_health(port)
        except BaseException:
            self._child.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            # All it has is in memory, so there is nothing worth waiting for.
            self._child.process.kill()
            self._child.stop()

    @property
    def process_id(self) -> int:
        """Of the running emulator. Raises EmulatorError when it was not started."""
        if self._child is None:
            raise EmulatorError("the AWS emulator was not started")
        return self._child.process.pid

    @property
    def environment(self) -> dict[str, str]:
        """What an AWS SDK has to find in its environment to talk to this emulator."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            # A shell or a profile may have switched endpoints like this one off.
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _environment(self, port: int) -> Mapping[str, str]:
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return passed_on | {
            "SERVICES": ",".join(self._services),
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "SFN_WAIT_SCALE": str(self._wait_scale),
            "LOG_LEVEL": "WARNING",
            # It would otherwise open fixed ports of its own and remove containers it takes for its own leftovers.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }

    def _await_health(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_SECONDS)
        try:
            connection.request("GET", HEALTH_PATH)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            where = f"see {self._output}" if self._output else "its output was dropped"
            raise EmulatorError(f"the AWS emulator did not start ({error!r}); {where}") from error
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise EmulatorError(f"the AWS emulator answered its health check with {status}")
