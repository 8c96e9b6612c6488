"""Plots as SVG, written by hand: two kinds of chart are not worth a plotting library in the locks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 720
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 44, 52
_COLOURS = ("#2563eb", "#b45309", "#047857")
_STYLE = "font-family:sans-serif;font-size:12px"


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its quartiles."""

    label: str
    value: float
    low: float
    high: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One series of points."""

    label: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def _svg(height: int, title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" style="{_STYLE}">'
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="#ffffff"/>'
    )
    return "\n".join([head, _text(16, 24, title, size=15, weight="bold"), *body, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#1f2937" font-size="{size}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )


def bars(title: str, rows: Sequence[Bar], *, mark: float = 1.0) -> str:
    """Horizontal bars from 0; whiskers are the quartiles, the vertical line is at `mark`."""
    step, left = 30, 240
    top = max([mark, *(row.high for row in rows)]) * 1.12
    scale = (_WIDTH - left - 70) / top
    body = []
    for number, row in enumerate(rows):
        y = _TOP + number * step
        middle = y + step / 2
        colour = _COLOURS[0] if row.ours else "#9ca3af"
        body += [
            _text(left - 8, middle + 4, row.label, anchor="end"),
            f'<rect x="{left}" y="{y + 5}" width="{row.value * scale:.1f}" height="{step - 10}" fill="{colour}"/>',
            f'<path d="M{left + row.low * scale:.1f} {middle}H{left + row.high * scale:.1f}" stroke="#111827"/>',
            _text(left + max(row.value, row.high) * scale + 6, middle + 4, f"{row.value:.2f}"),
        ]
    height = _TOP + len(rows) * step + 16
    x = left + mark * scale
    body.append(f'<path d="M{x:.1f} {_TOP - 4}V{height - 12}" stroke="#dc2626" stroke-dasharray="4 3"/>')
    return _svg(height, title, body)


def lines(title: str, x_label: str, series: Sequence[Line], *, log_x: bool = False) -> str:
    """Lines over a linear or logarithmic x axis; y starts at 0."""
    height = 380
    xs = [x for line in series for x, _ in line.points]
    ticks = sorted(set(xs)) if log_x else _round_steps(0, max(xs))
    place = math.log10 if log_x else float
    first, last = place(min(ticks)), place(max(ticks))
    heights = _round_steps(0, max(y for line in series for _, y in line.points))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (place(x) - first) / ((last - first) or 1)
        up = y / heights[-1]
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), height - _BOTTOM - up * (height - _TOP - _BOTTOM)

    body = []
    for value in heights:
        _, y = at(ticks[-1], value)
        body.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#e5e7eb"/>')
        body.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    body += [_text(at(value, 0)[0], height - _BOTTOM + 18, f"{value:g}", anchor="middle") for value in ticks]
    body.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, height - 12, x_label, anchor="middle"))
    for number, line in enumerate(series):
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (at(*point) for point in line.points))
        colour, dash = _COLOURS[number % len(_COLOURS)], ' stroke-dasharray="5 4"' if line.dashed else ""
        body.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        y = _TOP + 16 * number
        body.append(f'<path d="M{_LEFT + 12} {y}h24" stroke="{colour}" stroke-width="2"{dash}/>')
        body.append(_text(_LEFT + 42, y + 4, line.label))
    return _svg(height, title, body)


def _round_steps(low: float, high: float) -> list[float]:
    """Five or so round values from `low` to at least `high`."""
    rough = (high - low) / 5 or 1
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough)
    return [low + step * number for number in range(math.ceil((high - low) / step) + 1)]
