"""Draws the dashboard as SVG from the answers of a Prometheus, for the documentation."""

import math
import re
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from tests.support.dashboard import Panel, Query, panels
from tests.support.prometheus import Prometheus

_COLUMN, _LINE, _GAP = 56, 22, 6
_COLORS = (
    "#56a64b", "#f2cc0c", "#3274d9", "#e02f44", "#ff780a", "#a352cc", "#37872d", "#1f60c4", "#c4162a", "#8ab8ff",
)  # fmt: skip
_THRESHOLDS = {"green": "#56a64b", "orange": "#ff9830", "red": "#e02f44"}
_POINTS = 90


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a panel."""

    name: str
    points: list[tuple[float, float]]


async def draw(prometheus: Prometheus, start: float, end: float, title: str) -> str:
    """The whole dashboard between two Unix times."""
    shapes = []
    bottom = 0
    # Wide enough for several scrapes, narrow enough to show when something began.
    for panel in panels(interval="10s"):
        bottom = max(bottom, panel.y + panel.h)
        lines = [line for query in panel.queries for line in await _lines(prometheus, query, start, end)]
        shapes.append(_panel(panel, lines, start, end))
    width, height = 24 * _COLUMN, (bottom + 2) * _LINE
    heading = f'<text x="8" y="24" font-size="17" font-weight="bold">{escape(title)}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="10" fill="#333"><rect width="{width}" height="{height}" fill="#f4f5f5"/>{heading}\n'
        f'<g transform="translate(0 {2 * _LINE - 8})">\n' + "\n".join(shapes) + "\n</g></svg>\n"
    )


async def _lines(prometheus: Prometheus, query: Query, start: float, end: float) -> list[Line]:
    found = []
    for series in await prometheus.range(query.expression, start, end, (end - start) / _POINTS):
        points = [(float(at), float(value)) for at, value in series["values"]]
        name = _legend(query.legend, series["metric"])
        found.append(Line(name, [(at, value) for at, value in points if math.isfinite(value)]))
    return sorted(found, key=lambda line: line.name)


def _legend(template: str, labels: dict[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: str(labels.get(found[1], "")), template).strip() or "none"


def _panel(panel: Panel, lines: list[Line], start: float, end: float) -> str:
    x, y = panel.x * _COLUMN + _GAP / 2, panel.y * _LINE
    width, height = _size(panel)
    if panel.kind == "row":
        return f'<text x="{x + 4:g}" y="{y + 15:g}" font-size="14" font-weight="bold">{escape(panel.title)}</text>'
    inside = _stat(panel, lines) if panel.kind == "stat" else _graph(panel, lines, start, end)
    return (
        f'<g transform="translate({x:g} {y:g})"><rect width="{width:g}" height="{height:g}" fill="#fff" '
        f'stroke="#ddd"/><text x="8" y="15" font-size="11" font-weight="bold">{escape(panel.title)}</text>{inside}</g>'
    )


def _size(panel: Panel) -> tuple[int, int]:
    return panel.w * _COLUMN - _GAP, panel.h * _LINE - _GAP


def _stat(panel: Panel, lines: list[Line]) -> str:
    width, height = _size(panel)
    value = lines[0].points[-1][1] if lines and lines[0].points else None
    color = "#999"
    for limit, name in panel.thresholds if value is not None else ():
        if limit is None or (value is not None and value >= limit):
            color = _THRESHOLDS[name]
    text = "-" if value is None else _number(value, panel.unit)
    return (
        f'<rect y="22" width="{width:g}" height="{height - 22:g}" fill="{color}"/>'
        f'<text x="{width / 2:g}" y="{height / 2 + 22:g}" font-size="26" fill="#fff" text-anchor="middle">{text}</text>'
    )


def _graph(panel: Panel, lines: list[Line], start: float, end: float) -> str:
    width, height = _size(panel)
    left, top, plot_width = 46.0, 24.0, width - 56
    legend, legend_lines = _legends(lines, width)
    plot_height = height - top - 18 - 12 * legend_lines
    if panel.stacked:
        lines = _stacked(lines)
    peak = _nice(max((value for line in lines for _, value in line.points), default=0.0))

    def place(at: float, value: float) -> str:
        px = left + plot_width * (at - start) / (end - start)
        return f"{px:.0f},{top + plot_height * (1 - min(1, max(0, value / peak))):.0f}"

    shapes = []
    for part in (0, 0.5, 1):
        y = top + plot_height * (1 - part)
        shapes.append(f'<path d="M{left:g} {y:.0f}h{plot_width:.0f}" stroke="#e5e5e5"/>')
        shapes.append(
            f'<text x="{left - 4:g}" y="{y + 3:.0f}" text-anchor="end">{_number(peak * part, panel.unit)}</text>'
        )
    for n, line in reversed(list(enumerate(lines))):
        for run in _runs(line.points, 2.5 * (end - start) / _POINTS):
            points = " ".join(place(at, value) for at, value in run)
            shapes.append(f'<polyline points="{points}" fill="none" stroke="{_COLORS[n % 10]}" stroke-width="1.6"/>')
    return "".join(shapes) + f'<g transform="translate(0 {height - 12 * legend_lines + 2:g})">{legend}</g>'


def _legends(lines: list[Line], width: float) -> tuple[str, int]:
    """The names of the lines, and how many rows they take."""
    shapes, x, row = [], 8.0, 1
    for n, line in enumerate(lines):
        if not any(value for _, value in line.points) and len(lines) > 6:
            continue
        size = 16 + 5.6 * len(line.name)
        if x + size > width and x > 8:
            x, row = 8.0, row + 1
        y = 12 * (row - 1)
        shapes.append(f'<rect x="{x:.0f}" y="{y}" width="9" height="3" fill="{_COLORS[n % 10]}"/>')
        shapes.append(f'<text x="{x + 12:.0f}" y="{y + 5}">{escape(line.name)}</text>')
        x += size
    return "".join(shapes), row


def _stacked(lines: list[Line]) -> list[Line]:
    """Each line on top of those before it."""
    below: dict[float, float] = {}
    stacked = []
    for line in lines:
        for at, value in line.points:
            below[at] = below.get(at, 0.0) + value
        stacked.append(Line(line.name, [(at, below[at]) for at, _ in line.points]))
    return stacked


def _runs(points: list[tuple[float, float]], longest_gap: float) -> list[list[tuple[float, float]]]:
    """Parts without a gap."""
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if not runs or point[0] - runs[-1][-1][0] > longest_gap:
            runs.append([])
        runs[-1].append(point)
    return runs


def _nice(peak: float) -> float:
    """The next larger 1, 2 or 5 times a power of ten."""
    if peak <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(peak))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= peak * 0.999)


def _number(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    suffix = {"s": " s", "ops": "/s", "opm": "/min"}.get(unit, "")
    return (f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}") + suffix
