"""The state machine on the embedded emulator, which passes waits quickly and enforces no heartbeat."""

from collections.abc import Iterator

import pytest

from tests.contract.state_machine import Engine, StateMachineConformance
from tests.support.stack import Stack
from worker.local.emulator import Emulator


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One of its own, in which an hour of waits passes in four seconds."""
    with Emulator(wait_scale=0.001) as emulator:
        yield emulator


class TestOnTheEmbeddedEmulator(StateMachineConformance):
    @pytest.fixture
    def engine(self, stack: Stack) -> Engine:
        return Engine(stack.clients.stepfunctions, stack.clients.sqs, stack.settings)
