"""Checks of what brings events to the queue: the EventBridge rules, and Genesys Cloud's partner event source.

No setting names them. The event queue's policy does: it lets each rule send by its ARN, which holds the bus, and a
partner bus has the name of its event source.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.aws.errors import Kind
from worker.aws.inspection import CallFailedError, Inspection
from worker.commands.doctor.checks import Finding, cannot_look, explain, failed, ok, skipped

_RULE = re.compile(r"arn:[^:]+:events:[^:]*:(?P<account>\d*):rule/(?:(?P<bus>[^*?]+)/)?(?P<name>[^/*?]+)")
_PARTNER = "aws.partner/"
_DEFAULT_BUS = "default"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A rule that may send to the queue."""

    bus: str
    name: str
    account: str


async def check_delivery(inspection: Inspection, events: Mapping[Any, str] | None) -> list[Finding]:
    """Whether each rule is enabled, and each partner event source active. `events`: attributes of the event queue."""
    if events is None:
        return [skipped("event rule", "not checked: see event queue")]
    rules = sorted(set(_rules(events.get("Policy", ""))))
    if not rules:
        return [skipped("event rule", "not checked: the event queue's policy names none by its ARN")]
    account = events.get("QueueArn", "").split(":")[4:5]
    ours = [rule for rule in rules if [rule.account] == account]
    sources = sorted({rule.bus for rule in ours if rule.bus.startswith(_PARTNER)})
    theirs = [
        skipped("event rule", f"not checked: {rule.name} is in the account {rule.account}")
        for rule in rules
        if rule not in ours
    ]
    checks = [*(_rule(inspection, rule) for rule in ours), *(_source(inspection, source) for source in sources)]
    return [*theirs, *await asyncio.gather(*checks)]


def _rules(policy: str) -> Iterator[Rule]:
    """Rules whose ARN a statement wants as aws:SourceArn."""
    statements = json.loads(policy).get("Statement", []) if policy else []
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement.get("Effect") != "Allow":
            continue
        for condition in statement.get("Condition", {}).values():
            for key, value in condition.items():
                if key.lower() != "aws:sourcearn":
                    continue
                for arn in [value] if isinstance(value, str) else value:
                    if found := _RULE.fullmatch(arn):
                        yield Rule(found["bus"] or _DEFAULT_BUS, found["name"], found["account"])


async def _rule(inspection: Inspection, rule: Rule) -> Finding:
    name = "event rule"
    where = f"{rule.name} on the bus {rule.bus}"
    try:
        state = await inspection.rule_state(rule.name, rule.bus)
    except CallFailedError as error:
        if error.kind is not Kind.MISSING:
            return _not_seen(name, error)
        return failed(
            name,
            f"there is no rule {where}, and the event queue's policy lets it send",
            "make the rule with the queue as its target, or take its ARN out of the queue's policy",
        )
    if state == "DISABLED":
        return failed(
            name,
            f"{where} is disabled, so it brings no events",
            f"aws events enable-rule --name {rule.name} --event-bus-name {rule.bus}",
        )
    return ok(name, f"{where} is enabled")


async def _source(inspection: Inspection, source: str) -> Finding:
    name = "event source"
    try:
        state, expires = await inspection.event_source(source)
    except CallFailedError as error:
        if error.kind is not Kind.MISSING:
            return _not_seen(name, error)
        return failed(name, f"there is no {source}", _MAKE_IT_AGAIN)
    if state == "PENDING":
        on = f" on {expires:%Y-%m-%d}" if expires else ", two weeks after it became so"
        return failed(
            name,
            f"{source} is PENDING: it brings no events, and AWS deletes it{on}",
            f"give it its event bus (aws events create-event-bus --name {source} --event-source-name {source}), or "
            f"where the bus is there: aws events activate-event-source --name {source}",
        )
    if state == "DELETED":
        return failed(name, f"{source} is DELETED: Genesys Cloud, or AWS after two weeks, took it away", _MAKE_IT_AGAIN)
    return ok(name, f"{source} is {state}")


_MAKE_IT_AGAIN = "make the EventBridge integration in Genesys Cloud anew, and give its event source a bus of its name"


def _not_seen(name: str, error: CallFailedError) -> Finding:
    """The worker itself never asks EventBridge, so no way to it is no fault of the service's."""
    if error.status is None:
        return skipped(name, f"not checked: {explain(error)[0]}")
    return cannot_look(name, error)
