"""Every expression of the module, on metrics that arrive late, each by another number of minutes.

What CloudWatch does is a model (`metric_math`, `cloudwatch`); the expressions are those of the rendered plan.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest

from tests.infra.cloudwatch import Alarm, Samples, TargetTracking, View, alarms_of, scaling_of
from tests.infra.metric_math import BOTH_READINGS, Reading, evaluate
from tests.infra.terraform import Terraform

Runs = Sequence[tuple[int, float | None]]
"""How many minutes, and the value of each."""

BEYOND = (2, 20)
"""Periods looked at beyond those asked for; AWS's own example looks at two, and says that the number varies."""


@dataclass(frozen=True, slots=True)
class Story:
    """What the metrics of one alarm, by their ids, tell in some minutes."""

    alarm: str
    metrics: Mapping[str, Runs]
    fires_at: Sequence[int] = ()
    """In which minutes it may begin to be on, at the earliest; for each it has to, within `within` minutes."""
    within: int = 25
    until: int | None = None
    """The last minute to look at."""
    step: int = 1
    normal: int = 30
    """From when on it is looked at: before, there is no past."""
    what: str = field(default="", kw_only=True)


CLOSED = (3, 3, 2, 3)
"""Lines of a closed gate in four minutes."""


def _lines(minutes: int) -> Runs:
    return [(1, CLOSED[minute % len(CLOSED)]) for minute in range(minutes)]


NONE: Runs = [(400, None)]

FIRES = [
    Story("oldest-event", {"age": [(60, 100), (60, 900)]}, (60,), what="events wait"),
    Story("waiting-for-a-slot", {"waited": [(60, 2000), (60, 400_000)]}, (60,), what="activity tasks wait"),
    *(
        Story("failed-executions", {metric: [(60, None), (1, 1), (60, None)]}, (60,), what=metric)
        for metric in ("failed", "timed_out", "aborted")
    ),
    Story("throttled-executions", {"throttled": [(60, None), (30, 5)]}, (60,), what="a quota is reached"),
    Story("broken-attempts", {"attempts": [(120, 100)], "broken": [(60, 1), (60, 50)]}, (60,), what="half fail"),
    Story("broken-attempts", {"attempts": [(120, 2)], "broken": [(60, None), (60, 2)]}, (60,), what="a quiet shop"),
    Story("crashes", {"crashes": [(60, None), *[(1, 1), (2, None)] * 15]}, (60,), what="tasks end again and again"),
    Story(
        "crashes",
        {"crashes": [(60, None), *[(1, 2), (3, None)] * 10], "held": [*_lines(20), (90, None)]},
        (60,),
        what="an outage that is over is forgotten",
    ),
    *(
        Story(name, {"lines": [(60, None), *_lines(60)]}, (60,), within=12, what="it does not answer")
        for name in ("genesys-down", "store-down")
    ),
    Story("silent-intake", {"received": [(60, 40), (60, 0)], "empty": [(60, 3), (60, 0)]}, (60,), what="told so"),
    Story("silent-intake", {"received": [(60, 40)], "empty": [(60, 3)]}, (60,), until=110, what="told nothing"),
    Story("no-running-tasks", {"tasks": [(60, 2)]}, (60,), until=90, what="none"),
    Story("too-few-tasks", {"tasks": [(60, 2), (40, 1)]}, (60,), within=25, what="one of two"),
    Story("too-few-tasks", {"tasks": [(60, 2)]}, (60,), until=100, what="none"),
    Story("failed-deployment", {"failed": [(60, None), (1, 1), (60, None)]}, (60,), what="once"),
    *(
        Story(
            "no-events",
            {"sent": [(600, 4), (6000, nothing)], "asked": [(6600, 6)]},
            (600,),
            within=75 * 60,
            step=30,
            normal=200,
            what=f"three days of {nothing}",
        )
        for nothing in (None, 0)
    ),
    *chain.from_iterable(
        (
            Story(queue, {"visible": [(60, 0), (60, 1)], "hidden": [(120, 0)]}, (60,), what="one"),
            Story(queue, {"visible": [(60, None), (60, 1)]}, (60,), what="the first one of all"),
            Story(
                f"new-{queue}",
                {"sent": [(60, None), (1, 1), (59, None), (1, 1), (59, None)]},
                (60, 120),
                what="one, and an hour later another one",
            ),
        )
        for queue in ("dead-letters", "undelivered-events")
    ),
    *(
        Story(f"undeliverable-{rule}", {metric: [(60, None), (1, 1), (60, None)]}, (60,), what=metric)
        for rule in ("custom", "partner", "unfinished", "broken", "deployment")
        for metric in ("failed", "lost")
    ),
]

