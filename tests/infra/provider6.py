"""The AWS provider's 6.x for Terraform, as far as a stand-in with its schema goes."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.infra.provider_schema import read_schema, write_schema
from tests.infra.terraform import DEPLOY, Terraform
from tests.support.tools import ROOT, TOOLS, missing, run, tool


@dataclass(frozen=True, slots=True)
class Provider6:
    """Where the stand-in is, and what it is called with."""

    version: str
    mirror: Path
    environment: dict[str, str]

    def terraform(self, directory: Path, module: str = "terraform", **environment: str) -> Terraform:
        """Terraform with the stand-in in the place of the real provider; `environment` is for the stand-in."""
        return Terraform(directory, module, mirror=self.mirror, environment={**self.environment, **environment})


def install(directory: Path) -> Provider6:
    """Put the stand-in into a mirror's layout below `directory`, with the types that the module uses."""
    python = TOOLS / "bin" / "python"
    wheel = next((TOOLS / "provider-schema").glob("*.whl"), None)
    if wheel is None or not python.exists():
        missing("the schema of the AWS provider's 6.x is not there: tools/infra-tools downloads it")
        raise AssertionError  # not reached: missing() raises
    terraform = tool("terraform", get_it="https://developer.hashicorp.com/terraform/install")
    schema = read_schema(wheel, _types())
    write_schema(schema, directory / "schema.json")
    platform = json.loads(run([terraform, "version", "-json"], cwd=directory).stdout)["platform"]
    place = directory / "mirror" / "registry.terraform.io" / "hashicorp" / "aws" / schema.version / platform
    place.mkdir(parents=True)
    program = place / f"terraform-provider-aws_v{schema.version}"
    program.write_text(f'#!/bin/sh\nexec "{python}" "{ROOT / "tests/infra/stand_in_provider.py"}" "$@"\n')
    program.chmod(0o755)
    return Provider6(
        schema.version,
        directory / "mirror",
        {
            "STAND_IN_SCHEMA": str(directory / "schema.json"),
            # It keeps a certificate for its talk with Terraform in the home directory.
            "HOME": str(directory),
            "AWS_REGION": os.environ.get("AWS_REGION", "eu-central-1"),
        },
    )


def _types() -> set[str]:
    files = (DEPLOY / "terraform").rglob("*.tf")
    return {
        found for file in files for found in re.findall(r'^(?:resource|data) "(\w+)"', file.read_text(), re.MULTILINE)
    }
