"""The policy of the Lambda recipe that this service replaces, against the same limit.

One function call an interaction and an attempt, no pacing, no batches: who is refused waits 2 s, then 4 s, 8 s …, and
is a dead letter when the attempts are used up.
"""

import asyncio
import time
from typing import Any

import aiohttp

from bench.fleet_rig import CREDENTIALS, SimulatorProcess

FIRST_WAIT_SECONDS = 2.0
BACKOFF_RATE = 2.0


async def burst(simulator: SimulatorProcess, *, interactions: int, per_second: float, attempts: int) -> dict[str, Any]:
    """What became of a burst that arrives at an even rate."""
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector) as session:
        token = await _log_in(session, simulator.url)
        began = time.monotonic()

        async def interaction(number: int) -> bool:
            await asyncio.sleep(number / per_second)
            for attempt in range(attempts):
                if attempt:
                    await asyncio.sleep(FIRST_WAIT_SECONDS * BACKOFF_RATE ** (attempt - 1))
                url = f"{simulator.url}/api/v2/conversations/recipe-{number}"
                async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                    await answer.read()
                    if answer.status == 200:
                        return True
            return False

        results = await asyncio.gather(*(interaction(number) for number in range(interactions)))
        seconds = time.monotonic() - began
    stats = await simulator.stats()
    return {
        "seconds": round(seconds, 1),
        "requests": stats["requests_total"],
        "refused": stats["rate_limited"],
        "stored": sum(results),
        "dead_lettered": interactions - sum(results),
    }


async def _log_in(session: aiohttp.ClientSession, url: str) -> str:
    auth = aiohttp.encode_basic_auth(CREDENTIALS["GENESYS_CLIENT_ID"], CREDENTIALS["GENESYS_CLIENT_SECRET"])
    data = {"grant_type": "client_credentials"}
    async with session.post(f"{url}/oauth/token", data=data, headers={"Authorization": auth}) as answer:
        token: str = (await answer.json())["access_token"]
        return token
