"""Shared fixtures: the AWS emulator, resources of a test's own, the Genesys simulator and a worker's environment."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.support.stack import WAIT_SCALE, Stack, StartSimulator
from tests.support.worker_process import StartWorker, WorkerProcess, worker_process
from worker.local import bootstrap
from worker.local.aws import open_clients
from worker.local.emulator import Emulator
from worker.local.simulator.server import Options, Simulator
from worker.settings import Settings

# A test fails for what it finds, not for how long a busy machine takes.
hypothesis.settings.register_profile(
    "any-speed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-speed")

_AWS_PREFIXES = ("AWS_", "BOTO", "ECS_")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One AWS emulator for the whole run; its output is in the run's temporary directory."""
    output: Path = tmp_path_factory.mktemp("emulator") / "output.log"
    with Emulator(wait_scale=WAIT_SCALE, output=output) as running:
        yield running


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the worker and nothing of AWS in the environment."""
    settings = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name in settings or name.startswith(_AWS_PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture
def aws_environment(
    clean_environment: None,  # noqa: ARG001 -- asked for its effect
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every AWS client that this process makes is led to the emulator."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def stack(
    aws_environment: None,  # noqa: ARG001 -- asked for its effect
) -> AsyncIterator[Stack]:
    """Resources under names of this test's own, taken away after it.

    The rule matters most: every rule on the emulator's bus sees every event that is put there.
    """
    names = bootstrap.Names(f"test-{uuid.uuid4().hex[:12]}")
    async with open_clients() as clients:
        settings = await bootstrap.create(clients, names)
        yield Stack(clients, names, settings)
        await bootstrap.remove(clients, names, settings)


@pytest.fixture
async def start_simulator() -> AsyncIterator[StartSimulator]:
    """Starts simulators with options of their own, and stops them after the test."""
    async with AsyncExitStack() as running:

        async def start(options: Options) -> Simulator:
            return await running.enter_async_context(Simulator(options))

        yield start


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A Genesys simulator without faults, in this process; look at `.url`, `.stats`, `.faults`, `.tokens`."""
    async with Simulator() as running:
        yield running


@pytest.fixture
def worker_environment(stack: Stack, emulator: Emulator, simulator: Simulator) -> dict[str, str]:
    """The whole environment for `python -m worker …` as a process of its own: AWS, resources, simulator, free port."""
    return {
        "PATH": os.environ["PATH"],
        **emulator.environment,
        **stack.settings,
        **simulator.environment,
        "MAX_CONCURRENCY": "10",
        "INTAKE_CONCURRENCY": "2",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "DRAIN_SECONDS": "0",
    }


@pytest.fixture
async def start_worker(worker_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Starts workers with settings of their own, and ends them after the test."""
    async with AsyncExitStack() as running:

        async def start(**settings: str) -> WorkerProcess:
            output = tmp_path / f"worker-{uuid.uuid4().hex}.log"
            return await running.enter_async_context(worker_process(worker_environment | settings, output))

        yield start
