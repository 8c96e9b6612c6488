"""`doctor` where AWS refuses: permissions, credentials, regions, clocks."""

import pytest

from tests.integration.doctor.front import Front
from tests.integration.doctor.looking import DENIALS, faults, findings
from tests.support.stack import Stack
from worker.commands.doctor.checks import permission
from worker.settings import load_settings
from worker.wiring import open_inspection


@pytest.mark.parametrize(("action", "check"), DENIALS.items())
async def test_a_permission_that_is_missing_is_named(action: str, check: str, front: Front) -> None:
    front.refused[action] = "AccessDeniedException"
    found = await faults()
    assert check in found
    # The shared cache and the table are both written with PutItem, which is denied for both here.
    assert set(found) <= {check, "dynamodb:PutItem on shared cache"}
    permission = check.partition(" ")[0]
    assert found[check].text == f"{permission} is denied to these credentials"
    assert found[check].fix == f"allow {permission} in the role's policy"


@pytest.mark.parametrize(("code", "status"), [("AccessDeniedException", "FAILED"), ("InvalidName", "ok")])
async def test_the_permission_to_start_executions_is_told_by_the_refusal(
    code: str, status: str, front: Front, stack: Stack
) -> None:
    front.refused["AWSStepFunctions.StartExecution"] = code
    async with open_inspection(load_settings(), lambda *_: None) as inspection:
        found = await permission("start", inspection.may_start(stack.settings["STATE_MACHINE_ARN"]))
    assert found.status == status


async def test_credentials_of_an_operator_may_look_and_the_workers_permissions_are_skipped(front: Front) -> None:
    front.refused |= dict.fromkeys(DENIALS, "AccessDeniedException")
    found = await findings()
    assert {name for name, finding in found.items() if finding.status == "FAILED"} == set()
    skipped = {name for name, finding in found.items() if "an operator's" in finding.text}
    assert skipped == set(DENIALS.values()) | {"dynamodb:PutItem on shared cache"}
    assert found["table"].status == found["event queue"].status == "ok"


async def test_a_role_of_the_worker_that_has_no_policy_at_all_is_no_operators(front: Front) -> None:
    looks = ("AmazonSQS.GetQueueAttributes", "DynamoDB_20120810.DescribeTable", "AWSStepFunctions.DescribeActivity")
    for action in (*DENIALS, *looks, "AWSStepFunctions.DescribeStateMachine"):
        front.refused[action] = "AccessDeniedException"
    # Without the state machine none of its executions is asked for.
    assert set(DENIALS.values()) - {"states:DescribeExecution"} <= set(await faults())


async def test_a_denied_description_is_no_fault_of_the_service(front: Front) -> None:
    front.refused["AWSStepFunctions.DescribeStateMachine"] = "AccessDeniedException"
    found = await findings()
    assert found["state machine"].status == "skipped"
    assert "states:DescribeStateMachine" in found["state machine"].text


async def test_credentials_that_aws_does_not_know_are_named(front: Front) -> None:
    front.refused["AmazonSQS.GetQueueAttributes"] = "UnrecognizedClientException"
    found = await faults()
    assert "does not accept the credentials" in found["event queue"].text
    assert "task role" in found["event queue"].fix


@pytest.mark.usefixtures("healthy")
async def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    found = await faults()
    assert set(found) == {"credentials"}
    assert "AWS_PROFILE" in found["credentials"].fix


@pytest.mark.usefixtures("healthy")
async def test_another_region_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    found = (await faults())["region"]
    assert found.text.startswith("AWS_REGION is eu-west-1, but STATE_MACHINE_ARN in us-east-1")
    assert "AWS_REGION=us-east-1" in found.fix


@pytest.mark.usefixtures("healthy")
async def test_the_region_of_a_queue_is_read_from_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_QUEUE_URL", "https://sqs.eu-north-1.amazonaws.com/123456789012/events")
    assert "EVENT_QUEUE_URL in eu-north-1" in (await faults())["region"].text


@pytest.mark.parametrize(("seconds", "side"), [(600, "behind"), (-600, "ahead of")])
async def test_a_clock_that_is_off_is_named(seconds: float, side: str, front: Front) -> None:
    front.seconds_ahead = seconds
    found = await faults()
    assert set(found) == {"clock"}
    # A busy machine takes its time with the answer, and Date is in whole seconds.
    assert found["clock"].text in {f"{s} s {side} AWS" for s in range(595, 606)}
    assert "NTP" in found["clock"].fix
