"""The `bootstrap` command: everything the service needs on an AWS emulator, made with the API and safe to repeat."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from worker.aws.errors import AWS_ERRORS
from worker.local.arguments import count
from worker.local.aws import Clients, add_remote_argument, explain, open_clients
from worker.printable import printable

if TYPE_CHECKING:
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

    Attributes = Mapping[QueueAttributeNameType, str]

DEFAULT_PREFIX = "interaction-worker"
EVENT_SOURCE = "genesys.cloud"
EVENT_DETAIL_TYPE = "Genesys Cloud Interaction Event"

_VISIBILITY_SECONDS = 60
_LONGEST_DELAY_SECONDS = 900
"""SQS's longest delivery delay."""
_RETENTION_SECONDS = 14 * 24 * 3600
"""SQS's longest: an event survives the longest outage that the queue can bridge."""
_MAX_RECEIVE_COUNT = 1000
"""SQS's highest: intake holds messages through an outage of Step Functions, and only it decides what is quarantined."""
_ASL_FILE = "state_machine.asl.json"


@dataclass(frozen=True, slots=True)
class Names:
    """What the resources are called, all from one prefix."""

    prefix: str = DEFAULT_PREFIX

    @property
    def event_queue(self) -> str:
        return f"{self.prefix}-events"

    @property
    def dead_letter_queue(self) -> str:
        return f"{self.prefix}-dead-letters"

    @property
    def rule(self) -> str:
        return f"{self.prefix}-events"

    @property
    def activity(self) -> str:
        return f"{self.prefix}-process"

    @property
    def state_machine(self) -> str:
        return self.prefix

    @property
    def interaction_table(self) -> str:
        return f"{self.prefix}-interactions"

    @property
    def shared_cache_table(self) -> str:
        return f"{self.prefix}-shared-cache"


def state_machine_definition(activity_arn: str, dead_letter_queue_url: str) -> str:
    """The one state machine file with its placeholders replaced.

    Raises FileNotFoundError when neither the source tree nor the installed package has it.
    """
    source_tree = Path(__file__).resolve().parents[2] / "deploy" / _ASL_FILE
    packaged = resources.files("worker.local") / _ASL_FILE
    template = (source_tree if source_tree.is_file() else packaged).read_text(encoding="utf-8")
    return template.replace("${activity_arn}", activity_arn).replace("${dead_letter_queue_url}", dead_letter_queue_url)


async def create(clients: Clients, names: Names, *, delay_seconds: int = 0) -> dict[str, str]:
    """Make whatever is not there yet and bring the rest up to date; the settings that name it all.

    `delay_seconds` is how long the event queue holds each event back.
    """
    dead_letter_url, dead_letter_arn = await _queue(clients, names.dead_letter_queue, {})
    redrive = {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": _MAX_RECEIVE_COUNT}
    queue_url, queue_arn = await _queue(
        clients, names.event_queue, {"RedrivePolicy": json.dumps(redrive), "DelaySeconds": str(delay_seconds)}
    )
    await _rule(clients, names, queue_url, queue_arn)
    activity_arn = await _activity(clients, names.activity)
    state_machine_arn = await _state_machine(clients, names, activity_arn, dead_letter_url)
    await _table(clients, names.interaction_table, "interactionId")
    await _table(clients, names.shared_cache_table, "pk")
    return {
        "EVENT_QUEUE_URL": queue_url,
        "DEAD_LETTER_QUEUE_URL": dead_letter_url,
        "STATE_MACHINE_ARN": state_machine_arn,
        "ACTIVITY_ARN": activity_arn,
        "INTERACTION_TABLE_NAME": names.interaction_table,
        "SHARED_CACHE_URL": f"dynamodb://{names.shared_cache_table}",
    }


async def remove(clients: Clients, names: Names, settings: Mapping[str, str]) -> None:
    """Take away what `create` made; what is gone already is passed over."""
    with suppress(ClientError):
        await clients.events.remove_targets(Rule=names.rule, Ids=["event-queue"])
        await clients.events.delete_rule(Name=names.rule)
    with suppress(ClientError):
        await clients.stepfunctions.delete_state_machine(stateMachineArn=settings["STATE_MACHINE_ARN"])
    with suppress(ClientError):
        await clients.stepfunctions.delete_activity(activityArn=settings["ACTIVITY_ARN"])
    for queue in ("EVENT_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"):
        with suppress(ClientError):
            await clients.sqs.delete_queue(QueueUrl=settings[queue])
    for table in (names.interaction_table, names.shared_cache_table):
        with suppress(ClientError):
            await clients.dynamodb.delete_table(TableName=table)


async def _queue(clients: Clients, name: str, attributes: "Attributes") -> tuple[str, str]:
    """URL and ARN of a queue with these attributes besides the usual ones."""
    wanted: Attributes = {
        "VisibilityTimeout": str(_VISIBILITY_SECONDS),
        "MessageRetentionPeriod": str(_RETENTION_SECONDS),
        "ReceiveMessageWaitTimeSeconds": "20",
        "SqsManagedSseEnabled": "true",
        **attributes,
    }
    try:
        url = (await clients.sqs.get_queue_url(QueueName=name))["QueueUrl"]
        await clients.sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
    except clients.sqs.exceptions.QueueDoesNotExist:
        url = (await clients.sqs.create_queue(QueueName=name, Attributes=wanted))["QueueUrl"]
    answer = await clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, answer["Attributes"]["QueueArn"]


async def _rule(clients: Clients, names: Names, queue_url: str, queue_arn: str) -> None:
    pattern = {"source": [EVENT_SOURCE], "detail-type": [EVENT_DETAIL_TYPE]}
    rule = await clients.events.put_rule(Name=names.rule, EventPattern=json.dumps(pattern), State="ENABLED")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "DeliveryByTheRule",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule["RuleArn"]}},
            }
        ],
    }
    await clients.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
    answer = await clients.events.put_targets(Rule=names.rule, Targets=[{"Id": "event-queue", "Arn": queue_arn}])
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"EventBridge refused the queue as a target: {answer['FailedEntries']}")


