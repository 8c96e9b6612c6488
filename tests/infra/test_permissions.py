"""The roles against the code: every AWS call that it makes is allowed, and nothing is allowed that it never calls."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import botocore.loaders
import botocore.model
import pytest
from botocore import xform_name

from tests.infra.actions import MODULE, SAME_ACTION
from tests.support.tools import ROOT

WORKER = ROOT / "worker"

DOCTOR = WORKER / "aws" / "inspection.py"
"""What only `doctor` asks, under an operator's policy."""

ERASURE = WORKER / "aws" / "archive_erasure.py"
"""What only `erase` asks, under a policy of its own."""

SERVICES = {"dynamodb": "dynamodb", "events": "events", "s3": "s3", "sqs": "sqs", "stepfunctions": "states"}
"""Names of the services: botocore's, and that of IAM's actions."""

NOT_A_CALL = {"s3:ListBucket"}
"""Allowed for what S3 answers otherwise (see the statement), called only by doctor."""


@pytest.fixture(scope="module")
def operations() -> dict[str, str]:
    """IAM action by the name of the client's method."""
    loader = botocore.loaders.create_loader()
    found = {}
    for service, prefix in SERVICES.items():
        model = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
        for operation in model.operation_names:
            action = f"{prefix}:{operation}"
            found[xform_name(operation)] = SAME_ACTION.get(action, action)
    return found


def _files(*folders: str) -> set[Path]:
    found = {file for folder in folders for file in (WORKER / folder).rglob("*.py")}
    assert found
    return found


def _calls(files: set[Path], operations: dict[str, str]) -> set[str]:
    """Actions of the AWS calls in these files."""

    def methods() -> Iterator[str]:
        for file in files:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    yield node.func.attr
                    if node.func.attr == "get_paginator" and isinstance(node.args[0], ast.Constant):
                        yield str(node.args[0].value)

    return {operations[name] for name in methods() if name in operations}


def _allowed(file: Path) -> set[str]:
    """Actions in its statements; what stands before an equals sign is the key of a condition."""
    return set(re.findall(r'"((?:dynamodb|ecs|events|s3|sqs|states):\w+)"(?! =)', file.read_text()))


def test_the_worker_may_do_what_it_does_and_nothing_else(operations: dict[str, str]) -> None:
    calls = _calls(_files("aws", "fleet") - {DOCTOR, ERASURE}, operations)
    assert {"sqs:ReceiveMessage", "states:SendTaskHeartbeat", "dynamodb:PutItem"} <= calls
    assert _allowed(MODULE / "iam_worker.tf") - NOT_A_CALL == calls


def test_whatever_is_called_somebody_may_do(operations: dict[str, str]) -> None:
    calls = _calls(_files("aws", "fleet"), operations)
    assert {"s3:ListBucketVersions", "dynamodb:DescribeTimeToLive", "events:DescribeEventSource"} <= calls
    assert calls - _allowed(MODULE / "iam_worker.tf") - _allowed(MODULE / "iam_operator.tf") == set()


def test_the_lookup_asks_for_the_attributes_that_it_may_read_and_for_no_other() -> None:
    """DynamoDB refuses a request for one attribute more."""
    asked = re.search(r'^DECISIVE = "([^"]+)"$', (WORKER / "aws" / "records.py").read_text(), re.MULTILINE)
    may = re.search(r'"dynamodb:Attributes" = (\[[^]]+\])', (MODULE / "iam_worker.tf").read_text())
    assert asked
    assert may
    assert asked[1].split(", ") == json.loads(may[1])


def test_only_the_adapters_call_aws(operations: dict[str, str]) -> None:
    elsewhere = _files(".") - _files("aws", "fleet", "local")
    assert _calls(elsewhere, operations) == set()
