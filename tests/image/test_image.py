"""The production image by itself."""

import json
import shutil

import pytest

from tests.image.docker import PRODUCTION, PYTHON_IMAGE, docker, inspect
from tests.support.tools import ROOT, missing, run

pytestmark = pytest.mark.usefixtures("images")

LOCKED_DOWN = ("--rm", "--read-only", "--cap-drop", "ALL", "--user", "65532", "--network", "none")

MOST_OVER_THE_BASE = 120_000_000
"""Bytes: what a task pulls besides the base, which other services on the host share."""


def test_it_adds_little_to_the_base() -> None:
    assert inspect("image", PRODUCTION)["Size"] - inspect("image", PYTHON_IMAGE)["Size"] < MOST_OVER_THE_BASE


def test_pid_1_is_the_worker_as_nobody() -> None:
    config = inspect("image", PRODUCTION)["Config"]
    assert config["Entrypoint"] == ["python", "-m", "worker"]
    assert config["User"] == "65532:65532"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "worker.healthcheck"]
    assert {"org.opencontainers.image.version", "org.opencontainers.image.revision"} <= config["Labels"].keys()


def test_wrong_settings_end_it_with_2_and_a_line_for_each() -> None:
    ended = docker("run", *LOCKED_DOWN, "--env", "HTTP_PORT=no", PRODUCTION, statuses=(2,))
    lines = ended.stderr.strip().splitlines()
    assert "Traceback" not in ended.stderr
    assert {line.split(":")[0] for line in lines} >= {"EVENT_QUEUE_URL", "GENESYS_CLIENT_SECRET", "HTTP_PORT"}
    assert all(line.split(":")[0].isupper() for line in lines)


def test_help_needs_no_settings() -> None:
    assert "usage: interaction-worker" in docker("run", *LOCKED_DOWN, PRODUCTION, "--help").stdout


def test_nothing_of_local_work_is_in_it() -> None:
    ended = docker("run", *LOCKED_DOWN, PRODUCTION, "demo", statuses=(2,))
    assert ended.stderr == "demo: is not in this image; its target `local` has it (docker build --target local)\n"
    found = _python(
        "import importlib.util as u; print([m for m in ('ministack', 'pytest', 'rich', 'tests') if u.find_spec(m)])"
    )
    assert found == "[]"


def test_every_module_that_is_in_it_has_what_it_imports() -> None:
    code = (
        "import importlib, pkgutil, worker\n"
        "names = [m.name for m in pkgutil.walk_packages(worker.__path__, 'worker.') if m.name != 'worker.__main__']\n"
        "for name in names: importlib.import_module(name)\n"
        "print({'worker.app', 'worker.runtime.plan'} <= set(names), [n for n in names if n.startswith('worker.local')])"
    )
    assert _python(code) == "True []"


def test_there_is_no_compiler_in_it() -> None:
    assert _python("import shutil; print([c for c in ('cc', 'gcc', 'clang', 'make') if shutil.which(c)])") == "[]"


def test_no_source_of_the_project_but_the_package_is_in_it() -> None:
    code = (
        "import os; print([n for n in os.listdir('/') if n in ('src', 'worker', 'deploy', 'requirements', 'wheels')])"
    )
    assert _python(code) == "[]"


def test_bytecode_is_compiled_because_nothing_can_be_written_later() -> None:
    code = "import worker.settings as s, os; print(os.path.exists(s.__cached__))"
    assert _python(code) == "True"


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        missing("hadolint is not installed: https://github.com/hadolint/hadolint")
    else:
        report = json.loads(run([hadolint, "--format", "json", ROOT / "Dockerfile"], statuses=(0, 1)).stdout)
        assert report == []


def _python(code: str) -> str:
    return docker("run", *LOCKED_DOWN, "--entrypoint", "python", PRODUCTION, "-c", code).stdout.strip()
