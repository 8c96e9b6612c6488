"""What the fleet is put through; each scenario returns its figures."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import fleet_recipe
from bench.fleet_rig import CREDENTIALS, Fleet, open_fleet, open_simulator
from tests.support.fakes import RecordingMetrics
from tests.support.genesys_details import details_of_worker
from tests.support.genesys_fleet import ELSEWHERE
from tests.support.redis_server import RedisServer
from tests.support.worker_process import until
from worker.fleet.shared_cache import open_shared_cache
from worker.ports import Details
from worker.settings import Settings

TEMPLATE = "/api/v2/conversations/{interactionId}"
LIMIT = 300
TASKS = 4
BURST = 10_000
ARRIVALS = 200.0
"""Interactions a second, when two policies are compared."""


@dataclass(frozen=True, slots=True)
class Options:
    directory: Path
    minutes: float
    outage_seconds: float


async def backlog(options: Options) -> dict[str, Any]:
    """One by one, more work than the allowance lets through, for some minutes."""
    results: dict[str, Any] = {}
    for cache in ("dynamodb", "redis"):
        settings = {"GENESYS_DETAILS_PATH": TEMPLATE, "MAX_CONCURRENCY": "25"}
        async with open_fleet(
            options.directory, workers=TASKS, requests=LIMIT, cache=cache, settings=settings
        ) as fleet:
            await fleet.publish(int(LIMIT * (options.minutes + 1)))
            await _requests(fleet, 1)
            began, before = time.monotonic(), await fleet.simulator.stats()
            await asyncio.sleep(options.minutes * 60)
            seconds, after = time.monotonic() - began, await fleet.simulator.stats()
            requests = after["requests_total"] - before["requests_total"]
            results[cache] = {
                "minutes": round(seconds / 60, 2),
                "requests": requests,
                "refused": after["rate_limited"],
                "most_in_60_s": after["peak_in_window"],
                "share_of_allowance": round(requests / (LIMIT * seconds / 60), 4),
                "logins": after["logins"],
                "attempts": dict(await fleet.counts("worker_interactions_total")),
            }
    return results


async def burst(options: Options) -> dict[str, Any]:
    """Interactions that all wait already, in batches, where the allowance is what limits."""
    # So few that the AWS emulator, which handles some hundred calls a second, is not what limits.
    limit = 10
    settings = {"MAX_CONCURRENCY": "150", "ALLOWANCE_WAIT_SECONDS": "120"}
    async with open_fleet(options.directory, workers=TASKS, requests=limit, waiting=BURST, settings=settings) as fleet:
        seconds = await fleet.finished(BURST, seconds=1800)
        stats = await fleet.simulator.stats()
        depths = await fleet.queue_depths()
        return {
            "limit": limit,
            "seconds": round(seconds, 1),
            "requests": stats["requests_total"],
            "mean_batch": stats["batches"]["mean"],
            "refused": stats["rate_limited"],
            "most_in_60_s": stats["peak_in_window"],
            "logins": stats["logins"],
            "attempts": dict(await fleet.counts("worker_interactions_total")),
            "dead_lettered": depths["DEAD_LETTER_QUEUE_URL"],
        }


async def policies(options: Options) -> dict[str, Any]:
    """One burst, arriving evenly, under this service's policy and under the recipe's."""
    results = {"paced": await _paced(options)}
    for attempts in (3, 5):
        async with open_simulator(options.directory, "--requests", str(LIMIT)) as simulator:
            results[f"recipe_{attempts}"] = await fleet_recipe.burst(
                simulator, interactions=BURST, per_second=ARRIVALS, attempts=attempts
            )
    return results


async def _paced(options: Options) -> dict[str, Any]:
    async with (
        RedisServer() as redis,
        open_simulator(options.directory, "--requests", str(LIMIT)) as simulator,
        AsyncExitStack() as stack,
    ):
        fleet = []
        for _ in range(TASKS):
            cache = await stack.enter_async_context(open_shared_cache(redis.url, None))
            fleet.append(
                await stack.enter_async_context(
                    details_of_worker(_settings(simulator.url, None), cache, RecordingMetrics())
                )
            )
        began = time.monotonic()

        async def interaction(number: int) -> bool:
            await asyncio.sleep(number / ARRIVALS)
            return isinstance(await fleet[number % TASKS].fetch(f"paced-{number}"), Details)

        results = await asyncio.gather(*(interaction(number) for number in range(BURST)))
        seconds, stats = time.monotonic() - began, await simulator.stats()
        return {
            "seconds": round(seconds, 1),
            "requests": stats["requests_total"],
            "refused": stats["rate_limited"],
            "stored": sum(results),
            "dead_lettered": BURST - sum(results),
        }


async def idle(options: Options) -> dict[str, Any]:
    """One interaction at a time on an idle system: batched against one by one, in turn."""
    async with RedisServer() as redis, open_simulator(options.directory, "--requests", str(LIMIT)) as simulator:
        times: dict[str, list[float]] = {"batched": [], "one_by_one": []}
        paths = {"batched": None, "one_by_one": "/api/v2/analytics/conversations/{interactionId}/details"}
        for number in range(120):
            name = ("batched", "one_by_one")[number % 2]
            settings = _settings(simulator.url, paths[name])
            async with (
                open_shared_cache(redis.url, None) as cache,
                details_of_worker(settings, cache, RecordingMetrics()) as details,
            ):
                await details.check()
                await details.fetch(f"warm-{number}")
                await asyncio.sleep(0.5)
                began = time.perf_counter()
                await details.fetch(f"idle-{number}")
                times[name].append(1000 * (time.perf_counter() - began))
        medians = {name: round(statistics.median(values), 2) for name, values in times.items()}
        slowest = {name: round(sorted(values)[int(0.95 * len(values))], 2) for name, values in times.items()}
        return {"median_ms": medians, "p95_ms": slowest, "samples_each": len(times["batched"])}


async def pause(options: Options) -> dict[str, Any]:
    """Every request is answered with 429 and `Retry-After: 30` for 30 s."""
    return await _disturbed(options, lambda fleet: fleet.simulator.control("throttle", {"seconds": 29.5}))


async def revoked(options: Options) -> dict[str, Any]:
    """All tokens are revoked under load."""
    return await _disturbed(options, lambda fleet: fleet.simulator.control("revoke"))


async def cache_away(options: Options) -> dict[str, Any]:
    """The shared cache is killed, and started again empty."""

    async def disturb(fleet: Fleet) -> None:
        await fleet.redis.stop()
        before = await fleet.simulator.stats()
        await asyncio.sleep(options.outage_seconds)
        after = await fleet.simulator.stats()
        during["requests_without_cache"] = after["requests_total"] - before["requests_total"]
        await fleet.redis.start()
        await until(lambda: fleet.logged("shared_cache_available") >= TASKS, 60)

    during: dict[str, Any] = {"outage_seconds": options.outage_seconds}
    return await _disturbed(options, disturb) | during


async def _disturbed(options: Options, disturb: Callable[[Fleet], Awaitable[None]]) -> dict[str, Any]:
    """A backlog one by one, disturbed after a while, worked off to its end."""
    settings = {"GENESYS_DETAILS_PATH": TEMPLATE, "MAX_CONCURRENCY": "25", "HEARTBEAT_SECONDS": "5"}
    events = 450
    async with open_fleet(options.directory, workers=TASKS, requests=LIMIT, settings=settings) as fleet:
        await fleet.publish(events)
        await _requests(fleet, 100)
        heartbeats = (await fleet.counts("worker_heartbeats_total"))["sent"]
        await disturb(fleet)
        seconds = await fleet.finished(events, seconds=600)
        stats = await fleet.simulator.stats()
        return {
            "seconds_to_the_end": round(seconds, 1),
            "logins": stats["logins"],
            "refused_429": stats["rate_limited"],
            "refused_401": stats["unauthorized"],
            "requests_during_pause": stats["during_throttle"],
            "most_in_60_s": stats["peak_in_window"],
            "heartbeats": (await fleet.counts("worker_heartbeats_total"))["sent"] - heartbeats,
            "attempts": dict(await fleet.counts("worker_interactions_total")),
            "warnings_cache_away": fleet.logged("shared_cache_unavailable"),
        }


async def _requests(fleet: Fleet, number: int) -> None:
    async def reached() -> bool:
        stats = await fleet.simulator.stats()
        return bool(stats["requests_total"] >= number)

    await until(reached, 120)


def _settings(url: str, path: str | None) -> Settings:
    values: dict[str, Any] = {
        **ELSEWHERE,
        "genesys_login_url": url,
        "genesys_api_url": url,
        "genesys_client_id": CREDENTIALS["GENESYS_CLIENT_ID"],
        "genesys_client_secret": CREDENTIALS["GENESYS_CLIENT_SECRET"],
        "genesys_details_path": path,
    }
    return Settings(**values)
