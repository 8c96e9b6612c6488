"""`doctor` where nothing is wrong, and as a command."""

import pytest

from tests.integration.doctor.looking import DENIALS, doctor, faults, findings
from tests.support.stack import Stack


async def test_where_nothing_is_wrong_every_check_passes_and_nothing_changes(healthy: None, stack: Stack) -> None:  # noqa: ARG001
    found = await findings()
    assert {name: f for name, f in found.items() if f.status == "FAILED"} == {}
    assert {name for name, f in found.items() if f.status == "skipped"} == {
        "states:StartExecution",
        "states:GetActivityTask",
    }
    assert set(found) >= {
        "settings",
        "region",
        "credentials",
        "Genesys login",
        "Genesys API",
        "clock",
        *DENIALS.values(),
    }
    executions = await stack.clients.stepfunctions.list_executions(stateMachineArn=stack.settings["STATE_MACHINE_ARN"])
    assert executions["executions"] == []
    items = await stack.clients.dynamodb.scan(TableName=stack.settings["INTERACTION_TABLE_NAME"])
    assert items["Items"] == []


@pytest.mark.parametrize(
    ("setting", "name"), [("EVENT_READER", "no_such_module:read"), ("DETAILS_TRANSFORM", "json:no_such_function")]
)
@pytest.mark.usefixtures("healthy")
async def test_a_function_that_does_not_load_is_named(setting: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, name)
    found = await faults()
    assert set(found) == {setting}
    assert "no_such" in found[setting].text


async def test_the_table_fits_the_terminal_and_the_exit_status_tells(worker_environment: dict[str, str]) -> None:
    status, output = await doctor(worker_environment)
    assert (status, "FAILED" in output) == (0, False), output
    status, output = await doctor(worker_environment | {"INTERACTION_TABLE_NAME": "no-such-table"})
    assert status == 1
    assert "FAILED   table" in output
    assert "fix: set it to a name of" in output
    assert max(len(line) for line in output.splitlines()) <= 120
    assert worker_environment["GENESYS_CLIENT_SECRET"] not in output


async def test_a_setting_that_is_missing_ends_with_status_2(worker_environment: dict[str, str]) -> None:
    del worker_environment["ACTIVITY_ARN"]
    status, output = await doctor(worker_environment)
    assert (status, output) == (2, "")
