"""What people see of a running fleet, through a real Prometheus that scrapes it."""

import asyncio
import json
import math
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.support.dashboard import FILE, panels
from tests.support.environment import kept_environment
from tests.support.prometheus import Prometheus, running_prometheus, tool
from worker.local.demo.accounting import Accounting
from worker.local.demo.script import Script
from worker.local.demo.world import World, running_world
from worker.telemetry.metrics import SERIES

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 200

QUIET = {"Pause by Retry-After", "Alerts firing"}
"""Panels whose query always has an answer, so that it proves nothing that they do."""


LETTERS = 'sum(max by (state) (worker_queue_messages{queue="dead_letters", state=~"visible|in_flight"}))'


HELD = 'max(worker_dependency_up{dependency="genesys"}) == 0'


class Fleet:
    """Two workers that have been through the demo with faults, and their Prometheus."""

    def __init__(self, world: World, prometheus: Prometheus, accounting: Accounting) -> None:
        self.world = world
        self.prometheus = prometheus
        self.accounting = accounting


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    tool("prometheus")
    directory = tmp_path_factory.mktemp("fleet")
    with kept_environment():
        async with (
            running_world(directory, workers=2, faults=True) as world,
            running_prometheus(directory / "prometheus", world.worker_urls) as prometheus,
        ):
            accounting = Accounting(world.clients, world.settings, world.simulator.seen)
            demo = world.simulator.faults.plan
            world.simulator.faults.plan = replace(demo, outage=True)
            script = asyncio.create_task(Script(world, accounting, EVENTS, rate=40, faults=True).play())
            # The fleet has held back at least once.
            async with asyncio.timeout(60):
                while await prometheus.value(HELD) is None:
                    await asyncio.sleep(0.5)
            world.simulator.faults.plan = demo
            await script
            async with asyncio.timeout(120):
                while not (account := await accounting.settle()).complete:
                    await asyncio.sleep(0.5)
            # The newest state of the queues is told every 15 s, and scraped a second later.
            async with asyncio.timeout(60):
                while await prometheus.value(LETTERS) != account.dead_lettered:
                    await asyncio.sleep(0.5)
            yield Fleet(world, prometheus, accounting)


@pytest.mark.asyncio(loop_scope="module")
async def test_prometheus_counts_what_the_demo_sent(fleet: Fleet) -> None:
    settled = await fleet.prometheus.value("sum(worker_events_total{outcome!='returned'})")
    assert settled == EVENTS + fleet.accounting.redelivered
    succeeded = await fleet.prometheus.value("sum(worker_interactions_total{outcome='succeeded'})")
    covered = await fleet.prometheus.value("sum(worker_events_total{outcome='covered'})")
    letters = await fleet.prometheus.value(LETTERS)
    assert succeeded is not None
    assert covered is not None
    assert letters is not None
    assert succeeded + covered + letters >= EVENTS


@pytest.mark.asyncio(loop_scope="module")
async def test_every_series_of_the_table_is_there_and_no_other(fleet: Fleet) -> None:
    names = {found["metric"]["__name__"] for found in await fleet.prometheus.query('{__name__=~"worker_.+"}')}
    base = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    # Its labels are not a closed set, so it begins with the first failure, which no demo has to have.
    assert base | {"worker_aws_failures_total"} == {series.name for series in SERIES}


@pytest.mark.asyncio(loop_scope="module")
async def test_every_panel_of_the_dashboard_has_something_to_show(fleet: Fleet) -> None:
    empty = []
    asked = 0
    for panel in panels(interval="10m"):
        for query in panel.queries:
            asked += 1
            values = [float(found["value"][1]) for found in await fleet.prometheus.query(query.expression)]
            if not [value for value in values if not math.isnan(value)]:
                empty.append(f"{panel.title}: {query.expression}")
    assert asked > 30
    assert empty == []


@pytest.mark.asyncio(loop_scope="module")
async def test_no_label_has_an_id(fleet: Fleet) -> None:
    found = await fleet.prometheus.query('{__name__=~"worker_.+"}')
    assert len(found) < 1000
    values = {value for series in found for name, value in series["metric"].items() if name != "instance"}
    assert not [value for value in values if re.search(r"[0-9a-f]{8}-|missing-|demo-", value)]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_rules_are_evaluated_without_an_error(fleet: Fleet) -> None:
    assert await fleet.prometheus.rule_problems() == []


@pytest.mark.asyncio(loop_scope="module")
async def test_promtool_has_nothing_to_say_against_the_names(fleet: Fleet) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{fleet.world.worker_urls[0]}/metrics") as answer:
        exposition = await answer.read()
    checked = await asyncio.to_thread(
        subprocess.run, [tool("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_the_dashboard_answers_in_order_and_every_panel_says_what_it_means() -> None:
    document = json.loads(FILE.read_text())
    rows = [panel["title"] for panel in document["panels"] if panel["type"] == "row"]
    assert rows == ["Are we behind?", "What limits us?", "What fails?", "Is the fleet healthy?"]
    shown = [panel for panel in document["panels"] if panel["type"] != "row"]
    assert all(panel["description"] for panel in shown)
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    assert not [p["title"] for p in shown for q in p["targets"] if q["datasource"]["uid"] != "${datasource}"]


def test_panels_do_not_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels(interval="1m"):
        for column in range(panel.x, panel.x + panel.w):
            for line in range(panel.y, panel.y + panel.h):
                assert (column, line) not in taken, (panel.title, taken[column, line])
                taken[column, line] = panel.title
    assert max(column for column, _ in taken) < 24
