"""The scaling policy of the module, on metrics that arrive late, each by another number of minutes."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.infra.cloudwatch import TargetTracking, View, late_views, scaling_of
from tests.infra.stories import NONE, Runs, lines, samples


@pytest.fixture(scope="module")
def scaling(rendered: list[dict[str, Any]]) -> TargetTracking:
    return scaling_of(rendered)


BUSY: Mapping[str, Runs] = {
    "queued": [(60, 900)],
    "started": [(60, 6000)],
    "waited": [(60, 29_000)],
    "tasks": [(60, 2)],
}
"""Two tasks with 900 events in the queue and 2,900 in executions: 1,900 each, of the 2,000 that may be."""


def _decisions(scaling: TargetTracking, metrics: Mapping[str, Runs], view: View, minutes: range) -> list[str | None]:
    data = {id_: samples(runs) for id_, runs in metrics.items()}
    return [scaling.decision(data, now, view) for now in minutes]


def _scaling_views(scaling: TargetTracking) -> Iterator[View]:
    return late_views(sorted(scaling.query.metrics), latest=4)


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
        data = {id_: samples(runs) for id_, runs in silence.items()}
        points = scaling.query.points(data, 120, TargetTracking.LOW + view.beyond, view)
        assert list(points.values())[-TargetTracking.LOW :] == [0.0] * TargetTracking.LOW, view


def test_a_closed_gate_neither_adds_nor_removes_tasks(scaling: TargetTracking) -> None:
    closed = _then(
        queued=[(1, 900 + 3000 * minute) for minute in range(40)],
        started=[(40, None)],
        waited=[(40, None)],
        tasks=[(40, 2)],
        held=lines(40),
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
        held=[*lines(40), (30, None)],
    )
    for view in _scaling_views(scaling):
        decisions = _decisions(scaling, opened, view, range(101, 130))
        assert decisions[:2] == [None, None], view
        assert set(decisions[15:]) == {"out"}, f"{decisions} {view}"
