"""Checks of the state machine and its activity."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from worker.attempt import KNOWN_DEFINITION
from worker.aws.errors import Kind
from worker.aws.inspection import CallFailedError, Inspection
from worker.commands.doctor.checks import Finding, cannot_look, failed, ok, permission, skipped
from worker.settings import Settings

_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".aws", ".api.aws")


async def check_state_machine(inspection: Inspection, settings: Settings) -> list[Finding]:
    """The state machine: there, STANDARD, of this version, and what it names is what the settings name."""
    name = "state machine"
    start = "states:StartExecution"
    try:
        described = await inspection.state_machine(settings.state_machine_arn)
    except CallFailedError as error:
        if error.kind is not Kind.MISSING:
            found = cannot_look(name, error)
            if found.status == "FAILED":
                return [found, skipped(start, f"not checked: see {name}")]
            return [found, await _start_permission(inspection, start, settings)]
        found = failed(
            name,
            "STATE_MACHINE_ARN: there is no such state machine",
            "set it to an ARN of `aws stepfunctions list-state-machines` in AWS_REGION",
        )
        return [found, skipped(start, "not checked: see state machine")]
    if described["type"] != "STANDARD":
        found = failed(
            name,
            f"STATE_MACHINE_ARN: is {described['type']}, which has no activities, and no lasting execution names",
            "create it with the type STANDARD; the type of a state machine cannot be changed",
        )
        return [found, skipped(start, "not checked: see state machine")]
    findings = [ok(name, "STANDARD"), *_definition(described.get("definition"), settings)]
    return [
        *findings,
        await _start_permission(inspection, start, settings),
        await _look_permission(inspection, settings),
    ]


async def _look_permission(inspection: Inspection, settings: Settings) -> Finding:
    name = "states:DescribeExecution"
    if "intake" not in settings.roles:
        return skipped(name, "not needed: ROLES has no intake")
    return await permission(name, inspection.may_look_at_executions(settings.state_machine_arn))


async def _start_permission(inspection: Inspection, name: str, settings: Settings) -> Finding:
    if "intake" not in settings.roles:
        return skipped(name, "not needed: ROLES has no intake")
    host = urlsplit(inspection.states_endpoint).hostname or ""
    if not host.endswith(_AWS_HOSTS):
        return skipped(name, f"not checked: {host} is not AWS and might start what AWS refuses")
    return await permission(name, inspection.may_start(settings.state_machine_arn))


def _definition(text: str | None, settings: Settings) -> list[Finding]:
    name = "heartbeats"
    if not text:
        return [skipped(name, "not checked: the definition is encrypted with a key that these credentials cannot use")]
    definition = json.loads(text)
    tasks = [task for task in _tasks(definition) if task.get("Resource") == settings.activity_arn]
    if not tasks:
        others = sorted({str(t.get("Resource")) for t in _tasks(definition) if ":activity:" in str(t.get("Resource"))})
        return [
            failed(
                name,
                "no task of the state machine names ACTIVITY_ARN"
                + (f"; it has {', '.join(others)}" if others else ", nor any other activity"),
                "set ACTIVITY_ARN to the activity in the definition, or deploy the definition with this one",
            )
        ]
    heartbeats = [_heartbeats(name, task, settings) for task in tasks]
    return [
        next((found for found in heartbeats if found.status == "FAILED"), heartbeats[0]),
        _version(tasks),
        _dead_letters(definition, settings),
    ]


def _version(tasks: list[dict[str, Any]]) -> Finding:
    """The definition that the tasks say they are; 0.1.0's says nothing."""
    name = "definition"
    told = [task.get("Parameters", {}).get("definition") for task in tasks]
    version = min(one if isinstance(one, int) else 1 for one in told)
    if version >= KNOWN_DEFINITION:
        return ok(name, f"{version}; this version of the worker comes with {KNOWN_DEFINITION}")
    return failed(
        name,
        f"the state machine's is {version}, this version of the worker comes with {KNOWN_DEFINITION}: what fails "
        "alone is not set apart, and an outage that the worker cannot hold makes dead letters within the hour",
        "deploy deploy/state_machine.asl.json of this version; running executions end under the definition they "
        "started with",
    )


