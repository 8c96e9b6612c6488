"""The Grafana dashboard as data: its panels and the queries that they ask."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards" / "interaction-worker.json"


@dataclass(frozen=True, slots=True)
class Query:
    """One line, or group of lines, of a panel."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, and where it stands: x and w of 24 columns, y and h in rows."""

    title: str
    kind: str
    unit: str
    stacked: bool
    x: int
    y: int
    w: int
    h: int
    queries: tuple[Query, ...]
    thresholds: tuple[tuple[float | None, str], ...]
    """From which value on which color; None is the lowest."""


def panels(*, interval: str, job: str = ".+", file: Path = FILE) -> list[Panel]:
    """Rows and panels from top to bottom, with Grafana's variables filled in; `interval` is `$__rate_interval`."""

    def filled(target: dict[str, Any]) -> Query:
        expression = target["expr"].replace("$__rate_interval", interval).replace("$job", job)
        return Query(expression, target.get("legendFormat", ""))

    found = []
    for panel in json.loads(file.read_text())["panels"]:
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        place = panel["gridPos"]
        found.append(
            Panel(
                title=panel["title"],
                kind=panel["type"],
                unit=defaults.get("unit", ""),
                stacked=defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal",
                x=place["x"],
                y=place["y"],
                w=place["w"],
                h=place["h"],
                queries=tuple(filled(target) for target in panel.get("targets", ())),
                thresholds=tuple(
                    (step["value"], step["color"]) for step in defaults.get("thresholds", {}).get("steps", ())
                ),
            )
        )
    return found
