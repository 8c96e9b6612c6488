"""The `run` command as a process: start-up, its pages, its log, and how it ends."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.settings import RIGHT
from tests.support.worker_process import until, worker_process
from worker import cli
from worker.cli import COMMANDS

NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""

AWS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up"}


def command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command to its end, with nothing in its environment but what is given."""
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_settings_are_one_line_each_and_exit_2(tmp_path: Path) -> None:
    done = command("run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert {line.split(":")[0] for line in done.stderr.splitlines()} == set(RIGHT)


def test_wrong_settings_are_told_without_the_secret(tmp_path: Path) -> None:
    done = command(cwd=tmp_path, **(RIGHT | {"GENESYS_REGION": "mars", "HEARTBEAT_SECONDS": "soon"}))
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["GENESYS_REGION", "HEARTBEAT_SECONDS"]
    assert "eu-central-1" in lines[0]
    assert RIGHT["GENESYS_CLIENT_SECRET"] not in done.stderr


def env_file(path: Path, **settings: str) -> Path:
    """A file for `--env-file`."""
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


@pytest.mark.parametrize("arguments", [(), ("run",)], ids=["no command", "run"])
def test_settings_are_read_from_a_file_that_is_named_and_the_environment_wins(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    file = env_file(tmp_path / "some.env", **RIGHT, HTTP_PORT="x", GENESYS_REGION="mars")
    done = command(*arguments, "--env-file", str(file), cwd=tmp_path, HTTP_PORT="0")
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["GENESYS_REGION"]


async def test_the_service_runs_on_the_settings_of_a_file_those_of_aws_too(
    worker_environment: dict[str, str], tmp_path: Path
) -> None:
    path = worker_environment.pop("PATH")
    file = env_file(tmp_path / "some.env", **worker_environment | {"DRAIN_SECONDS": "0"})
    async with worker_process({"PATH": path}, tmp_path / "log", "--env-file", str(file)) as worker:
        assert await worker.get("/readyz") == (200, "ok\n")
        assert await worker.drain() == 0


def test_a_file_in_the_working_directory_is_not_read_unasked(tmp_path: Path) -> None:
    """It could lead the login to a host of its author's."""
    env_file(tmp_path / ".env", **AWS, GENESYS_REGION="mars", AWS_ENDPOINT_URL=NOWHERE)
    done = command(cwd=tmp_path, **RIGHT, HOME=str(tmp_path))
    assert (done.returncode, done.stderr.split(":")[0]) == (2, "AWS_REGION")
    assert "mars" not in done.stderr


def test_who_relies_on_it_is_told_how_to_have_it_read(tmp_path: Path) -> None:
    file = env_file(tmp_path / ".env", **{name: value for name, value in RIGHT.items() if name != "ACTIVITY_ARN"})
    missing = command(cwd=tmp_path).stderr.splitlines()
    assert len(missing) == len(RIGHT)
    assert all(line.endswith("is read only with --env-file .env") for line in missing)
    (asked,) = command("--env-file", file.name, cwd=tmp_path).stderr.splitlines()
    assert asked.startswith("ACTIVITY_ARN: is required")
    assert "--env-file" not in asked


@pytest.mark.parametrize("arguments", [("run",), ("dlq", "list"), ("doctor",), ("bootstrap",)], ids=" ".join)
def test_a_file_that_is_missing_or_malformed_is_one_line_and_exit_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "bad.env").write_text("GENESYS_REGION=us-east-1\nmade-up-secret\n")
    for file, says in (("none.env", "none.env cannot be read: No such file"), ("bad.env", "line 2 of bad.env is not")):
        done = command(*arguments, "--env-file", file, cwd=tmp_path, **RIGHT)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"--env-file: {says}")
        assert "made-up-secret" not in line


