"""Which AWS call gets which fault: drawn from a seed, per operation, so that the same seed gives the same draws."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Literal

Fault = Literal["throttled", "failed", "reset", "answer lost", "slow", "partly failed"]
"""Throttled and failed: an error answer, nothing done. Reset: the connection ends, nothing done. Answer lost: done, and
the connection ends. Slow: done after seconds. Partly failed: half of a batch done, the rest in `Failed`."""

Rates = Mapping[Fault, float]

_COMMON: Rates = {"throttled": 0.04, "failed": 0.03, "reset": 0.02, "answer lost": 0.04, "slow": 0.03}
_BATCH: Rates = {**_COMMON, "partly failed": 0.08}
_POLL: Rates = {"throttled": 0.01, "failed": 0.01, "reset": 0.01, "answer lost": 0.02}

RATES: Mapping[str, Rates] = {
    "StartExecution": _COMMON,
    "SendTaskSuccess": _COMMON,
    "SendTaskFailure": _COMMON,
    "SendTaskHeartbeat": _COMMON,
    "PutItem": _COMMON,
    "UpdateItem": _COMMON,
    "GetItem": _COMMON,
    "BatchGetItem": _COMMON,
    "DescribeExecution": _COMMON,
    "SendMessage": _COMMON,
    "DeleteMessageBatch": _BATCH,
    "ChangeMessageVisibilityBatch": _BATCH,
    "ReceiveMessage": _POLL,
    "GetActivityTask": _POLL,
}
"""Shares of the calls of each operation."""


class FaultSource:
    """Draws faults; a phase can force one on an operation, or on all of them."""

    def __init__(self, seed: int, rates: Mapping[str, Rates] = RATES) -> None:
        self._seed = seed
        self._rates = rates
        self._sources: dict[str, random.Random] = {}
        self.forced: dict[str, Fault] = {}
        """Operation, or `*`, to the fault that each call gets."""
        self.tables: dict[str, Fault] = {}
        """Name of a table to the fault that each call for it gets."""
        self.quiet = False
        """No more faults are drawn."""
        self.injected: Counter[tuple[str, Fault]] = Counter()

    def draw(self, operation: str, table: str | None = None) -> Fault | None:
        forced = self.tables.get(table or "") or self.forced.get(operation) or self.forced.get("*")
        fault = forced or self._drawn(operation)
        if fault is not None:
            self.injected[operation, fault] += 1
        return fault

    def _drawn(self, operation: str) -> Fault | None:
        if self.quiet:
            return None
        source = self._sources.setdefault(operation, random.Random(f"{self._seed} {operation}"))
        point = source.random()
        for fault, share in self._rates.get(operation, {}).items():
            if point < share:
                return fault
            point -= share
        return None
