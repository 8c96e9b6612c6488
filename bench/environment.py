"""Environments of their own for what is measured: the service with its production lock, the peers with theirs.

They live in the user's cache directory and are made once for each state of the lock files.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.rig import ROOT

_PEERS = Path(__file__).parent / "peers"


class UnavailableError(Exception):
    """An environment cannot be made here; the message says why."""


def production() -> Path:
    """The Python of an environment with exactly what production has. Raises UnavailableError."""

    def make(directory: Path) -> None:
        _make_venv(directory, ROOT / "requirements" / "production.lock")
        # For the distribution's metadata; the code that runs is that of the source tree.
        _run([str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", str(ROOT)])

    lock = ROOT / "requirements" / "production.lock"
    return _cached("production", [lock, ROOT / "pyproject.toml"], make) / "bin" / "python"


def peers() -> Path:
    """The Python of an environment with the Python peers. Raises UnavailableError."""
    lock = _PEERS / "requirements.lock"
    return _cached("peers", [lock], lambda directory: _make_venv(directory, lock)) / "bin" / "python"


def node_modules() -> Path:
    """The directory of the Node.js peer's packages. Raises UnavailableError."""
    if shutil.which("npm") is None:
        raise UnavailableError("Node.js and npm are not installed")

    def make(directory: Path) -> None:
        directory.mkdir(parents=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(_PEERS / name, directory)
        _run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=directory)

    return _cached("node", [_PEERS / "package-lock.json"], make) / "node_modules"


def _cached(name: str, inputs: list[Path], make: Callable[[Path], None]) -> Path:
    """The directory that `make` filled, for this Python and this content of `inputs`."""
    content = b"".join(path.read_bytes() for path in inputs) + sys.version.encode()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interaction-worker-bench"
    directory = base / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    done = directory / ".done"
    if not done.exists():
        shutil.rmtree(directory, ignore_errors=True)
        sys.stderr.write(f"Making the {name} environment of the benchmark\n")
        make(directory)
        done.touch()
    return directory


def _make_venv(directory: Path, lock: Path) -> None:
    _run([sys.executable, "-m", "venv", str(directory)])
    install = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, "--require-hashes", "-r", str(lock)])


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise UnavailableError(f"{Path(command[0]).name} {command[1]} failed: {' '.join(last)}")
