"""The module with the 6.x of the AWS provider: by its schema, and by a list of what it deprecates."""

import json
import re
from pathlib import Path

import pytest

from tests.infra.provider6 import Provider6, install
from tests.infra.terraform import DEPLOY

MODULE = DEPLOY / "terraform"

DEPRECATED = {
    "data.aws_region": {"name"},
    "aws_cloudwatch_event_bus": {"policy"},
    "aws_dynamodb_table": {"global_secondary_index"},
    "aws_iam_role": {"inline_policy", "managed_policy_arns"},
    "aws_service_discovery_service": {"health_check_custom_config"},
}
"""Attributes and blocks of the types used here of which 6.x warns, or of parts of which. From its documentation: the
schema that is at hand does not say."""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Provider6:
    return install(tmp_path_factory.mktemp("provider"))


@pytest.mark.parametrize("example", ["complete", "minimal"])
def test_an_example_is_valid(provider: Provider6, tmp_path: Path, example: str) -> None:
    terraform = provider.terraform(tmp_path, f"terraform/examples/{example}")
    terraform.initialize()
    assert json.loads(terraform("validate", "-json")) | {"format_version": ""} == {
        "format_version": "",
        "valid": True,
        "error_count": 0,
        "warning_count": 0,
        "diagnostics": [],
    }


def test_the_module_s_own_tests_pass(provider: Provider6, tmp_path: Path) -> None:
    assert provider.version.startswith("6.")
    terraform = provider.terraform(tmp_path)
    terraform.initialize()
    report = terraform("test", "-no-color")
    passed = re.search(r"Success! (\d+) passed, 0 failed", report)
    assert passed, report
    assert int(passed[1]) >= len(re.findall(r'^run "', _text("tests/*.tftest.hcl"), re.MULTILINE)), report


def test_nothing_that_6_deprecates_is_used() -> None:
    text = _text("*.tf") + _text("examples/*/*.tf")
    assert _deprecated_uses(text) == []
    assert _deprecated_uses("region = data.aws_region.current.name") == ["data.aws_region.name"]
    assert _deprecated_uses('resource "aws_iam_role" "x" {\n  inline_policy {\n  }\n}\n') == [
        "aws_iam_role.inline_policy"
    ]


def test_a_rollout_that_ecs_took_back_fails_the_application(provider: Provider6, tmp_path: Path) -> None:
    terraform = provider.terraform(tmp_path)
    terraform.variables(_variables("0.1.0", wait=True))
    terraform.initialize()
    terraform("apply", "-auto-approve")
    first = terraform.output("task_definition_arn")
    terraform.variables(_variables("0.2.0", wait=True))
    with pytest.raises(AssertionError, match=r"The rollout of registry\.example\.com/worker:0\.2\.0\s+.*failed"):
        provider.terraform(tmp_path, STAND_IN_GOES_BACK="1")("apply", "-auto-approve")
    terraform("apply", "-auto-approve")
    assert terraform.output("task_definition_arn") != first


def test_an_application_that_does_not_wait_does_not_judge_the_rollout(provider: Provider6, tmp_path: Path) -> None:
    terraform = provider.terraform(tmp_path)
    terraform.variables(_variables("0.1.0", wait=False))
    terraform.initialize()
    terraform("apply", "-auto-approve")
    terraform.variables(_variables("0.2.0", wait=False))
    provider.terraform(tmp_path, STAND_IN_GOES_BACK="1")("apply", "-auto-approve")


def _variables(tag: str, *, wait: bool) -> dict[str, object]:
    return {
        "vpc_id": "vpc-0123456789abcdef0",
        "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0f1e2d3c4b5a69788"],
        "genesys_region": "eu-central-1",
        "image": f"registry.example.com/worker:{tag}",
        "wait_for_steady_state": wait,
    }


def _deprecated_uses(text: str) -> list[str]:
    uses = []
    for kind, names in DEPRECATED.items():
        if kind.startswith("data."):
            uses += [f"{kind}.{name}" for name in names if re.search(rf"\b{re.escape(kind)}\.\w+\.{name}\b", text)]
        for body in re.findall(rf'^resource "{kind}" .*?^}}', text, re.DOTALL | re.MULTILINE):
            uses += [
                f"{kind}.{name}" for name in names if re.search(rf"^\s+(?:dynamic \")?{name}\b", body, re.MULTILINE)
            ]
    return uses


def _text(pattern: str) -> str:
    return "".join(path.read_text() for path in sorted(MODULE.glob(pattern)))
