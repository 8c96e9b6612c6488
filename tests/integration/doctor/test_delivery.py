"""`doctor` where what brings the events brings none: a rule that is off, a partner event source without its bus."""

import json
from typing import Any

import pytest

from tests.integration.doctor.front import Front
from tests.integration.doctor.looking import faults, findings
from tests.support.stack import Stack

SOURCE = "aws.partner/genesys.com/cloud/4f7e0b1a/integration"

WEEKS_LATER = 1_796_169_600
"""2026-12-02, as EventBridge writes a time."""


async def let_send(stack: Stack, *rules: str, account: str = "000000000000") -> None:
    """Give the event queue a policy that lets these rules (BUS/NAME, or NAME on the default bus) send, no other."""
    arns = [f"arn:aws:events:us-east-1:{account}:rule/{rule}" for rule in rules]
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    if rules:
        statement["Condition"] = {"ArnEquals": {"aws:SourceArn": arns if len(arns) > 1 else arns[0]}}
    await stack.clients.sqs.set_queue_attributes(
        QueueUrl=stack.settings["EVENT_QUEUE_URL"],
        Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": statement})},
    )


@pytest.mark.usefixtures("healthy")
async def test_the_rule_that_the_queue_lets_send_is_looked_at(stack: Stack) -> None:
    found = (await findings())["event rule"]
    assert (found.status, found.text) == ("ok", f"{stack.names.rule} on the bus default is enabled")


@pytest.mark.usefixtures("healthy")
async def test_a_rule_that_is_disabled_is_named(stack: Stack) -> None:
    await stack.clients.events.disable_rule(Name=stack.names.rule)
    found = await faults()
    assert set(found) == {"event rule"}
    assert found["event rule"].text == f"{stack.names.rule} on the bus default is disabled, so it brings no events"
    assert found["event rule"].fix == f"aws events enable-rule --name {stack.names.rule} --event-bus-name default"


@pytest.mark.usefixtures("healthy")
async def test_a_rule_that_is_gone_is_named(stack: Stack) -> None:
    await let_send(stack, "long-gone")
    found = await faults()
    assert set(found) == {"event rule"}
    assert found["event rule"].text.startswith("there is no rule long-gone on the bus default")


async def test_a_partner_event_source_without_its_bus_is_named_with_the_day_of_its_end(
    front: Front, stack: Stack
) -> None:
    await let_send(stack, stack.names.rule, f"{SOURCE}/partner-events")
    front.answered["AWSEvents.DescribeRule"] = {"State": "ENABLED"}
    front.answered["AWSEvents.DescribeEventSource"] = {"State": "PENDING", "ExpirationTime": WEEKS_LATER}
    found = await faults()
    assert set(found) == {"event source"}
    assert found["event source"].text == f"{SOURCE} is PENDING: it brings no events, and AWS deletes it on 2026-12-02"
    assert f"create-event-bus --name {SOURCE}" in found["event source"].fix


@pytest.mark.parametrize(("state", "status"), [("ACTIVE", "ok"), ("DELETED", "FAILED")])
async def test_a_partner_event_source_is_as_its_state_says(state: str, status: str, front: Front, stack: Stack) -> None:
    await let_send(stack, f"{SOURCE}/partner-events")
    front.answered["AWSEvents.DescribeRule"] = {"State": "ENABLED"}
    front.answered["AWSEvents.DescribeEventSource"] = {"State": state}
    assert (await findings())["event source"].status == status


async def test_what_the_policy_does_not_let_see_is_skipped(front: Front, stack: Stack) -> None:
    await let_send(stack, f"{SOURCE}/partner-events")
    for call in ("DescribeRule", "DescribeEventSource"):
        front.refused[f"AWSEvents.{call}"] = "AccessDeniedException"
    found = await findings()
    assert found["event rule"].status == found["event source"].status == "skipped"
    assert "events:DescribeRule is denied" in found["event rule"].text


@pytest.mark.parametrize("rules", [[], ["*"]], ids=["no condition", "any rule"])
@pytest.mark.usefixtures("healthy")
async def test_a_policy_that_names_no_rule_leaves_it_unchecked(rules: list[str], stack: Stack) -> None:
    await let_send(stack, *rules)
    assert (await findings())["event rule"].status == "skipped"


@pytest.mark.usefixtures("healthy")
async def test_a_rule_of_another_account_is_left_unchecked(stack: Stack) -> None:
    await let_send(stack, "theirs", account="111122223333")
    found = (await findings())["event rule"]
    assert (found.status, found.text) == ("skipped", "not checked: theirs is in the account 111122223333")
