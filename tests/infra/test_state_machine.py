"""The state machine file, by two validators that find different things, and what neither looks at."""

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Le

from tests.support.tools import ROOT, run, tool
from worker.local.bootstrap import state_machine_definition
from worker.settings import Settings

ACTIVITY = "arn:aws:states:eu-central-1:111122223333:activity:interaction-worker"
FINAL_WAIT = Settings.model_fields["final_wait_seconds"].default
QUEUE = "https://sqs.eu-central-1.amazonaws.com/111122223333/interaction-worker-dead-letters"


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    """The file as Step Functions gets it."""
    path = tmp_path / "state_machine.asl.json"
    path.write_text(state_machine_definition(ACTIVITY, QUEUE))
    return path


def test_asl_validator_accepts_it(definition: Path) -> None:
    validator = tool("asl-validator", get_it="tools/infra-tools installs it, where npm is")
    run([validator, "--json-path", definition])


def test_asl_validator_would_refuse_a_task_without_resource(definition: Path) -> None:
    validator = tool("asl-validator", get_it="tools/infra-tools installs it, where npm is")
    machine = json.loads(definition.read_text())
    del machine["States"]["ProcessInteraction"]["Resource"]
    definition.write_text(json.dumps(machine))
    run([validator, "--json-path", definition], statuses=(1,))


def test_statelint_accepts_it(definition: Path) -> None:
    statelint = tool("statelint", get_it="make venv installs it")
    assert run([statelint, definition]).stdout.strip() == ""


def test_each_task_beats_more_often_than_it_times_out() -> None:
    for name, state in _states().items():
        if "HeartbeatSeconds" in state:
            assert state["HeartbeatSeconds"] < state["TimeoutSeconds"], name


def test_a_catch_keeps_the_input() -> None:
    for name, state in _states().items():
        for catcher in state.get("Catch", []):
            assert catcher["ResultPath"] != "$", f"{name}: the dead letter would not say which interaction it was"


def test_an_interaction_without_an_end_is_looked_at_for_as_long_as_can_be_set_and_is_no_failure() -> None:
    state = _states()["ProcessInteraction"]
    (retrier,) = (one for one in state["Retry"] if "Interaction.Incomplete" in one["ErrorEquals"])
    waits = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** index, retrier["MaxDelaySeconds"])
        for index in range(retrier["MaxAttempts"])
    ]
    (longest,) = (limit.le for limit in Settings.model_fields["final_wait_seconds"].metadata if isinstance(limit, Le))
    assert sum(waits) >= longest
    assert sum(wait < FINAL_WAIT for wait in accumulate(waits)) + 2 == 4, "looks at the default of FINAL_WAIT_SECONDS"
    catcher = next(one for one in state["Catch"] if {"Interaction.Incomplete", "States.ALL"} & set(one["ErrorEquals"]))
    assert _states()[catcher["Next"]]["Type"] == "Succeed"


def _states() -> dict[str, dict[str, Any]]:
    file = ROOT / "deploy" / "state_machine.asl.json"
    states: dict[str, dict[str, Any]] = json.loads(file.read_text())["States"]
    return states
