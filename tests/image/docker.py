"""The Docker engine, the images of this project and a compose project of a test's own."""

import json
import subprocess
import uuid
from collections.abc import Mapping
from typing import Any

from tests.support.tools import ROOT, missing, run, tool

PYTHON_IMAGE = run([ROOT / "tools" / "base-image"]).stdout.strip()
PRODUCTION = "interaction-worker:production"
LOCAL = "interaction-worker:local"


def docker(*arguments: str, statuses: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    """Run `docker`; an assertion error with all that it said when its exit status is not one of `statuses`."""
    return run(["docker", *arguments], statuses=statuses)


def inspect(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker(kind, "inspect", name).stdout)[0]
    return found


def require_engine() -> None:
    """Skip unless there is an engine that answers and a client with compose."""
    tool("docker", get_it="these tests need a Docker engine")
    for command in (["docker", "version"], ["docker", "compose", "version"]):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            missing(f"`{' '.join(command)}` fails, and these tests need an engine: {answer.stderr.strip()[:200]}")


def require_image(name: str) -> None:
    """Skip unless an image is there or can be pulled."""
    if docker("image", "inspect", name, statuses=(0, 1)).returncode:
        pulled = docker("pull", "--quiet", name, statuses=(0, 1))
        if pulled.returncode:
            missing(f"the image {name} is not there and cannot be pulled: {pulled.stderr.strip()[:200]}")


class Project:
    """`docker compose` on the project's file, under a name and on ports of its own."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.name = f"interaction-worker-test-{uuid.uuid4().hex[:8]}"
        # Port 0 is a free one.
        self._environment = {"AWS_PORT": "0", "PROMETHEUS_PORT": "0", "GRAFANA_PORT": "0", **settings}

    def __call__(self, *arguments: str, statuses: tuple[int, ...] = (0,)) -> str:
        command = ["docker", "compose", "--project-name", self.name, *arguments]
        return run(command, environment=self._environment, statuses=statuses).stdout

    def url(self, service: str, port: int) -> str:
        """Where a published port is on this machine."""
        return f"http://{self('port', service, str(port)).strip()}"

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """All containers, or those of a service, as `docker container inspect` shows them."""
        ids = self("ps", "--all", "--quiet", *([service] if service else [])).split()
        return [inspect("container", container) for container in ids]


def images_in_compose() -> set[str]:
    """Images that compose takes from elsewhere."""
    listed = run(["docker", "compose", "config", "--images"], cwd=ROOT).stdout.split()
    return {image for image in listed if not image.startswith("interaction-worker")}
