"""LocalStack as a child process: SQS and Step Functions on a free loopback port, in memory only."""

import http.client
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from chaos.localstack import environment

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 90.0


class LocalStack:
    """Started on entering the context and gone after leaving it, or when this process ends in any way."""

    def __init__(self, *, output: Path | None = None) -> None:
        """`output` receives what it prints, which is dropped when it is None."""
        self._output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="localstack-", ignore_cleanup_errors=True)
        self.url = ""

    def __enter__(self) -> Self:
        python = environment.interpreter()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        with (self._output or Path(os.devnull)).open("ab") as sink:
            self._process = subprocess.Popen(
                [str(python), "-m", "chaos.localstack.launcher"],
                cwd=_ROOT,
                env=self._environment(port),
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._await_health(port)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _environment(self, port: int) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return kept | {
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "LOCALSTACK_HOST": f"127.0.0.1:{port}",
            "SERVICES": "sqs,stepfunctions,events,sts",  # the last two are what Step Functions calls itself
            "SQS_ENDPOINT_STRATEGY": "path",
            "STRICT_SERVICE_LOADING": "1",
            "FILESYSTEM_ROOT": self._folder.name,
            "TMPDIR": self._folder.name,
            # Nothing may leave the machine or take a fixed port: no usage events, no certificate, no DNS server.
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DNS_ADDRESS": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _await_health(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                connection.request("GET", "/_localstack/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
            finally:
                connection.close()
        raise RuntimeError(f"LocalStack did not start; see {self._output or 'its output, which was dropped'}")

    def _stop(self) -> None:
        if self._process is not None:
            # All it has is in memory, and an orderly stop takes it seconds.
            self._process.kill()
            self._process.wait()
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._folder.cleanup()
