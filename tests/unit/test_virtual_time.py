"""The virtual loop that later tests trust."""

import asyncio

import pytest

from tests.support.virtual_time import EPOCH, StuckError, VirtualClock, run_virtually


def test_hours_pass_in_order_and_at_once() -> None:
    clock = VirtualClock(skew=2.0)
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.time()))

    async def main() -> None:
        await asyncio.gather(wait("second", 7200), wait("first", 3600))
        with pytest.raises(TimeoutError):
            async with clock.timeout(5):
                await asyncio.Event().wait()
        assert clock.monotonic() == pytest.approx(7205)

    run_virtually(main())
    assert [name for name, _ in seen] == ["first", "second"]
    assert seen[1][1] == pytest.approx(EPOCH + 7202)


def test_a_wait_that_nothing_ends_is_an_error_and_no_hang() -> None:
    with pytest.raises(StuckError):
        run_virtually(asyncio.Event().wait())
