"""What each step of the plan does."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from chaos import plan
from chaos.faults import Fault, FaultSource
from chaos.fleet import Fleet
from chaos.genesys import Genesys
from chaos.history import History

_HOURS_AHEAD = 3
_MISLED_SECONDS = 15.0
"""How long a worker's clock may have left traces after it is right again."""


class Steps:
    """What the steps of one run act on."""

    def __init__(self, fleet: Fleet, faults: FaultSource, genesys: Genesys, history: History, table: str) -> None:
        """`table` is the interaction table's name."""
        self._fleet = fleet
        self._faults = faults
        self._simulator = genesys
        self._history = history
        self._table = table
        self._began = time.monotonic()

    async def perform(self, step: plan.Step) -> None:
        """Wait for the step's time, and do it to its end."""
        await asyncio.sleep(self._began + step.at - time.monotonic())
        await self._actions()[step.action](step)

    def _actions(self) -> Mapping[plan.Action, Callable[[plan.Step], Awaitable[None]]]:
        return {
            "SIGKILL": self._kill,
            "SIGTERM": self._terminate,
            "freeze": self._freeze,
            "Genesys outage": lambda step: self._genesys(step, "outage", True, False),
            "Genesys slow": lambda step: self._genesys(step, "slow_share", 0.7, 0.0),
            "Genesys cut-off bodies": lambda step: self._genesys(step, "cut_off_share", 0.5, 0.0),
            "Genesys 500s": lambda step: self._genesys(step, "error_share", 0.5, 0.0),
            "Genesys 429 storm": self._storm,
            "Genesys token revoked": self._revoke,
            "StartExecution throttled": lambda step: self._aws(step, "throttled", "StartExecution"),
            "DynamoDB away": lambda step: self._aws(step, "reset", "PutItem", "UpdateItem", "GetItem", "BatchGetItem"),
            "SQS away": lambda step: self._aws(
                step,
                "failed",
                "ReceiveMessage",
                "SendMessage",
                "DeleteMessageBatch",
                "ChangeMessageVisibilityBatch",
            ),
            "AWS away": lambda step: self._aws(step, "reset", "*"),
            "Genesys long outage": self._long_outage,
            "table away": self._take_table_away,
            "stdout blocked": self._block_stdout,
            "clock hours ahead": self._set_clock_ahead,
        }

    def _one(self, step: plan.Step, among: Collection[str]) -> str | None:
        names = sorted(among)
        return names[int(step.which * len(names))] if names else None

    async def _kill(self, step: plan.Step) -> None:
        if name := self._one(step, self._fleet.workers):
            self._fleet.kill(name)
            await self._fleet.start()

    async def _terminate(self, step: plan.Step) -> None:
        # As a rolling deployment does: the successor first.
        name = self._one(step, self._fleet.serving)
        await self._fleet.start()
        if name in self._fleet.serving:
            await self._fleet.terminate(name)

    async def _freeze(self, step: plan.Step) -> None:
        name = self._one(step, self._fleet.serving)
        if name is None:
            return
        with self._fleet.frozen(name):
            await asyncio.sleep(step.seconds)
        self._history.froze(name)

    async def _block_stdout(self, step: plan.Step) -> None:
        if name := self._one(step, self._fleet.serving):
            with self._fleet.unread(name):
                await asyncio.sleep(step.seconds)

    async def _set_clock_ahead(self, step: plan.Step) -> None:
        name = self._one(step, self._fleet.serving)
        if name is None:
            return
        self._history.misled_workers.add(name)
        with self._fleet.ahead(name, _HOURS_AHEAD * 3600):
            await asyncio.sleep(step.seconds)
        # What was begun meanwhile has been dated by the wrong clock.
        await asyncio.sleep(_MISLED_SECONDS)
        self._history.misled_workers.discard(name)

    async def _long_outage(self, step: plan.Step) -> None:
        for self._simulator.down in ("answers 503", "resets connections"):
            await asyncio.sleep(step.seconds / 2)
        self._simulator.down = None

    async def _take_table_away(self, step: plan.Step) -> None:
        self._faults.tables[self._table] = "failed"
        await asyncio.sleep(step.seconds)
        del self._faults.tables[self._table]

    async def _genesys(self, step: plan.Step, fault: str, on: Any, off: Any) -> None:
        faults = self._simulator.faults
        faults.plan = faults.plan.changed({fault: on})
        await asyncio.sleep(step.seconds)
        faults.plan = faults.plan.changed({fault: off})

    async def _storm(self, step: plan.Step) -> None:
        self._simulator.throttle(step.seconds)
        await asyncio.sleep(step.seconds)

    async def _revoke(self, _: plan.Step) -> None:
        self._simulator.tokens.revoke_all()

    async def _aws(self, step: plan.Step, fault: Fault, *operations: str) -> None:
        for operation in operations:
            self._faults.forced[operation] = fault
        await asyncio.sleep(step.seconds)
        for operation in operations:
            self._faults.forced.pop(operation, None)
