"""The Terraform module by itself: form, validity, its own tests, its example, and checkov's opinion."""

import json
import math
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests.infra.terraform import Terraform
from tests.support.tools import ROOT, run, tool
from worker.record import Freshness
from worker.runtime.plan import CLOCK_SLACK, bucket_seconds

MODULE = ROOT / "deploy" / "terraform"


def test_every_file_has_terraform_s_own_form(tmp_path: Path) -> None:
    Terraform(tmp_path)("fmt", "-check", "-diff", "-recursive")


def test_the_module_s_own_tests_pass_with_a_mocked_provider(tmp_path: Path) -> None:
    terraform = Terraform(tmp_path)
    terraform.initialize()
    terraform("validate")
    report = terraform("test", "-no-color")
    passed = re.search(r"Success! (\d+) passed, 0 failed", report)
    assert passed, report
    assert int(passed[1]) >= len(re.findall(r'^run "', _tests(), re.MULTILINE)), report


@pytest.mark.parametrize("example", ["complete", "minimal"])
def test_an_example_is_valid(tmp_path: Path, example: str) -> None:
    terraform = Terraform(tmp_path, f"terraform/examples/{example}")
    terraform.initialize()
    terraform("validate")


def test_checkov_finds_nothing_that_is_not_justified_in_place(tmp_path: Path) -> None:
    checkov = tool("checkov", get_it="tools/infra-tools installs it")
    # Its parser does not come to an end with a file of Terraform's tests.
    command: list[str | Path] = [
        checkov,
        "--directory",
        MODULE,
        "--skip-path",
        "tests/",
        "--framework",
        "terraform",
        "--skip-download",
    ]
    found = run([*command, "--output", "json", "--quiet", "--compact"], cwd=tmp_path, statuses=(0, 1))
    report = json.loads(found.stdout)
    failures = [
        f"{check['check_id']} {check['resource']}: {check['check_name']}"
        for check in report["results"]["failed_checks"]
    ]
    assert not failures, "\n".join(failures)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 50


@pytest.mark.parametrize(
    ("lag", "name"),
    [
        (90, "the_least_delay_that_shares_is_not_warned_of"),
        (5, "a_short_delay_for_details_that_hardly_lag_is_not_warned_of"),
    ],
)
def test_the_warning_of_a_short_delay_ends_where_the_worker_begins_to_share(lag: int, name: str) -> None:
    fresh = Freshness(timedelta(seconds=lag))
    least = math.ceil(lag + bucket_seconds(fresh) + CLOCK_SLACK.total_seconds())
    tried = re.search(rf'^run "{name}" .*?delivery_delay_seconds = (\d+)$', _tests(), re.MULTILINE | re.DOTALL)
    assert tried
    assert int(tried[1]) == least


@pytest.mark.parametrize(("kind", "section"), [("variable", "Inputs"), ("output", "Outputs")])
def test_the_readme_says_of_every_one_what_the_module_says(kind: str, section: str) -> None:
    module = _module()
    found = re.findall(rf'^{kind} "(\w+)" \{{\n  description = ("(?:[^"\\]|\\.)*")$', module, re.MULTILINE)
    assert len(found) == len(re.findall(rf'^{kind} "', module, re.MULTILINE)) > 0
    rows = _rows_of_the_readme(section)
    assert [name for name, text in found if not rows.get(name, "").endswith(f"| {json.loads(text)} |")] == []


def test_the_readme_has_the_defaults_of_the_module() -> None:
    default = r'(\w+|"[^"]*"|\[[^\]]*\])'
    found = re.findall(rf'^variable "(\w+)" \{{\n.*\n.*\n  default +=\s{default}$', _module(), re.MULTILINE)
    assert len(found) > 20
    rows = _rows_of_the_readme("Inputs")
    assert [name for name, value in found if f"| `{value}` |" not in rows.get(name, "")] == []


def test_each_role_and_policy_of_the_account_has_suffix_path_and_boundary() -> None:
    found = re.findall(r'^resource "aws_iam_(role|policy)" "(\w+)" \{\n(.*?)^\}', _module(), re.DOTALL | re.MULTILINE)
    assert len(found) >= 5
    wanted = {"role": ("var.name_suffix", "var.iam_path", "var.permissions_boundary_arn")}
    assert [
        f"{kind} {name}: {part}"
        for kind, name, body in found
        for part in wanted.get(kind, ("var.name_suffix", "var.iam_path"))
        if part not in body
    ] == []


def _module() -> str:
    return "".join(path.read_text() for path in sorted(MODULE.glob("*.tf")))


def _rows_of_the_readme(section: str) -> dict[str, str]:
    """Lines of a section's table by the name in their first column."""
    _, _, text = (MODULE / "README.md").read_text().partition(f"\n## {section}\n")
    lines = text.partition("\n## ")[0].splitlines()
    return {found[1]: line for line in lines if (found := re.match(r"\| `(\w+)` \|", line))}


def _tests() -> str:
    return "".join(path.read_text() for path in (MODULE / "tests").glob("*.tftest.hcl"))
