"""The documentation is true where a program can tell: links, tables, commands, names."""

import argparse
import importlib
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import docs
from worker import cli
from worker.cli import COMMANDS
from worker.settings import Settings
from worker.telemetry.metrics import SERIES

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
    if ".terraform" not in page.parts
)

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FILE = re.compile(r"(?:worker|deploy|tests|bench|chaos|docs|examples|tools|requirements)/[\w./*-]*[\w*]")
_METRIC = re.compile(r"\bworker_[a-z_]+")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(page: Path) -> Iterator[str]:
    """Commands in fenced blocks and between backticks."""
    for language, block in _FENCE.findall(text_of(page)):
        if language in {"sh", "", "console"}:
            yield from block.replace("\\\n", " ").splitlines()
    yield from _CODE.findall(prose(page))


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no {path}"
        if anchor:
            assert anchor in anchors(target), f"{link}: no heading makes #{anchor}"


@every_page
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for code in _CODE.findall(prose(page)):
        for path in _FILE.findall(code):
            if code.startswith(path):
                assert list(ROOT.glob(path)) or list(page.parent.glob(path)), f"there is no {path}"


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for line in shell_lines(page):
        if match := re.search(r"(?:^|&& )(?:[A-Z_]+=\S+ )*make ([a-z-]+)", line.strip()):
            assert match[1] in targets, line


@every_page
def test_every_command_of_the_worker_takes_the_options_it_is_given(page: Path) -> None:
    for line in shell_lines(page):
        match = re.search(r"(?:python -m worker|\binteraction-worker) ([a-z].*)$", line.partition("#")[0].strip())
        if match:
            words = [word for word in shlex.split(match[1]) if word not in {"COMMAND", "…"}]
            words = list(_until_operator(words))
            assert words[0] in COMMANDS, line
            options = _options(words[0])
            for word in words[1:]:
                if word.startswith("--"):
                    assert word.partition("=")[0] in options, f"{words[0]} has no {word}: {line}"


def _until_operator(words: list[str]) -> Iterator[str]:
    for word in words:
        if word in {"|", "&&", ";", ">", "&"}:
            return
        yield word.rstrip(";,")


def _options(command: str) -> set[str]:
    """All options of a command and of its sub-commands."""
    parser = cli._Parser()
    importlib.import_module(COMMANDS[command].module).add_arguments(parser)
    found: set[str] = set()
    parsers = [parser]
    while parsers:
        for action in parsers.pop()._actions:
            found.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                parsers.extend(action.choices.values())
    return found


def test_the_readme_names_every_command() -> None:
    named = " ".join(_CODE.findall(prose(ROOT / "README.md"))).split()
    assert set(COMMANDS) <= set(named)


def test_generated_parts_are_as_make_docs_writes_them() -> None:
    for path, text in docs.outputs().items():
        assert text_of(path) == text, f"{name_of(path)}: run `make docs`"


@pytest.mark.parametrize("page", [page for page in PAGES if "benchmarks" not in page.parts], ids=name_of)
def test_every_metric_that_is_named_exists(page: Path) -> None:
    known = {series.name for series in SERIES}
    for name in _METRIC.findall(" ".join(_CODE.findall(prose(page)))):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert {name, base} & known or any(series.startswith(name) for series in known), name


@every_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for code in _CODE.findall(prose(page)):
        for name in re.findall(r"^(?:GENESYS|HTTP|LOG|ITEM|DRAIN|HEARTBEAT|ARCHIVE|DETAILS|EVENT)_[A-Z_]+", code):
            assert name in known, name


def test_the_examples_in_the_documentation_run() -> None:
    (block,) = (text for language, text in _FENCE.findall(text_of(ROOT / "docs/extending.md")) if language == "python")
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102 -- our own documentation
    function = names["queue_time"]
    assert callable(function)
    document = {"participants": [{"sessions": [{"metrics": [{"name": "tAcd", "value": 1500}]}]}, {}]}
    assert function(document) == {"queueSeconds": 1.5}


def test_the_workflow_runs_what_is_run_here_on_every_supported_python_with_pinned_actions() -> None:
    text = text_of(ROOT / ".github/workflows/ci.yml")
    assert re.search(r"^ +- run: \.ci/run$", text, re.MULTILINE)
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    declared = [line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)]
    matrix = re.search(r"^ +python: (\[.*\])$", text, re.MULTILINE)
    assert matrix
    assert json.loads(matrix[1]) == declared
    for action in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action), action


def test_the_release_in_the_changelog_is_the_project_s_version() -> None:
    version = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## \[(\d[^]]*)\] - \d{4}-\d\d-\d\d$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] == version


def test_the_index_of_decisions_has_each_one_with_its_title_and_status() -> None:
    rows = []
    for page in sorted(ROOT.glob("docs/adr/[0-9]*.md")):
        heading, _, status = text_of(page).splitlines()[:3]
        number, _, title = heading.removeprefix("# ").partition(": ")
        rows.append(f"| [{number}]({page.name}) | {title} | {status} |")
    assert [line for line in text_of(ROOT / "docs/adr/README.md").splitlines() if line.startswith("| [")] == rows


def test_contributing_shows_the_layers_that_import_linter_checks() -> None:
    contract = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    blocks = [block.splitlines() for _, block in _FENCE.findall(text_of(ROOT / "CONTRIBUTING.md"))]
    assert contract["layers"] in blocks


def test_the_hooks_are_tools_of_the_virtual_environment() -> None:
    entries = re.findall(r"^ +entry: (\S+)", text_of(ROOT / ".pre-commit-config.yaml"), re.MULTILINE)
    installed = set(re.findall(r"^([a-z-]+)==", text_of(ROOT / "requirements/dev.lock"), re.MULTILINE))
    assert len(entries) == 5
    packages = {"lint-imports": "import-linter"}
    for entry in entries:
        directory, _, tool = entry.rpartition("/")
        assert directory == ".venv/bin"
        assert packages.get(tool, tool) in installed


def test_scripts_are_executable() -> None:
    for path in [".ci/run", "tools/venv", "tools/lock"]:
        assert (ROOT / path).stat().st_mode & 0o111, path
