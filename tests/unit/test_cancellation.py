"""Asyncio tasks end, also those that lose a cancellation."""

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from worker import cancellation
from worker.runtime import ending


async def test_a_task_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_PATIENCE_SECONDS", 0.01)
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    async def failing() -> None:
        raise ValueError

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    await cancellation.cancel_and_wait(*tasks)
    assert lost == 3
    assert all(task.done() for task in tasks)


async def test_a_task_that_ignores_every_cancellation_is_named_and_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancellation, "_PATIENCE_SECONDS", 0.01)
    go_on = True

    async def deaf() -> None:
        while go_on:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    task = asyncio.create_task(deaf(), name="token-refresh")
    await asyncio.sleep(0)
    with capture_logs() as lines:
        await cancellation.cancel_and_wait(task)
    assert [(line["event"], line["tasks"]) for line in lines] == [("cancellation_ignored", ["token-refresh"])]
    assert not task.done()
    go_on = False
    await cancellation.cancel_and_wait(task)


def test_the_end_waits_for_no_task_that_loses_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_PATIENCE_SECONDS", 0.01)
    armed: list[str] = []
    monkeypatch.setattr(ending, "end_when_stuck", lambda: armed.append("armed"))
    lost: list[str] = []

    async def loses_one() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        lost.append("one")
        await asyncio.sleep(60)

    async def main() -> None:
        left = asyncio.create_task(loses_one())
        await asyncio.sleep(0)
        assert not left.done()

    with ending.run_to_the_end() as runner:
        loop = runner.get_loop()
        runner.run(main())
    assert (lost, armed) == (["one"], ["armed"])
    assert loop.is_closed()
