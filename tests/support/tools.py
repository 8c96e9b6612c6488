"""Where the tools of these tests are, and what happens when one is not there."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "infra-tools"
"""Where tools/infra-tools puts what it installs."""
SUPPLY_TOOLS = ROOT / "build" / "supply-tools"
"""Where tools/supply-tools does, which the former calls."""

_PLACES = (
    Path(os.environ.get("VIRTUAL_ENV") or ROOT / ".venv") / "bin",
    TOOLS / "bin",
    SUPPLY_TOOLS / "bin",
    SUPPLY_TOOLS / "node_modules" / ".bin",
)


def missing(what: str) -> None:
    """Skip with the reason; a failure instead where CI_REQUIRE_INFRA=1 says that everything has to be there."""
    if os.environ.get("CI_REQUIRE_INFRA") == "1":
        pytest.fail(f"{what} (CI_REQUIRE_INFRA=1)")
    pytest.skip(what)


def tool(name: str, *, get_it: str) -> str:
    """Path of a program on the PATH or in the project's tool directories; `get_it` says how to have it."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, _PLACES)))
    if found is None:
        missing(f"{name} is not installed: {get_it}")
        raise AssertionError  # not reached: missing() raises
    return found


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    statuses: tuple[int, ...] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; an assertion error with all that it said when its status is another one."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join(Path(str(part)).name for part in command[:3])
    assert result.returncode in statuses, f"{shown} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def provider_mirrors() -> Iterator[Path]:
    """Directories that hold Terraform providers in a mirror's layout, nearest first.

    TF_PLUGIN_MIRROR names one; else the directories where Terraform looks by itself, then common places, not deep.
    """
    home = Path.home()
    named = os.environ.get("TF_PLUGIN_MIRROR")
    if named:
        yield Path(named)
    for standard in (
        home / ".terraform.d" / "plugins",
        home / ".local" / "share" / "terraform" / "plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
    ):
        if (standard / "registry.terraform.io").is_dir():
            yield standard
    for place in (Path("/opt"), Path("/usr/share"), Path("/usr/local"), home):
        for depth in ("", "*/", "*/*/"):
            for found in sorted(place.glob(f"{depth}registry.terraform.io")):
                yield found.parent
