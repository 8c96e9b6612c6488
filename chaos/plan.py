"""What happens when in one run, drawn from its seed before it starts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal[
    "SIGKILL",
    "SIGTERM",
    "freeze",
    "Genesys outage",
    "Genesys long outage",
    "Genesys slow",
    "Genesys cut-off bodies",
    "Genesys 500s",
    "Genesys 429 storm",
    "Genesys token revoked",
    "StartExecution throttled",
    "DynamoDB away",
    "SQS away",
    "AWS away",
    "table away",
    "stdout blocked",
    "clock hours ahead",
]

_LENGTHS: dict[Action, tuple[float, float]] = {
    "SIGKILL": (0, 0),
    "SIGTERM": (0, 0),
    "freeze": (4, 10),
    "Genesys outage": (4, 8),
    "Genesys long outage": (36, 46),
    "Genesys slow": (5, 10),
    "Genesys cut-off bodies": (5, 10),
    "Genesys 500s": (5, 10),
    "Genesys 429 storm": (3, 6),
    "Genesys token revoked": (0, 0),
    "StartExecution throttled": (8, 15),
    "DynamoDB away": (3, 6),
    "SQS away": (3, 6),
    "AWS away": (2, 4),
    "table away": (26, 32),
    "stdout blocked": (15, 25),
    "clock hours ahead": (10, 15),
}
"""Shortest and longest seconds of each. The long outage and that of the table last until the gate is closed."""

_TIMES: dict[Action, int] = {"SIGKILL": 5, "SIGTERM": 4, "freeze": 2, "Genesys token revoked": 3, "stdout blocked": 2}
"""How often; once where nothing is said."""

_LASTING: Sequence[Action] = ("Genesys long outage", "table away")
_LASTING_BEGIN = ((0.1, 0.15), (0.5, 0.6))
"""When the one and the other begins, as shares of the time: one after the other, as during the first nothing would ask
for the second."""


@dataclass(frozen=True, slots=True)
class Step:
    at: float
    """Seconds after the start."""
    action: Action
    seconds: float
    which: float
    """Which worker: the share of the list of those that run, sorted by name."""


def draw(seed: int, seconds: float) -> list[Step]:
    """The steps of a run whose faults last for `seconds`, in the order of time."""
    source = random.Random(f"{seed} plan")
    begins = dict(zip(source.sample(_LASTING, len(_LASTING)), _LASTING_BEGIN, strict=True))
    steps = []
    for action, length in _LENGTHS.items():
        for _ in range(_TIMES.get(action, 1)):
            shares = begins.get(action)
            window = (3, max(3, seconds - length[1])) if shares is None else [share * seconds for share in shares]
            at, lasts = source.uniform(*window), source.uniform(*length)
            steps.append(Step(round(at, 1), action, round(lasts, 1), source.random()))
    return sorted(steps, key=lambda step: step.at)