QUIET = [
    Story("oldest-event", {"age": [(120, 160)]}, what="as usual"),
    Story(
        "oldest-event",
        {"age": [(60, 160), *[(1, 160 + 60 * minute) for minute in range(90)]], "held": [(60, None), *_lines(90)]},
        what="the gate is closed",
    ),
    Story("oldest-event", {"age": NONE}, what="no event at all"),
    Story("waiting-for-a-slot", {"waited": [(120, 2000)]}, what="as usual"),
    Story(
        "waiting-for-a-slot",
        {"waited": [(60, 2000), (60, 400_000)], "held": [(60, None), *_lines(60)]},
        what="the gate is closed",
    ),
    Story("failed-executions", {"failed": [(120, 0)], "aborted": [(120, 0)]}, what="none, and told so"),
    Story("failed-executions", {}, what="none, and told nothing"),
    Story("throttled-executions", {"throttled": [(60, None), (2, 5), (60, None)]}, what="a burst"),
    Story("broken-attempts", {"attempts": [(120, 100)], "broken": [(120, 5)]}, what="some, always"),
    Story("broken-attempts", {"attempts": [(120, 1)], "broken": [(60, None), (1, 1)]}, what="one bad id at night"),
    Story("broken-attempts", {}, what="nothing to do"),
    Story(
        "broken-attempts",
        {"attempts": [(120, 100)], "broken": [(60, 0), (60, 90)], "held": [(55, None), *_lines(65)]},
        what="an outage",
    ),
    Story("crashes", {"crashes": [(60, None), (1, 1), (9, None), (1, 1), (60, None)]}, what="two"),
    Story("crashes", {"crashes": [(60, None), (60, 1)], "held": [(50, None), *_lines(70)]}, what="an outage"),
    *(
        Story(name, {"lines": [(60, None), (2, 3), (60, None)]}, what="two minutes")
        for name in ("genesys-down", "store-down")
    ),
    Story("silent-intake", {"received": [(120, 0)], "empty": [(120, 3)]}, what="asks in vain"),
    Story("silent-intake", {"received": [(120, 300)], "empty": [(120, None)]}, what="never in vain"),
    Story(
        "silent-intake",
        {"received": [(60, 40), (60, 0)], "empty": [(60, 3), (60, 0)], "held": [(61, None), *_lines(59)]},
        what="the gate is closed",
    ),
    Story("no-running-tasks", {"tasks": [(120, 1)]}, what="one"),
    Story("too-few-tasks", {"tasks": [(60, 2), (5, 1), (10, 3), (60, 2)]}, what="one is replaced"),
    Story("failed-deployment", {}, what="none"),
    Story(
        "no-events",
        {"sent": [(10, 1), (3000, None), (10, 1), (3000, None)], "asked": [(6600, 6)]},
        step=30,
        normal=100,
        what="closed for two days",
    ),
    Story("no-events", {}, step=30, until=6000, what="nobody asks: another alarm's matter"),
    *chain.from_iterable(
        (
            Story(queue, {"visible": [(120, 0)], "hidden": [(120, 0)]}, what="none"),
            Story(f"new-{queue}", {"sent": [(120, 0)]}, what="none, and told so"),
            Story(f"new-{queue}", {}, what="none, and told nothing"),
        )
        for queue in ("dead-letters", "undelivered-events")
    ),
    *(
        Story(f"undeliverable-{rule}", {}, what="all arrive")
        for rule in ("custom", "partner", "unfinished", "broken", "deployment")
    ),
]


RENDERED = """
mock_provider "aws" {
  source = "./tests/mocks"
}

run "rendered" {
  variables {
    vpc_id              = "vpc-0123456789abcdef0"
    subnet_ids          = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
    genesys_region      = "eu-central-1"
    image               = "registry.example.com/interaction-worker:0.1.0"
    partner_events      = { event_source_name = "aws.partner/genesys.com/cloud/0/interactions" }
    alarm_subscriptions = { night-shift = { protocol = "email", endpoint = "night-shift@example.com" } }

    # The target is 100 * 60 / 3 = 2,000 for each task.
    max_concurrency          = 100
    acceptable_delay_seconds = 60
    seconds_per_interaction  = 3
    min_tasks                = 2
  }
}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The resources of the module with everything that alarms, made by a mocked provider."""
    terraform = Terraform(tmp_path_factory.mktemp("terraform"))
    terraform.initialize()
    terraform.write("tests/rendered.tftest.hcl", RENDERED)
    report = terraform("test", "-filter=tests/rendered.tftest.hcl", "-verbose", "-json")
    (state,) = (line["test_state"] for line in map(json.loads, report.splitlines()) if line["type"] == "test_state")
    resources: list[dict[str, Any]] = state["root_module"]["resources"]
    return resources


