"""The Terraform module in a directory of its own, with the real AWS provider."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.tools import ROOT, missing, provider_mirrors, run, tool


class Terraform:
    """`terraform` on a copy of deploy/, so that no state or plugin ends up in the source tree."""

    def __init__(self, directory: Path, module: str = "terraform") -> None:
        self._program = tool("terraform", get_it="https://developer.hashicorp.com/terraform/install")
        shutil.copytree(
            ROOT / "deploy", directory / "deploy", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*")
        )
        self.directory = directory / "deploy" / module
        configuration = directory / "terraform.rc"
        configuration.write_text(_installation())
        self._environment = {
            "TF_CLI_CONFIG_FILE": str(configuration),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
            "NO_COLOR": "1",
        }

    def __call__(self, *arguments: str, statuses: tuple[int, ...] = (0,)) -> str:
        """What a subcommand prints; an assertion error when its exit status is not one of `statuses`."""
        return run(
            [self._program, *arguments], cwd=self.directory, environment=self._environment, statuses=statuses
        ).stdout

    def initialize(self) -> None:
        """Install the provider, or skip when there is neither a mirror nor a registry."""
        try:
            self("init", "-backend=false", "-no-color")
        except AssertionError as error:
            if "Failed to query available provider packages" not in str(error):
                raise
            missing("the AWS provider is neither in a filesystem mirror (TF_PLUGIN_MIRROR) nor to be downloaded")

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def variables(self, values: Mapping[str, Any]) -> None:
        self.write("test.auto.tfvars.json", json.dumps(values))

    def plan(self) -> list[dict[str, Any]]:
        """The resource changes of a new plan, without those that change nothing."""
        self("plan", "-out=plan", "-detailed-exitcode", statuses=(0, 2))
        changes: Sequence[dict[str, Any]] = json.loads(self("show", "-json", "plan")).get("resource_changes", [])
        return [change for change in changes if change["change"]["actions"] not in (["no-op"], ["read"])]

    def output(self, name: str) -> Any:
        return json.loads(self("output", "-json", name))


def _installation() -> str:
    mirror = next(provider_mirrors(), None)
    if mirror is None:
        return ""
    return f"""
        provider_installation {{
          filesystem_mirror {{ path = "{mirror}" }}
          direct {{ exclude = ["hashicorp/aws"] }}
        }}
    """
