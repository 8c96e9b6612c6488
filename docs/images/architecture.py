# ruff: noqa: INP001 -- a script beside its picture, no package
"""Draws docs/images/architecture.svg: `python docs/images/architecture.py`.

The picture carries its own colours for dark and light backgrounds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WIDTH, HEIGHT = 1060, 460

STYLE = """
    .box { fill: #f6f8fa; stroke: #57606a; }
    .own { fill: #ddf4ff; stroke: #0969da; }
    .group { fill: none; stroke: #0969da; stroke-dasharray: 5 4; }
    .line { fill: none; stroke: #57606a; stroke-width: 1.5; marker-end: url(#arrow); }
    .trouble { stroke: #bc4c00; stroke-dasharray: 5 4; }
    .optional { stroke-dasharray: 2 4; }
    .head { fill: #57606a; }
    text { fill: #1f2328; font: 14px system-ui, sans-serif; text-anchor: middle; }
    .small { fill: #57606a; font-size: 11.5px; }
    @media (prefers-color-scheme: dark) {
      .box { fill: #161b22; stroke: #9198a1; }
      .own { fill: #0c2d4a; stroke: #4493f8; }
      .group { stroke: #4493f8; }
      .line { stroke: #9198a1; }
      .trouble { stroke: #f0883e; }
      .head { fill: #9198a1; }
      text { fill: #f0f6fc; }
      .small { fill: #9198a1; }
    }"""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the system."""

    x: int
    y: int
    width: int
    height: int
    title: str
    notes: tuple[str, ...] = ()
    kind: Literal["box", "own", "box optional"] = "box"

    def svg(self) -> str:
        """The rectangle with its title and notes in the middle."""
        middle = self.x + self.width // 2
        top = self.y + self.height // 2 - 8 * len(self.notes) + 5
        texts = [f'<text x="{middle}" y="{top}">{self.title}</text>']
        for row, note in enumerate(self.notes, 1):
            texts.append(f'<text class="small" x="{middle}" y="{top + 16 * row}">{note}</text>')
        rectangle = (
            f'<rect class="{self.kind}" x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6"/>'
        )
        return "\n  ".join([rectangle, *texts])


def arrow(path: str, label: str = "", at: tuple[int, int] = (0, 0), kind: str = "") -> str:
    """A line along an SVG path, with a label."""
    line = f'<path class="{f"line {kind}".strip()}" d="{path}"/>'
    return f'{line}\n  <text class="small" x="{at[0]}" y="{at[1]}">{label}</text>' if label else line


PARTS = [
    Box(20, 120, 130, 240, "Genesys Cloud", ("events", "login", "details API")),
    Box(220, 120, 120, 60, "EventBridge", ("rule",)),
    Box(410, 120, 120, 60, "SQS", ("event queue",)),
    Box(600, 120, 160, 60, "intake", ("worker/runtime/intake.py",), "own"),
    Box(600, 230, 160, 130, "activity slots", ("worker/runtime/slots.py", "worker/attempt.py"), "own"),
    Box(885, 120, 155, 240, "Step Functions", ("Standard state machine", "one activity task", "Retry, Catch")),
    Box(600, 20, 160, 50, "dead-letter queue"),
    Box(410, 258, 120, 44, "DynamoDB", ("one item each",)),
    Box(410, 320, 120, 44, "S3", ("whole document",), "box optional"),
    Box(600, 400, 160, 44, "shared cache", ("token, request allowance",)),
]

LINES = [
    arrow("M150 150 H218"),
    arrow("M340 150 H408"),
    arrow("M530 150 H598", "receive", (557, 143)),
    arrow("M760 150 H883", "StartExecution", (830, 143)),
    arrow("M885 265 H762", "task", (830, 258)),
    arrow("M760 310 H883", "heartbeats, result", (830, 303)),
    arrow("M600 243 H152", "details, in batches", (290, 236)),
    arrow("M600 280 H532", "put", (568, 273)),
    arrow("M600 170 H560 V212 H470 V256", "look up, settle", (515, 206)),
    arrow("M600 342 H532", "", kind="optional"),
    arrow("M680 360 V398"),
    arrow("M680 120 V72", "quarantined", (640, 100), "trouble"),
    arrow("M962 120 V45 H762", "retries ran out", (862, 38), "trouble"),
]


def drawing() -> str:
    """The whole file."""
    body = "\n  ".join([*LINES, *(part.svg() for part in PARTS)])
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">
  <title id="title">An event's way: Genesys Cloud, EventBridge, SQS, the worker's intake, Step Functions, the worker's \
activity slots, DynamoDB</title>
  <style>{STYLE}
  </style>
  <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
    <path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>
  <rect class="group" x="585" y="104" width="190" height="270" rx="10"/>
  <text class="small" x="680" y="216">interaction-worker: ECS tasks</text>
  {body}
</svg>
"""


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(drawing(), encoding="utf-8")
