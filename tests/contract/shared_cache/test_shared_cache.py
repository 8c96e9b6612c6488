"""What every backend of the shared cache promises."""

import asyncio

import pytest

from worker.fleet import dynamodb, redis
from worker.ports import SharedCache


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may be late for a backend's own timeout, which no test here is about."""
    for backend in (dynamodb, redis):
        monkeypatch.setattr(backend, "TIMEOUT_SECONDS", 20.0)


async def test_an_unknown_key_has_no_entry(cache: SharedCache) -> None:
    assert await cache.get("nothing") is None


async def test_what_was_put_is_got_with_the_version_that_put_returned(cache: SharedCache) -> None:
    put = await cache.put("key", '{"text": "ü"}', expected=None, seconds=60)
    assert put is not None
    assert put.content == '{"text": "ü"}'
    assert await cache.get("key") == put


async def test_only_who_saw_the_latest_version_replaces_it(cache: SharedCache) -> None:
    first = await cache.put("key", "one", expected=None, seconds=60)
    assert first is not None
    second = await cache.put("key", "two", expected=first.version, seconds=60)
    assert second is not None
    assert await cache.put("key", "late", expected=first.version, seconds=60) is None
    assert await cache.put("key", "blind", expected=None, seconds=60) is None
    assert await cache.get("key") == second


async def test_the_same_content_put_again_is_another_version(cache: SharedCache) -> None:
    first = await cache.put("key", "same", expected=None, seconds=60)
    assert first is not None
    second = await cache.put("key", "same", expected=first.version, seconds=60)
    assert second is not None
    assert second.version != first.version


async def test_a_version_of_an_entry_that_is_gone_replaces_nothing(cache: SharedCache) -> None:
    assert await cache.put("key", "text", expected="0" * 32, seconds=60) is None
    assert await cache.get("key") is None


async def test_an_entry_whose_time_is_over_is_gone_and_a_new_one_can_be_made(cache: SharedCache) -> None:
    # A whole second is the shortest that DynamoDB's TTL attribute tells apart.
    assert await cache.put("key", "short", expected=None, seconds=0.2) is not None
    async with asyncio.timeout(20):
        while await cache.get("key") is not None:
            await asyncio.sleep(0.05)
    assert await cache.put("key", "new", expected=None, seconds=60) is not None


async def test_of_many_who_put_at_once_exactly_one_succeeds(cache: SharedCache) -> None:
    first = await cache.put("key", "start", expected=None, seconds=60)
    assert first is not None
    results = await asyncio.gather(
        *(cache.put("key", f"writer {number}", expected=first.version, seconds=60) for number in range(20))
    )
    winners = [entry for entry in results if entry is not None]
    assert len(winners) == 1
    assert await cache.get("key") == winners[0]


async def test_a_counter_kept_by_compare_and_swap_loses_no_step(cache: SharedCache) -> None:
    async def step() -> None:
        while True:
            entry = await cache.get("count")
            number = int(entry.content) if entry else 0
            if await cache.put("count", str(number + 1), expected=entry.version if entry else None, seconds=60):
                return

    await asyncio.gather(*(step() for _ in range(10)))
    entry = await cache.get("count")
    assert entry is not None
    assert entry.content == "10"
