"""Every call of AWS as it is sent, by whom, and whether the policies of who sends it allow it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from tests.infra.actions import SAME_ACTION
from tests.integration.doctor.front import Front

ACCOUNT, REGION = "000000000000", "us-east-1"

_SERVICES = {"AmazonSQS": "sqs", "AWSStepFunctions": "states", "DynamoDB_20120810": "dynamodb", "AWSEvents": "events"}
"""IAM's name of a service by what X-Amz-Target begins with."""

_KEYS = {"interactionId", "pk"}
"""Partition keys of the two tables."""

_S3 = {
    ("PUT", True): "s3:PutObject",
    ("HEAD", True): "s3:GetObject",
    ("HEAD", False): "s3:ListBucket",
    ("DELETE", True): "s3:DeleteObjectVersion",
}
"""Action by method, and whether the path names an object. Nothing is deleted here but versions."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as IAM sees it."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Values of the condition keys that policies here use: a text, or a list for a key of many values."""


def allowing(statements: list[dict[str, Any]], call: Call) -> list[str]:
    """The Sids of the statements that allow the call."""
    return [
        statement["Sid"]
        for statement in statements
        if statement["Effect"] == "Allow"
        and call.action in _many(statement["Action"])
        and any(fnmatchcase(call.resource, resource) for resource in _many(statement["Resource"]))
        and all(
            _holds(operator, call.context.get(key), _many(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    ]


def _holds(operator: str, given: Any, wanted: list[str]) -> bool:
    match operator:
        case "StringEquals":
            return given in wanted
        case "ForAllValues:StringEquals":
            return all(value in wanted for value in given or ())
        case "ForAllValues:StringLike":
            return all(any(fnmatchcase(value, pattern) for pattern in wanted) for value in given or ())
    raise AssertionError(f"a condition that this evaluation does not know: {operator}")


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


class Enforcer(Front):
    """Stands in front of the emulator as IAM does: a call needs a statement of whoever signed it."""

    def __init__(self, target: str, policies: Mapping[str, list[dict[str, Any]]]) -> None:
        """`policies`: statements by access key id."""
        super().__init__(target)
        self.policies = policies
        self.used: dict[str, set[tuple[str, str]]] = {who: set() for who in policies}
        """Sid and action of the calls that were allowed."""
        self.denied: dict[str, set[Call]] = {who: set() for who in policies}
        self.unowned: set[str] = set()
        """Calls of S3 that do not say whose bucket they expect."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        signed = re.search(r"Credential=([^/]+)/", request.headers.get("Authorization", ""))
        assert signed, request.headers
        call = _call(request, await request.read())
        if call is not None:
            sids = allowing(self.policies[signed[1]], call)
            self.used[signed[1]] |= {(sid, call.action) for sid in sids}
            if call.action.startswith("s3:") and request.headers.get("x-amz-expected-bucket-owner") != ACCOUNT:
                self.unowned.add(call.action)
            if not sids:
                self.denied[signed[1]].add(call)
                return _denial(call)
        return await super().answer(request)


def _denial(call: Call) -> web.Response:
    if call.action.startswith("s3:"):
        text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return web.Response(status=403, text=text, content_type="application/xml")
    body = {"__type": "com.amazon.service#AccessDeniedException", "message": f"{call.action} is not allowed"}
    return web.json_response(body, status=400, content_type="application/x-amz-json-1.0")


def _call(request: web.Request, body: bytes) -> Call | None:
    """None for GetCallerIdentity, which needs no permission."""
    service, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
    if service:
        name = f"{_SERVICES[service]}:{operation}"
        resource, context = _READERS[_SERVICES[service]](json.loads(body))
        return Call(SAME_ACTION.get(name, name), resource, context)
    if "/s3/" not in request.headers["Authorization"]:
        assert b"Action=GetCallerIdentity" in body
        return None
    bucket, _, key = unquote(urlsplit(request.path_qs).path).lstrip("/").partition("/")
    context = {"aws:ResourceAccount": ACCOUNT}
    return Call(_S3[request.method, bool(key)], f"arn:aws:s3:::{bucket}/{key}".rstrip("/"), context)


def _sqs(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{body['QueueUrl'].rsplit('/', 1)[1]}", {}


def _states(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return next((body[name] for name in ("stateMachineArn", "activityArn", "executionArn") if name in body), "*"), {}


def _events(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    bus = body.get("EventBusName", "default")
    return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{'' if bus == 'default' else bus + '/'}{body['Name']}", {}


def _dynamodb(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    table, read = next(iter(body.get("RequestItems", {body.get("TableName"): body}).items()))
    keys = [*read.get("Keys", ()), *(read[name] for name in ("Key", "Item") if name in read)]
    context: dict[str, Any] = {"dynamodb:LeadingKeys": [key[name]["S"] for key in keys for name in _KEYS & key.keys()]}
    if "ProjectionExpression" in read:
        context["dynamodb:Attributes"] = re.split(r",\s*", read["ProjectionExpression"])
        context["dynamodb:Select"] = "SPECIFIC_ATTRIBUTES"
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}", context


_READERS = {"sqs": _sqs, "states": _states, "events": _events, "dynamodb": _dynamodb}
