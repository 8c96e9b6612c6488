"""The state machine on LocalStack, which enforces heartbeats; intervals and delays are shortened, nothing else."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chaos import stack
from tests.contract.state_machine import Engine, HeartbeatConformance, StateMachineConformance

HEARTBEAT_SECONDS = 4


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Endpoints]:
    with stack.emulators(tmp_path_factory.mktemp("emulators")) as running:
        yield running


class TestOnLocalStack(StateMachineConformance, HeartbeatConformance):
    @pytest.fixture
    async def engine(self, endpoints: stack.Endpoints) -> AsyncIterator[Engine]:
        async with stack.create(endpoints, heartbeat_seconds=HEARTBEAT_SECONDS) as made:
            yield Engine(made.clients.stepfunctions, made.clients.sqs, made.settings, HEARTBEAT_SECONDS)