@pytest.fixture(scope="module")
def alarms(plan: list[dict[str, Any]]) -> dict[str, Alarm]:
    return alarms_of(plan, "interaction-worker-")


@pytest.fixture(scope="module")
def scaling(plan: list[dict[str, Any]]) -> TargetTracking:
    return scaling_of(plan)


def test_each_alarm_has_a_story_in_which_it_fires_and_one_in_which_it_does_not(alarms: Mapping[str, Alarm]) -> None:
    assert {story.alarm for story in FIRES} == {story.alarm for story in QUIET} == alarms.keys()


@pytest.mark.parametrize("story", FIRES, ids=lambda story: f"{story.alarm}: {story.what}")
def test_an_alarm_fires_when_it_should_however_late_its_metrics_are(alarms: Mapping[str, Alarm], story: Story) -> None:
    for view in _views(alarms[story.alarm]):
        begins = list(_begins(alarms[story.alarm], story, view))
        assert len(begins) == len(story.fires_at), f"{begins} {view}"
        for begin, earliest in zip(begins, story.fires_at, strict=True):
            assert earliest < begin <= earliest + story.within, f"{begins} {view}"


@pytest.mark.parametrize("story", QUIET, ids=lambda story: f"{story.alarm}: {story.what}")
def test_an_alarm_does_not_fire_when_it_should_not_however_late_its_metrics_are(
    alarms: Mapping[str, Alarm], story: Story
) -> None:
    for view in _views(alarms[story.alarm]):
        assert list(_begins(alarms[story.alarm], story, view)) == [], view


@pytest.mark.parametrize("queue", ["dead-letters", "undelivered-events"])
def test_looking_at_letters_does_not_end_the_alarm_that_there_are_some(alarms: Mapping[str, Alarm], queue: str) -> None:
    looked_at = Story(
        queue,
        {"visible": [(60, 0), (30, 100), (12, 0), (30, 100)], "hidden": [(90, 0), (12, 100), (30, 0)]},
        (60,),
    )
    for view in _views(alarms[queue]):
        assert len(list(_begins(alarms[queue], looked_at, view))) == 1, view


def _begins(alarm: Alarm, story: Story, view: View) -> Iterator[int]:
    """The minutes in which the alarm goes on."""
    data = {id_: _samples(runs) for id_, runs in story.metrics.items()}
    length = story.until or max(map(len, data.values()), default=120)
    was_on = False
    for now in range(story.normal, length + 1, story.step):
        is_on = alarm.fires(data, now, view)
        if is_on and not was_on:
            yield now
        was_on = is_on


def _views(alarm: Alarm) -> Iterator[View]:
    return _all_views(sorted(alarm.query.metrics), latest=5)


def _all_views(metrics: Sequence[str], latest: int) -> Iterator[View]:
    """Each metric late by another number of minutes, in turn, and all at once in time."""
    for beyond in BEYOND:
        for reading in BOTH_READINGS:
            yield View({}, reading, beyond)
            for turn in range(latest):
                yield View({name: (turn + 2 * i) % latest + 1 for i, name in enumerate(metrics)}, reading, beyond)


def _samples(runs: Runs) -> Samples:
    return [None if value is None else float(value) for minutes, value in runs for _ in range(minutes)]


BUSY: Mapping[str, Runs] = {
    "queued": [(60, 900)],
    "started": [(60, 6000)],
    "waited": [(60, 29_000)],
    "tasks": [(60, 2)],
}
"""Two tasks with 900 events in the queue and 2,900 in executions: 1,900 each, of the 2,000 that may be."""


def _decisions(scaling: TargetTracking, metrics: Mapping[str, Runs], view: View, minutes: range) -> list[str | None]:
    data = {id_: _samples(runs) for id_, runs in metrics.items()}
    return [scaling.decision(data, now, view) for now in minutes]


def _scaling_views(scaling: TargetTracking) -> Iterator[View]:
    return _all_views(sorted(scaling.query.metrics), latest=4)


def _then(**more: Runs) -> Mapping[str, Runs]:
    """The busy hour, and what comes after it."""
    before: Mapping[str, Runs] = {**BUSY, "held": [(60, None)]}
    return {name: [*runs, *more.get(name, ())] for name, runs in before.items()}


def test_two_tasks_with_the_target_s_backlog_stay_two(scaling: TargetTracking) -> None:
    steady = _then(queued=[(60, 900)], started=[(60, 6000)], waited=[(60, 29_000)], tasks=[(60, 2)])
    for view in _scaling_views(scaling):
        assert set(_decisions(scaling, steady, view, range(30, 120))) == {None}, view


