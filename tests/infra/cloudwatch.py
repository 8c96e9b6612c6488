"""What CloudWatch makes of a rendered plan: metrics that arrive late, alarms, and target tracking.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html, "Evaluating an alarm": each
minute, over windows that end now; more of them than the alarm asks for, and how many more is not said.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.infra.metric_math import BOTH_READINGS, Reading, Series, evaluate

MINUTE = 60

Samples = Sequence[float | None]
"""One value for each minute, from minute 0 on; None: CloudWatch got none."""

_ID = re.compile(r"\b[a-z]\w*")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True, slots=True)
class View:
    """How CloudWatch looks at what there is."""

    lateness: Mapping[str, int]
    """After how many minutes a metric's points arrive."""
    reading: Reading
    beyond: int
    """How many periods are looked at beyond those that the alarm asks for."""


BEYOND = (2, 20)
"""Periods looked at beyond those asked for; AWS's own example looks at two, and says that the number varies."""


def late_views(metrics: Sequence[str], latest: int) -> Iterator[View]:
    """Each metric late by another number of minutes, in turn, and all at once in time."""
    for beyond in BEYOND:
        for reading in BOTH_READINGS:
            yield View({}, reading, beyond)
            for turn in range(latest):
                yield View({name: (turn + 2 * i) % latest + 1 for i, name in enumerate(metrics)}, reading, beyond)


@dataclass(frozen=True, slots=True)
class Query:
    """Metrics, and what is made of them."""

    metrics: Mapping[str, str]
    """The statistic by the metric's id."""
    expressions: Mapping[str, str]
    """The expression by its id, in any order."""
    returned: str
    period: int

    def points(self, data: Mapping[str, Samples], now: int, periods: int, view: View) -> Series:
        """The result for the periods that end at minute `now`, by the second at which each begins."""
        grid = [now * MINUTE - self.period * (back + 1) for back in reversed(range(periods))]
        known = {
            id_: _aggregated(data.get(id_, ()), stat, grid, self.period, now - view.lateness.get(id_, 0))
            for id_, stat in self.metrics.items()
        }
        waiting = dict(self.expressions)
        while waiting:
            id_ = next(id_ for id_, text in waiting.items() if set(_ID.findall(text)) <= known.keys())
            known[id_] = evaluate(waiting.pop(id_), known, grid, view.reading)
        return known[self.returned]


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as the plan has it."""

    name: str
    query: Query
    breaching: int
    of: int
    comparison: str
    threshold: float
    missing_breaches: bool

    def fires(self, data: Mapping[str, Samples], now: int, view: View) -> bool:
        """Whether the alarm is on at minute `now`. Real points count first; what lacks is filled up as configured."""
        points = self.query.points(data, now, self.of + view.beyond, view)
        breach = [_COMPARE[self.comparison](points[time], self.threshold) for time in sorted(points)][-self.of :]
        breach += [self.missing_breaches] * (self.of - len(breach))
        return sum(breach) >= self.breaching


@dataclass(frozen=True, slots=True)
class TargetTracking:
    """A scaling policy, with the two alarms that Application Auto Scaling makes of it for an ECS service."""

    query: Query
    target: float

    HIGH = 3
    LOW = 15
    """Minutes that the metric has to be above the target, or below 90 % of it."""

    def decision(self, data: Mapping[str, Samples], now: int, view: View) -> str | None:
        """`out`, `in`, or nothing; never on missing points."""
        high = list(self.query.points(data, now, self.HIGH + view.beyond, view).values())[-self.HIGH :]
        if len(high) == self.HIGH and min(high) > self.target:
            return "out"
        low = list(self.query.points(data, now, self.LOW + view.beyond, view).values())[-self.LOW :]
        if len(low) == self.LOW and max(low) < self.target * 0.9:
            return "in"
        return None


def alarms_of(resources: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, Alarm]:
    """The alarms with a threshold of their own, by their name without the prefix."""
    found = {}
    for resource in resources:
        values = resource["values"]
        if resource["type"] != "aws_cloudwatch_metric_alarm" or values.get("threshold_metric_id"):
            continue
        name = values["alarm_name"].removeprefix(prefix)
        found[name] = Alarm(
            name,
            _query(values),
            breaching=values["datapoints_to_alarm"] or values["evaluation_periods"],
            of=values["evaluation_periods"],
            comparison=values["comparison_operator"],
            threshold=values["threshold"],
            missing_breaches={"breaching": True, "notBreaching": False}[values["treat_missing_data"]],
        )
    return found


def scaling_of(resources: Sequence[Mapping[str, Any]]) -> TargetTracking:
    """The one scaling policy."""
    (values,) = (one["values"] for one in resources if one["type"] == "aws_appautoscaling_policy")
    (policy,) = values["target_tracking_scaling_policy_configuration"]
    (specification,) = policy["customized_metric_specification"]
    queries = specification["metrics"]
    return TargetTracking(
        Query(
            {one["id"]: one["metric_stat"][0]["stat"] for one in queries if one["metric_stat"]},
            {one["id"]: one["expression"] for one in queries if one["expression"]},
            _returned(queries),
            MINUTE,
        ),
        policy["target_value"],
    )


def _query(values: Mapping[str, Any]) -> Query:
    queries = values["metric_query"]
    if not queries:
        return Query({"metric": values["statistic"]}, {}, "metric", values["period"])
    metrics = {one["id"]: one["metric"][0] for one in queries if one["metric"]}
    (period,) = {metric["period"] for metric in metrics.values()}
    return Query(
        {id_: metric["stat"] for id_, metric in metrics.items()},
        {one["id"]: one["expression"] for one in queries if one["expression"]},
        _returned(queries),
        period,
    )


def _returned(queries: Sequence[Mapping[str, Any]]) -> str:
    (returned,) = (one["id"] for one in queries if one["return_data"])
    return str(returned)


def _aggregated(samples: Samples, stat: str, grid: Sequence[int], period: int, seen: int) -> Series:
    """The statistic of each period, of the minutes before `seen`."""
    points: Series = {}
    for begin in grid:
        first = begin // MINUTE
        values = [
            value for value in samples[max(first, 0) : max(min(first + period // MINUTE, seen), 0)] if value is not None
        ]
        if values:
            match stat:
                case "Maximum":
                    points[begin] = max(values)
                case "Average":
                    points[begin] = sum(values) / len(values)
                case "Sum" | "SampleCount":
                    points[begin] = sum(values)
                case _:
                    raise AssertionError(f"{stat} is not known here")
    return points
