"""The demo's worker processes, each on a port that it finds itself and says in its log."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from worker.local.child_process import Child

_READY_SECONDS = 60.0


class WorldError(Exception):
    """A part did not come up; the text says which one, and what it last said."""


def start(index: int, environment: Mapping[str, str], directory: Path) -> Child:
    """One more worker, whose output goes into `directory`."""
    return Child("worker", ["run"], environment={**environment, "HTTP_PORT": "0"}, output=_log(directory, index))


def check(workers: Sequence[Child], directory: Path) -> None:
    """Raises WorldError when one has ended."""
    for index, worker in enumerate(workers):
        if not worker.running:
            raise WorldError(
                f"worker {index} ended with status {worker.process.returncode}; "
                f"it last said:\n{_tail(_log(directory, index))}"
            )


async def await_ready(workers: Sequence[Child], directory: Path) -> tuple[str, ...]:
    """The base URL of each worker, once all are ready. Raises WorldError."""
    urls: list[str] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                for index in range(len(workers)):
                    while not await _is_ready(session, url := _url(_log(directory, index))):
                        check(workers, directory)
                        await asyncio.sleep(0.05)
                    urls.append(url)
        except TimeoutError:
            said = _tail(_log(directory, len(urls)))
            raise WorldError(
                f"worker {len(urls)} was not ready after {_READY_SECONDS:g} s; it last said:\n{said}"
            ) from None
    return tuple(urls)


async def stop(workers: Sequence[Child]) -> None:
    """Ask all to end, then wait for each."""
    for worker in workers:
        worker.terminate()
    # In threads, so that the simulator goes on answering while the workers finish.
    await asyncio.shield(asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in workers)))


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    if not url:
        return False
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def _url(log: Path) -> str:
    """Where a worker serves, or nothing while it has not said so."""
    for line in log.read_text(errors="replace").splitlines() if log.exists() else []:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and "http_port" in said:
            return f"http://127.0.0.1:{said['http_port']}"
    return ""


def _log(directory: Path, index: int) -> Path:
    return directory / f"worker-{index}.log"


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-10:]) or "nothing"
