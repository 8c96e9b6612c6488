"""The state machine file, by two validators that find different things, and what neither looks at."""

import copy
import json
import re
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Le

from tests.support.samples import task
from tests.support.tools import ROOT, run, tool
from worker.attempt import KNOWN_DEFINITION, read_task
from worker.errors import ERROR_NAMES
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


TASKS = ("ProcessInteraction", "ProcessAlone")


@pytest.mark.parametrize("name", TASKS)
def test_an_interaction_without_an_end_is_looked_at_for_as_long_as_can_be_set_and_is_no_failure(name: str) -> None:
    state = _states()[name]
    (retrier,) = (one for one in state["Retry"] if "Interaction.Incomplete" in one["ErrorEquals"])
    waits = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** index, retrier["MaxDelaySeconds"])
        for index in range(retrier["MaxAttempts"])
    ]
    (longest,) = (limit.le for limit in Settings.model_fields["final_wait_seconds"].metadata if isinstance(limit, Le))
    assert sum(waits) >= longest
    assert sum(wait < FINAL_WAIT for wait in accumulate(waits)) + 2 == 4, "looks at the default of FINAL_WAIT_SECONDS"
    assert _states()[_caught(state, "Interaction.Incomplete")]["Type"] == "Succeed"


@pytest.mark.parametrize("name", TASKS)
def test_no_name_that_the_worker_reports_is_retried_by_the_way(name: str) -> None:
    """Only a fault of the worker falls through to the last retrier, which knows nothing of what it retries."""
    named = {error for retrier in _states()[name]["Retry"] for error in retrier["ErrorEquals"]}
    assert ERROR_NAMES - named == {"Worker.Unexpected"}


def test_the_file_says_which_definition_the_worker_knows() -> None:
    assert {_states()[name]["Parameters"]["definition"] for name in TASKS} == {KNOWN_DEFINITION}


def test_what_fails_alone_and_nothing_else_is_set_apart() -> None:
    states = _states()
    first = states["ProcessInteraction"]
    ends = {error: _caught(first, error) for error in {*ERROR_NAMES, "States.HeartbeatTimeout", "States.Timeout"}}
    apart = {error for error, following in ends.items() if following not in {"NameExecution", "StoredWithoutEnd"}}
    assert apart == {"Interaction.Unavailable"}
    wait = states[ends["Interaction.Unavailable"]]
    assert (wait["Type"], wait["Next"]) == ("Wait", "ProcessAlone")
    assert read_task(task(**states["ProcessAlone"]["Parameters"])).alone
    assert not read_task(task(**first["Parameters"])).alone


def test_both_tasks_differ_in_nothing_but_what_setting_apart_is() -> None:
    first, second = (copy.deepcopy(_states()[name]) for name in TASKS)
    del second["Parameters"]["alone"]
    for state in (first, second):
        state["Comment"] = ""
        for retrier in state["Retry"]:
            if {"Genesys.RateLimited", "Worker.Draining", "Interaction.Unavailable"} & set(retrier["ErrorEquals"]):
                retrier.clear()  # fewer for the second, so that both fit into one history
        state["Catch"] = [one for one in state["Catch"] if "Interaction.Unavailable" not in one["ErrorEquals"]]
    assert first == second


def test_a_failed_execution_that_has_its_letter_gets_no_second_one() -> None:
    """The rule `broken` sends on what failed under any other name."""
    text = (ROOT / "deploy" / "terraform" / "events.tf").read_text()
    (listed,) = re.findall(r"errors_with_letter = \[(.*?)\]", text, re.DOTALL)
    names = set(re.findall(r'"([^"]+)"', listed))
    assert names == {*ERROR_NAMES, "States.Timeout", "States.HeartbeatTimeout"} - {"Interaction.Incomplete"}


def _caught(state: dict[str, Any], error: str) -> str:
    """The state that follows once `error` is retried no more."""
    return str(next(one["Next"] for one in state["Catch"] if {error, "States.ALL"} & set(one["ErrorEquals"])))


def _states() -> dict[str, dict[str, Any]]:
    file = ROOT / "deploy" / "state_machine.asl.json"
    states: dict[str, dict[str, Any]] = json.loads(file.read_text())["States"]
    return states