async def _activity(clients: Clients, name: str) -> str:
    # AWS answers a repeated creation with the same ARN, the emulator with an error.
    async for page in clients.stepfunctions.get_paginator("list_activities").paginate():
        for activity in page["activities"]:
            if activity["name"] == name:
                return activity["activityArn"]
    return (await clients.stepfunctions.create_activity(name=name))["activityArn"]


async def _state_machine(clients: Clients, names: Names, activity_arn: str, dead_letter_url: str) -> str:
    definition = state_machine_definition(activity_arn, dead_letter_url)
    account = activity_arn.split(":")[4]
    role_arn = f"arn:aws:iam::{account}:role/{names.prefix}-state-machine"
    arn = f"{activity_arn.partition(':activity:')[0]}:stateMachine:{names.state_machine}"
    try:
        await clients.stepfunctions.describe_state_machine(stateMachineArn=arn)
        await clients.stepfunctions.update_state_machine(stateMachineArn=arn, definition=definition, roleArn=role_arn)
    except clients.stepfunctions.exceptions.StateMachineDoesNotExist:
        made = await clients.stepfunctions.create_state_machine(
            name=names.state_machine, definition=definition, roleArn=role_arn, type="STANDARD"
        )
        return made["stateMachineArn"]
    return arn


async def _table(clients: Clients, name: str, key: str) -> None:
    """A table with one string key, and expiry by its attribute `expiresAt`."""
    with suppress(clients.dynamodb.exceptions.ResourceInUseException):
        await clients.dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    await clients.dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    expiry = await clients.dynamodb.describe_time_to_live(TableName=name)
    if expiry["TimeToLiveDescription"].get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        await clients.dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expiresAt"}
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--prefix", default=DEFAULT_PREFIX, help="what the names of all resources start with (default: %(default)s)"
    )
    parser.add_argument(
        "--delay",
        metavar="SECONDS",
        type=_delay,
        default=0,
        help="how long the event queue holds each event back, at most 900 (default: %(default)s)",
    )
    add_remote_argument(parser)


def _delay(text: str) -> int:
    if (seconds := count(text)) > _LONGEST_DELAY_SECONDS:
        raise argparse.ArgumentTypeError(f"must be at most {_LONGEST_DELAY_SECONDS}, not {text!r}")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Create the resources and print the settings that name them. Raises SettingsError."""
    try:
        settings = asyncio.run(_bootstrap(Names(args.prefix), args.delay, allow_remote=args.allow_remote))
    except AWS_ERRORS as error:
        print(f"bootstrap: {explain(error)}", file=sys.stderr)
        return 1
    for name, value in settings.items():
        print(printable(f"{name}={value}"))
    return 0


async def _bootstrap(names: Names, delay_seconds: int, *, allow_remote: bool) -> dict[str, str]:
    async with open_clients(allow_remote=allow_remote) as clients:
        return await create(clients, names, delay_seconds=delay_seconds)