def test_dlq_asks_only_for_the_settings_that_it_uses_and_takes_ids_that_begin_with_a_dash(tmp_path: Path) -> None:
    queues = {"EVENT_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "STATE_MACHINE_ARN"}
    for arguments in (("show", "--", "-id"), ("redrive", "--id=-id"), ("list",)):
        done = command("dlq", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert {line.split(":")[0] for line in done.stderr.splitlines()} == queues


@pytest.mark.parametrize(("limits", "wrong"), [("-Sn 256", "AWS_REGION"), ("-n 256", "MAX_CONCURRENCY")])
def test_a_soft_limit_of_open_files_is_raised_and_a_hard_one_counts(limits: str, wrong: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'ulimit {limits} && exec "$0" -m worker', sys.executable],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **RIGHT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [wrong]


def test_a_missing_region_is_told(tmp_path: Path) -> None:
    done = command(cwd=tmp_path, **RIGHT)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["AWS_REGION"]


def test_missing_credentials_are_told(tmp_path: Path) -> None:
    done = command(cwd=tmp_path, **RIGHT, AWS_REGION="us-east-1", HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["AWS_ACCESS_KEY_ID"]


def test_a_setting_that_is_wrong_only_once_everything_else_is_open_is_one_line_too(tmp_path: Path) -> None:
    wrong = "redis://127.0.0.1:6379?socket_timeout=soon"
    done = command(cwd=tmp_path, **RIGHT, **AWS, AWS_ENDPOINT_URL=NOWHERE, SHARED_CACHE_URL=wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["SHARED_CACHE_URL"]


def test_a_port_that_is_taken_is_a_fault_with_its_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command(cwd=tmp_path, **RIGHT, **AWS, AWS_ENDPOINT_URL=NOWHERE, HTTP_HOST="127.0.0.1", HTTP_PORT=port)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["event"], line["error"]) == ("fatal", "ListenError")
    assert f"HTTP_PORT {port}" in line["detail"]
    assert "address already in use" in line["detail"]
    assert "exception" not in line


def fault_in(place: str, tmp_path: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and log of a service in which a method of the runtime has a fault whose text quotes data."""
    module, kind, method = place.split(":")
    (tmp_path / "faulty.py").write_text(
        f"from {module} import {kind}\n"
        "from worker.events import read_detail as read\n\n"
        "async def method(*_):\n"
        "    raise ZeroDivisionError('made-up personal data')\n\n"
        f"{kind}.{method} = method\n"
    )
    done = command(
        cwd=tmp_path,
        **RIGHT,
        **AWS,
        AWS_ENDPOINT_URL=NOWHERE,
        EVENT_READER="faulty:read",
        HTTP_HOST="127.0.0.1",
        HTTP_PORT="0",
    )
    assert done.stderr == ""
    assert "personal" not in done.stdout
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_process_whose_loop_died_ends_with_status_1_and_says_where(tmp_path: Path) -> None:
    status, lines = fault_in("worker.runtime.intake:Intake:receive", tmp_path)
    assert status == 1
    died = next(line for line in lines if line["event"] == "loop_died")
    assert (died["loop"], died["error"]) == ("receiver_0", "ZeroDivisionError")
    assert died["exception"][0]["frames"][-1].endswith("faulty.py:5 method")
    (draining,) = (line for line in lines if line["event"] == "draining")
    assert (draining["reason"], draining["loop"]) == ("loop_died", "receiver_0")
    assert (lines[-1]["event"], lines[-1]["status"]) == ("stopped", 1)


def test_a_fault_of_the_whole_process_is_told_without_its_text(tmp_path: Path) -> None:
    status, lines = fault_in("worker.runtime.lifecycle:Lifecycle:run", tmp_path)
    assert status == 1
    assert (lines[-1]["event"], lines[-1]["error"]) == ("fatal", "ZeroDivisionError")
    assert lines[-1]["exception"][0]["frames"][-1].endswith("faulty.py:5 method")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: interaction-worker {name}")


def test_the_overview_names_every_command_and_an_unknown_one_is_told(tmp_path: Path) -> None:
    overview = command("--help", cwd=tmp_path)
    assert overview.returncode == 0
    assert all(f"\n  {name} " in overview.stdout for name in COMMANDS)
    unknown = command("fly", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "no command 'fly'" in unknown.stderr


async def test_sigterm_drains_an_idle_worker_with_status_0(worker_environment: dict[str, str], tmp_path: Path) -> None:
    async with worker_process(worker_environment | {"DRAIN_SECONDS": "1"}, tmp_path / "log") as worker:
        assert await worker.get("/readyz") == (200, "ok\n")
        assert await worker.get("/livez") == (200, "ok\n")
        worker.child.process.send_signal(signal.SIGTERM)
        await until(lambda: worker.lines("draining"))
        assert await worker.get("/readyz") == (503, "draining\n")
        assert await worker.ended() == 0
    assert [line["event"] for line in worker.lines()][-3:] == ["draining", "drained", "stopped"]


@pytest.mark.slow
async def test_slow_clients_of_the_port_do_not_keep_a_worker_from_ending(
    worker_environment: dict[str, str], tmp_path: Path
) -> None:
    async with worker_process(worker_environment | {"DRAIN_SECONDS": "1"}, tmp_path / "log") as worker:
        port = worker.lines("started")[0]["http_port"]
        with contextlib.ExitStack() as clients:
            for sent in (b"", b"GET /livez HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
                for _ in range(100):
                    client = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
                    client.sendall(sent)
            assert await worker.get("/readyz") == (200, "ok\n")
            assert await worker.drain() == 0


async def test_a_second_signal_ends_at_once(worker_environment: dict[str, str], tmp_path: Path) -> None:
    async with worker_process(worker_environment | {"DRAIN_SECONDS": "100"}, tmp_path / "log") as worker:
        worker.child.process.send_signal(signal.SIGINT)
        await until(lambda: worker.lines("draining"))
        assert await worker.drain(signal.SIGINT) == 1


async def test_an_unreachable_dependency_makes_it_not_ready_but_alive(
    worker_environment: dict[str, str], tmp_path: Path
) -> None:
    environment = worker_environment | {"AWS_ENDPOINT_URL_DYNAMODB": NOWHERE, "GENESYS_LOGIN_URL": NOWHERE}
    async with worker_process(environment | {"DRAIN_SECONDS": "0"}, tmp_path / "log") as worker:
        status, problems = await worker.get("/readyz")
        assert status == 503
        assert {line.split(":")[0] for line in problems.splitlines()} == {"interaction table", "genesys"}
        assert (await worker.get("/livez"))[0] == 200
