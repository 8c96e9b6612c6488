"""What `doctor` says of a pause and of an outage that the fleet knows of."""

import time

import pytest

from tests.integration.doctor.front import Front
from tests.integration.doctor.looking import faults, findings
from worker.clock import SystemClock
from worker.commands.pause import pause
from worker.fleet.gate_record import Closure, GateRecord
from worker.settings import load_settings
from worker.wiring import open_gate


@pytest.mark.usefixtures("healthy")
async def test_a_pause_and_an_outage_are_told_and_are_no_fault() -> None:
    assert (await findings())["fleet"].text == "neither paused nor held back by an outage"
    async with open_gate(load_settings()) as gate:
        closure = Closure("Genesys.Unavailable", "the API answered 503", since=1_780_000_000.0)
        await gate.replace(await gate.read(), GateRecord(closed={"genesys#key": closure}), seconds=60)
        await pause(gate, SystemClock(), 1800)
    text = (await findings())["fleet"].text
    assert text.startswith("paused since 20")
    assert text.endswith(
        "; holds back since 2026-05-28T20:26:40.000Z, because Genesys Cloud does not answer: "
        "Genesys.Unavailable, the API answered 503"
    )
    assert await faults() == {}


@pytest.mark.usefixtures("healthy")
async def test_a_pause_that_is_over_is_not_told() -> None:
    async with open_gate(load_settings()) as gate:
        await pause(gate, SystemClock(), 1)
        deadline = time.monotonic() + 30
        while (await findings())["fleet"].text.startswith("paused"):
            assert time.monotonic() < deadline


async def test_who_may_not_read_the_shared_cache_is_told_that_it_is_not_checked(front: Front) -> None:
    front.refused["DynamoDB_20120810.GetItem"] = "AccessDeniedException"
    found = (await findings())["fleet"]
    assert (found.status, found.text) == ("skipped", "not checked: DynamoDB: AccessDeniedException")


@pytest.mark.usefixtures("healthy")
async def test_one_worker_alone_has_no_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_CACHE_URL", "memory://")
    assert "fleet" not in await findings()
