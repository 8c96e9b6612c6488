"""A real Redis server for tests, from the distribution's package."""

import asyncio
import shutil
import socket
import time
from types import TracebackType
from typing import Self

import pytest

_START_SECONDS = 20.0


def need_redis() -> str:
    """The server's path; without one the test is skipped, so that the tests run on a machine without it too."""
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server on this machine (Debian: apt install redis-server)")
    return path


class RedisServer:
    """In memory only, on a free loopback port that stays its own across a stop and start."""

    def __init__(self) -> None:
        self._path = need_redis()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        options = {"--port": str(self.port), "--bind": "127.0.0.1", "--save": "", "--appendonly": "no"}
        self._process = await asyncio.create_subprocess_exec(
            self._path,
            *(text for option in options.items() for text in option),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        give_up_at = time.monotonic() + _START_SECONDS
        while not await self._answers():
            if self._process.returncode is not None or time.monotonic() > give_up_at:
                raise RuntimeError(f"redis-server did not start (exit status {self._process.returncode})")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Kill it, as an outage would: nothing is kept."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        finally:
            writer.close()
            await writer.wait_closed()
