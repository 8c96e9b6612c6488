"""Waiting for tasks by a clock that is handed in."""

import asyncio

from tests.support.virtual_time import VirtualClock, run_virtually
from worker.clock import wait_for_tasks


def test_a_wait_for_tasks_ends_with_them_or_with_the_time_and_cancels_none() -> None:
    clock = VirtualClock()

    async def main() -> None:
        short, long = (asyncio.create_task(clock.sleep(seconds)) for seconds in (10, 100))
        assert await wait_for_tasks(clock, {short, long}, 1000, return_when=asyncio.FIRST_COMPLETED) == {short}
        assert clock.monotonic() == 10
        assert await wait_for_tasks(clock, {short, long}, 30) == {short}
        assert clock.monotonic() == 40
        assert await wait_for_tasks(clock, {short, long}, 1000) == {short, long}
        assert clock.monotonic() == 100
        assert not long.cancelled()

    run_virtually(main())