def test_a_backlog_of_250_000_scales_out(scaling: TargetTracking) -> None:
    burst = _then(queued=[(60, 250_000)], started=[(60, 6000)], waited=[(60, 29_000)], tasks=[(60, 2)])
    for view in _scaling_views(scaling):
        decisions = _decisions(scaling, burst, view, range(61, 120))
        assert "out" in decisions[:8], view
        assert set(decisions[8:]) == {"out"}, view


def test_a_backlog_in_executions_scales_out(scaling: TargetTracking) -> None:
    waiting = _then(queued=[(60, 0)], started=[(60, 6000)], waited=[(60, 120_000)], tasks=[(60, 2)])
    for view in _scaling_views(scaling):
        assert set(_decisions(scaling, waiting, view, range(70, 120))) == {"out"}, view


@pytest.mark.parametrize("nothing", [None, 0])
def test_after_the_last_peak_an_hour_of_silence_scales_in(scaling: TargetTracking, nothing: float | None) -> None:
    peak = {"queued": [(60, 250_000)], "started": [(60, 9000)], "waited": [(60, 300_000)], "tasks": [(60, 15)]}
    silence: Mapping[str, Runs] = {"queued": [(60, 0)], "started": [(60, nothing)], "waited": NONE, "tasks": [(60, 15)]}
    metrics = {name: [*peak[name], *silence[name]] for name in peak}
    for view in _scaling_views(scaling):
        decisions = _decisions(scaling, metrics, view, range(60, 120))
        assert decisions[0] == "out", view
        assert set(decisions[32:]) == {"in"}, f"{decisions} {view}"


def test_an_hour_without_any_start_is_a_low_number_and_not_nothing(scaling: TargetTracking) -> None:
    silence: Mapping[str, Runs] = {"tasks": [(120, 15)]}
    for view in _scaling_views(scaling):
        data = {id_: _samples(runs) for id_, runs in silence.items()}
        points = scaling.query.points(data, 120, TargetTracking.LOW + view.beyond, view)
        assert list(points.values())[-TargetTracking.LOW :] == [0.0] * TargetTracking.LOW, view


def test_a_closed_gate_neither_adds_nor_removes_tasks(scaling: TargetTracking) -> None:
    closed = _then(
        queued=[(1, 900 + 3000 * minute) for minute in range(40)],
        started=[(40, None)],
        waited=[(40, None)],
        tasks=[(40, 2)],
        held=_lines(40),
    )
    for view in _scaling_views(scaling):
        decisions = _decisions(scaling, closed, view, range(62 + view.lateness.get("held", 0), 101))
        assert set(decisions) == {None}, f"{decisions} {view}"


def test_when_the_gate_opens_the_backlog_counts_again(scaling: TargetTracking) -> None:
    opened = _then(
        queued=[(40, 100_000), (30, 100_000)],
        started=[(40, None), (30, 6000)],
        waited=[(40, None), (30, 60_000)],
        tasks=[(70, 2)],
        held=[*_lines(40), (30, None)],
    )
    for view in _scaling_views(scaling):
        decisions = _decisions(scaling, opened, view, range(101, 130))
        assert decisions[:2] == [None, None], view
        assert set(decisions[15:]) == {"out"}, f"{decisions} {view}"


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("one < two", [0, 0, 1, None]),
        ("one >= 30", [1, 0, 0, 0]),
        ("one > 15 AND two > 15", [1, 0, 0, 0]),
        ("IF(one, two, two)", [20, 0, 20, None]),
        ("IF(two, 5)", [5, None, 5, None]),
        ("one + two", [50, 20, 20, 0]),
        ("one / two", [1.5, None, 0, None]),
        ("FILL(two, REPEAT)", [20, 20, 20, 20]),
        ("FILL(two, 7)", [20, 7, 20, 7]),
        ("DIFF(one)", [None, -10, -20, 0]),
        ("EPOCH(one) / 60", [0, 1, 2, 3]),
        ("0 * one + 2 * (two - 5) > 20", [1, 0, 1, 0]),
    ],
)
def test_the_model_counts_as_the_documentation_does(expression: str, result: Sequence[float | None]) -> None:
    grid = [0, 60, 120, 180]
    one = dict(zip(grid, [30.0, 20.0, 0.0, 0.0], strict=True))
    made = evaluate(expression, {"one": one, "two": {0: 20.0, 120: 20.0}}, grid, Reading(fills_empty=True))
    expected = {time: value for time, value in zip(grid, result, strict=True) if value is not None}
    if expression == "one < two":
        expected[180] = 0
    assert made == expected
