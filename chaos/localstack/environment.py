"""Where LocalStack is installed: a virtual environment of its own in the cache directory, from a hashed lock file.

Its dependencies are of the year it was released in and cannot live beside ours.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

LOCK_FILE = Path(__file__).resolve().parents[2] / "requirements" / "localstack.lock"


def interpreter() -> Path:
    """The Python that has LocalStack, installed first when it is not there yet (500 MB, about a minute).

    Raises RuntimeError with what pip said when it cannot be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interaction-worker"
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
    home = cache / f"localstack-{digest}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = home / "bin" / "python"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "localstack.lock").open("w") as lock:
        # Two test runs may start at once on a fresh machine.
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = home / "complete"
        if not complete.exists():
            _install(home, python)
            complete.touch()
    return python


def _install(home: Path, python: Path) -> None:
    print(f"Installing LocalStack into {home}", file=sys.stderr, flush=True)  # noqa: T201 -- a minute of silence looks broken
    venv.create(home, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--require-hashes", "--requirement", str(LOCK_FILE)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"LocalStack cannot be installed:\n{done.stderr}")
