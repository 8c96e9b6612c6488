"""An emulated AWS with letters in its dead-letter queue."""

import os
from collections.abc import Iterator

import pytest

from tests.support.letters import Aws
from tests.support.stack import Stack
from worker.local.emulator import Emulator

GENESYS = {"GENESYS_CLIENT_ID": "made-up", "GENESYS_CLIENT_SECRET": "made-up"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """An emulator of its own: nobody works on the executions started here, so they stay open in it."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def aws(emulator: Emulator, stack: Stack) -> Aws:
    environment = {"PATH": os.environ["PATH"]} | emulator.environment | stack.settings | GENESYS
    return Aws(stack.clients, stack.settings, environment)
