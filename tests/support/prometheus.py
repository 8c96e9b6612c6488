"""A Prometheus that scrapes workers on this machine."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "rules"
JOB = "interaction-worker"

_READY_SECONDS = 30
_SCRAPE_SECONDS = 1


def tool(name: str) -> str:
    """Path of `prometheus` or `promtool`. Without it a test is skipped, but never in CI."""
    if found := shutil.which(name):
        return found
    reason = f"{name} is not installed (Debian: apt-get install prometheus)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where it is asked."""

    url: str
    session: aiohttp.ClientSession

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Each series' labels and newest value. Raises ValueError when Prometheus does not understand it."""
        return await self._result("/api/v1/query", {"query": expression})

    async def value(self, expression: str) -> float | None:
        """The value of the only series, None where there is none."""
        found = await self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    async def range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Each series' labels and values from `start` to `end`, Unix times."""
        parameters = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return await self._result("/api/v1/query_range", parameters)

    async def rule_problems(self) -> list[str]:
        """What went wrong in evaluating the rules."""
        async with self.session.get(f"{self.url}/api/v1/rules") as answer:
            groups = (await answer.json())["data"]["groups"]
        assert groups
        return [
            f"{rule['name']}: {rule.get('lastError')}" for g in groups for rule in g["rules"] if rule.get("lastError")
        ]

    async def _result(self, path: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        async with self.session.post(self.url + path, data=parameters) as answer:
            document = await answer.json()
        if document["status"] != "success":
            raise ValueError(f"{document['error']} in: {parameters['query']}")
        result: list[dict[str, Any]] = document["data"]["result"]
        return result


@asynccontextmanager
async def running_prometheus(
    directory: Path, worker_urls: Sequence[str] = (), *, discoveries: Sequence[Mapping[str, str]] = ()
) -> AsyncIterator[Prometheus]:
    """A Prometheus with the project's rules that scrapes these workers every second; gone at the end.

    Also what each discovery finds, an entry of http_sd_configs.
    """
    port = _free_port()
    process = _start(directory, port, worker_urls, discoveries)
    try:
        async with aiohttp.ClientSession() as session:
            prometheus = Prometheus(f"http://127.0.0.1:{port}", session)
            await _await_ready(prometheus, process)
            # It takes some seconds to begin; what happens before that has no zero to start from.
            async with asyncio.timeout(_READY_SECONDS):
                while await prometheus.value("sum(up)") != (len(worker_urls) or 1):
                    await asyncio.sleep(0.1)
            yield prometheus
    finally:
        process.kill()
        process.wait()


def _start(
    directory: Path, port: int, worker_urls: Sequence[str], discoveries: Sequence[Mapping[str, str]]
) -> "subprocess.Popen[bytes]":
    program = tool("prometheus")
    directory.mkdir(exist_ok=True)
    configuration = {
        "global": {"scrape_interval": f"{_SCRAPE_SECONDS}s", "evaluation_interval": f"{_SCRAPE_SECONDS}s"},
        "rule_files": [str(RULES / "*.yml")],
        "scrape_configs": [
            {
                "job_name": JOB,
                "static_configs": [{"targets": [urlsplit(url).netloc for url in worker_urls]}],
                "http_sd_configs": list(discoveries),
            }
        ],
    }
    # JSON is YAML, so no library is needed to write it.
    (directory / "prometheus.json").write_text(json.dumps(configuration))
    with (directory / "prometheus.log").open("wb") as output:
        return subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.json'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )


async def _await_ready(prometheus: Prometheus, process: "subprocess.Popen[bytes]") -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            assert process.poll() is None, "Prometheus ended; see prometheus.log"
            try:
                async with prometheus.session.get(f"{prometheus.url}/-/ready") as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
