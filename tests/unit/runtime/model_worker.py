"""A worker process of the model."""

import asyncio
from typing import Any

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_time import VirtualClock
from tests.unit.runtime.model_ports import Ports, StateMachinePorts, TablePorts
from tests.unit.runtime.world import FRESH, World
from worker.attempt import Attempts
from worker.runtime.admission import Admission
from worker.runtime.health import Tick
from worker.runtime.intake import Intake
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping

RECEIVERS = 2
SLOTS = 2
HEARTBEAT_SECONDS = 20.0
SKEWS = (0.0, 0.5, -0.5)
"""Of the workers' clocks, within the difference that the plan allows for."""


class Worker:
    """One worker process: the real runtime on the model's ports. Made within the event loop."""

    def __init__(self, world: World, number: int) -> None:
        clock = VirtualClock(skew=SKEWS[number % len(SKEWS)])
        self.name = f"worker {number}"
        self.ports = Ports(world)
        self.stopping = Stopping(clock)
        self.faults: list[BaseException] = []
        metrics: Any = RecordingMetrics()
        table = TablePorts(self.ports)
        admission = Admission(StateMachinePorts(self.ports), table, FRESH, clock)
        intake = Intake(
            self.ports, admission, metrics, self.stopping, concurrency=RECEIVERS, visibility_seconds=60, clock=clock
        )
        attempts = Attempts(self.ports, table, metrics, fresh=FRESH, not_found_after_seconds=10**6, clock=clock)
        self.slots = Slots(
            self.ports,
            attempts,
            metrics,
            self.stopping,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            clock=clock,
            fault=lambda _, error: self.faults.append(error),
        )
        loops = [intake.receive(Tick("receiver", clock)) for _ in range(RECEIVERS)]
        loops += [self.slots.slot(Tick("slot", clock)) for _ in range(SLOTS)]
        self.tasks = [asyncio.create_task(loop) for loop in loops]

    @property
    def done(self) -> bool:
        return all(task.done() for task in self.tasks)

    def drain(self) -> None:
        self.ports.stopping = True
        self.stopping.request()

    def kill(self) -> None:
        self.ports.dead = True
        for task in self.tasks:
            task.cancel()
