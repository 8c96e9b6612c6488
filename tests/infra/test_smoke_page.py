"""docs/smoke-test.md: AWS knows its commands, and what is also local shows on the emulators what the page says."""

import asyncio
import contextlib
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.infra.account import account
from tests.infra.aws_command import read
from tests.infra.terraform import Terraform
from tests.support.stack import StartSimulator
from tests.support.tools import ROOT
from tests.support.worker_process import WorkerProcess, worker_process
from worker.local.emulator import Emulator
from worker.local.simulator.server import Options

TEXT = (ROOT / "docs" / "smoke-test.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
LOCAL = re.findall(r"Also local:\n\n```sh\n(.*?)```", TEXT, re.DOTALL)

AWS_ENDS = {"|", ">", "&&", ";"}


def commands_of_aws() -> Iterator[list[str]]:
    """Words of each `aws` command on the page; variables stand for themselves."""
    for block in BLOCKS:
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.search(r"\baws ([a-z].*)", line):
                # A command in $(…) ends with the bracket.
                text = found[1][:-1] if "$(aws" in line else found[1]
                words = []
                for word in shlex.split(re.sub(r"\$\(date[^)]*\)", "now", text)):
                    if word in AWS_ENDS:
                        break
                    words.append(word.removesuffix(";"))
                    if word.endswith(";"):
                        break
                yield words


@pytest.mark.parametrize("words", list(commands_of_aws()), ids=lambda words: " ".join(words[:2]))
def test_aws_knows_the_command_and_takes_its_parameters(words: list[str], tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        Path("narrow.json").write_text("{}")
        read(words)


def test_half_of_the_page_is_run_here() -> None:
    assert [block.splitlines()[0].split()[0] for block in LOCAL[:2]] == ["terraform", "terraform"]
    assert len(LOCAL) == 7
    assert LOCAL[-1] == "terraform destroy -auto-approve\n"


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs the page's blocks in one directory."""

    directory: Path
    environment: dict[str, str]

    async def __call__(self, block: str) -> str:
        """What it prints; an assertion error when it fails."""
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _shell(terraform: Terraform, tmp_path: Path, environment: Mapping[str, str]) -> Shell:
    """With this project's commands, and an `aws` that goes where the environment says."""
    programs = tmp_path / "bin"
    programs.mkdir()
    aws = programs / "aws"
    aws.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.infra.aws_command "$@"\n')
    aws.chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    return Shell(terraform.directory, {**environment, "PATH": path, "PYTHONPATH": str(ROOT), "BUS": "default"})


async def test_the_local_half_shows_what_the_page_says(
    emulator: Emulator,
    aws_environment: None,  # noqa: ARG001 -- asked for its effect
    start_simulator: StartSimulator,
    tmp_path: Path,
) -> None:
    apply, settings_and_doctor, one_event, one_letter, load, count, destroy = LOCAL
    simulator = await start_simulator(Options())
    terraform = Terraform(tmp_path)
    with account(emulator.url) as there:
        terraform.write("provider.tf.json", there.provider)
        terraform.variables(there.variables("smoke"))
        terraform.initialize()
        ids = [f"smoke-{uuid.uuid4().hex[:12]}" for _ in range(12)]
        (terraform.directory / "ids.txt").write_text("\n".join(ids) + "\n")
        environment = {**emulator.environment, **simulator.environment, **terraform._environment}
        shell = _shell(terraform, tmp_path, environment)
        try:
            assert "Apply complete!" in await shell(apply.replace("apply", "apply -parallelism=30 -no-color"))
            assert " 0 failed" in (await shell(settings_and_doctor)).splitlines()[-1]
            shell.environment.update(_settings(terraform.directory / "settings.env"))
            async with _worker(shell, tmp_path / "old.log") as old:
                shown = await shell(one_event)
                assert '"FailedEntryCount": 0' in shown
                assert "startTime" in shown
                shown = await shell(one_letter)
                assert re.findall(r"\d dead letters?|redriven .*letter", shown) == [
                    "1 dead letter",
                    "redriven 1 of 1 letter",
                    "0 dead letters",
                ]
                publishing = asyncio.create_task(shell(load))
                async with _worker(shell, tmp_path / "new.log"):
                    assert await old.drain() == 0
                    assert (await publishing).split() == ["0"] * len(ids[2:])
                    shown = await shell(count)
            assert re.findall(r'"(smoke-\w+)"', shown) == ids[2:]
            assert shown.splitlines()[-2:] == ["0 dead letters", "0"]
            assert old.lines("drained")
        finally:
            destroyed = await shell(destroy.replace("destroy", "destroy -parallelism=30 -no-color"))
        assert "Destroy complete!" in destroyed


def _settings(file: Path) -> dict[str, str]:
    """What the page's third block puts into the shell."""
    pairs = (line.partition("=") for line in file.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def _worker(shell: Shell, output: Path) -> "contextlib.AbstractAsyncContextManager[WorkerProcess]":
    environment = shell.environment | {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "MAX_CONCURRENCY": "10"}
    return worker_process(environment | {"DRAIN_SECONDS": "20", "ROLES": "intake,activity"}, output)