def _heartbeats(name: str, task: dict[str, Any], settings: Settings) -> Finding:
    seconds = task.get("HeartbeatSeconds")
    if not isinstance(seconds, int):
        return failed(
            name,
            "the state machine's task has no HeartbeatSeconds, so that a dead worker is noticed only when the task "
            f"times out ({task.get('TimeoutSeconds', 'never')} s)",
            "add HeartbeatSeconds to the task, for example 60",
        )
    if settings.heartbeat_seconds * 2 >= seconds:
        return failed(
            name,
            f"HEARTBEAT_SECONDS ({settings.heartbeat_seconds:g}) is not under half the state machine's "
            f"HeartbeatSeconds ({seconds})",
            f"set HEARTBEAT_SECONDS below {seconds / 2:g}, or raise the state machine's",
        )
    if settings.state_machine_heartbeat_seconds != seconds:
        return failed(
            name,
            f"STATE_MACHINE_HEARTBEAT_SECONDS ({settings.state_machine_heartbeat_seconds}) is not the state "
            f"machine's HeartbeatSeconds ({seconds})",
            f"set STATE_MACHINE_HEARTBEAT_SECONDS={seconds}",
        )
    return ok(name, f"every {settings.heartbeat_seconds:g} s, the state machine waits {seconds} s")


def _dead_letters(definition: dict[str, Any], settings: Settings) -> Finding:
    name = "dead letters"
    wanted = urlsplit(settings.dead_letter_queue_url).path.rstrip("/")
    urls = [
        str(task.get("Parameters", {}).get("QueueUrl"))
        for task in _tasks(definition)
        if str(task.get("Resource")).endswith(":sqs:sendMessage")
    ]
    if any(urlsplit(url).path.rstrip("/") == wanted for url in urls):
        return ok(name, "the state machine sends them to DEAD_LETTER_QUEUE_URL")
    return failed(
        name,
        "no task of the state machine sends to DEAD_LETTER_QUEUE_URL" + (f"; it has {', '.join(urls)}" if urls else ""),
        "deploy the definition with this queue, or set DEAD_LETTER_QUEUE_URL to the one it names",
    )


def _tasks(definition: Any) -> Iterator[dict[str, Any]]:
    """Every Task state, also inside Map and Parallel."""
    if isinstance(definition, dict):
        if definition.get("Type") == "Task":
            yield definition
        for value in definition.values():
            yield from _tasks(value)
    elif isinstance(definition, list):
        for value in definition:
            yield from _tasks(value)


async def check_activity(inspection: Inspection, settings: Settings) -> list[Finding]:
    """The activity: there, and reports to it allowed."""
    name = "activity"
    reports = {
        "states:SendTaskHeartbeat": inspection.may_send_heartbeat,
        "states:SendTaskSuccess": inspection.may_send_success,
        "states:SendTaskFailure": inspection.may_send_failure,
    }
    try:
        await inspection.activity(settings.activity_arn)
        found = ok(name, "there")
    except CallFailedError as error:
        found = cannot_look(name, error)
        if error.kind is Kind.MISSING:
            found = failed(
                name,
                "ACTIVITY_ARN: there is no such activity",
                "set it to an ARN of `aws stepfunctions list-activities` in AWS_REGION",
            )
    if "activity" not in settings.roles:
        return [found, *(skipped(report, "not needed: ROLES has no activity") for report in reports)]
    if found.status == "FAILED":
        return [found, *(skipped(report, f"not checked: see {name}") for report in reports)]
    poll = skipped("states:GetActivityTask", "not checked: every poll can take a task away")
    return [found, poll, *[await permission(report, may()) for report, may in reports.items()]]
