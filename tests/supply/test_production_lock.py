"""The wheel on exactly what production installs, without anything of the development environment."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.stack import Stack, send_many, stored
from tests.support.tools import ROOT, run
from tests.support.worker_process import worker_process

LOCK = ROOT / "requirements" / "production.lock"

IMPORT_ALL = """
import importlib, pkgutil, worker
names = [module.name for module in pkgutil.walk_packages(worker.__path__, "worker.")]
ours = [name for name in names if not name.startswith("worker.local") and name != "worker.__main__"]
for name in ours: importlib.import_module(name)
print(worker.__file__, len(ours))
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the lock and the wheel; half a minute to make."""
    directory = tmp_path_factory.mktemp("production")
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory / "dist"])
    run([sys.executable, "-m", "venv", directory / "venv"])
    install: list[str | Path] = [directory / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*install, "--require-hashes", "--only-binary", ":all:", "-r", LOCK])
    run([*install, "--no-deps", *(directory / "dist").glob("*.whl")])
    return directory / "venv/bin/python"


def bare(**settings: str) -> Mapping[str, str]:
    """An environment in which neither the source tree nor a setting of this machine's user is found."""
    return {"PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1", **settings}


def ended(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([python, *arguments], env=bare(), cwd="/", capture_output=True, text=True, check=False)


def test_the_lock_has_all_that_the_wheel_requires(production: Path) -> None:
    checked = ended(production, "-m", "pip", "check")
    assert checked.returncode == 0, checked.stdout


def test_every_module_of_the_service_can_be_imported(production: Path) -> None:
    done = ended(production, "-W", "error", "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    origin, modules = done.stdout.split()
    assert "site-packages" in origin
    assert int(modules) > 50


def test_the_installed_command_helps_and_names_wrong_settings(production: Path) -> None:
    command = production.with_name("interaction-worker")
    assert subprocess.run([command, "--help"], env=bare(), check=False, stdout=subprocess.DEVNULL).returncode == 0
    wrong = subprocess.run([command, "run"], env=bare(), cwd="/", check=False, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "EVENT_QUEUE_URL: " in wrong.stderr
    assert "Traceback" not in wrong.stderr


async def test_a_worker_on_it_stores_interactions_and_stops_when_asked(
    production: Path,
    stack: Stack,
    worker_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", str(production))
    ids = await send_many(stack, 20)
    async with worker_process(bare(**worker_environment), tmp_path / "log") as worker:
        for interaction in ids:
            await stored(stack, interaction)
        assert await worker.drain() == 0
