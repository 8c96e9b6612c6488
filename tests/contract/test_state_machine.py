"""The state machine on the embedded emulator, which passes waits quickly and enforces no heartbeat."""

import pytest

from tests.contract.state_machine import Engine, StateMachineConformance
from tests.support.stack import Stack


class TestOnTheEmbeddedEmulator(StateMachineConformance):
    @pytest.fixture
    def engine(self, stack: Stack) -> Engine:
        return Engine(stack.clients.stepfunctions, stack.clients.sqs, stack.settings)
