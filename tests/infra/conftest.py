"""The module with everything that alarms, rendered once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.terraform import Terraform
from tests.support.stack import WAIT_SCALE
from worker.local.emulator import Emulator

_RENDERED = """
mock_provider "aws" {
  source = "./tests/mocks"
}

run "rendered" {
  variables {
    vpc_id              = "vpc-0123456789abcdef0"
    subnet_ids          = ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"]
    genesys_region      = "eu-central-1"
    image               = "registry.example.com/interaction-worker:0.1.0"
    partner_events      = { event_source_name = "aws.partner/genesys.com/cloud/0/interactions" }
    alarm_subscriptions = { night-shift = { protocol = "email", endpoint = "night-shift@example.com" } }

    # The target is 100 * 60 / 3 = 2,000 for each task.
    max_concurrency          = 100
    acceptable_delay_seconds = 60
    seconds_per_interaction  = 3
    min_tasks                = 2
  }
}
"""


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The resources of the module with everything that alarms, made by a mocked provider."""
    terraform = Terraform(tmp_path_factory.mktemp("terraform"))
    terraform.initialize()
    terraform.write("tests/rendered.tftest.hcl", _RENDERED)
    report = terraform("test", "-filter=tests/rendered.tftest.hcl", "-verbose", "-json")
    (state,) = (line["test_state"] for line in map(json.loads, report.splitlines()) if line["type"] == "test_state")
    resources: list[dict[str, Any]] = state["root_module"]["resources"]
    return resources


_TERRAFORM_NEEDS = (
    "ec2",
    "ecr",
    "ecs",
    "ecs-metadata",
    "elasticloadbalancing",
    "iam",
    "kms",
    "logs",
    "secretsmanager",
    "ssm",
)
"""Services that Terraform calls besides those that the worker does."""


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An AWS emulator with what Terraform needs too."""
    output = tmp_path_factory.mktemp("emulator") / "output.log"
    with Emulator(wait_scale=WAIT_SCALE, output=output, more_services=_TERRAFORM_NEEDS) as running:
        yield running
