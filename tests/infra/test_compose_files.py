"""The compose files, as `docker compose` understands them, and the settings they hand to the worker."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.tools import ROOT, missing, run, tool
from worker.local.bootstrap import Names
from worker.record import Freshness
from worker.runtime.plan import CLOCK_SLACK, bucket_seconds
from worker.settings import Settings

AWS_NAMES = {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


@pytest.fixture(scope="module")
def compose() -> list[str]:
    docker = tool("docker", get_it="`docker compose` is needed, an engine is not")
    if run([docker, "compose", "version"], statuses=(0, 1, 125)).returncode:
        missing("the docker client has no compose plugin")
    return [docker, "compose"]


def _configuration(compose: list[str], *files: str, directory: Path = ROOT) -> dict[str, Any]:
    chosen = [part for file in files for part in ("--file", str(ROOT / file))]
    command = [*compose, "--project-directory", str(directory), *chosen, "config", "--format", "json"]
    services: dict[str, Any] = json.loads(run(command).stdout)["services"]
    return services


def test_the_local_stack_is_complete_without_a_file_of_the_user(compose: list[str]) -> None:
    services = _configuration(compose, "docker-compose.yml")
    assert set(services) == {"aws", "genesys", "bootstrap", "worker", "traffic", "prometheus", "grafana"}
    for name, service in services.items():
        one_shot = name in {"bootstrap", "traffic"}
        assert one_shot or name == "worker" or "healthcheck" in service, f"{name}: the worker's is in its image"
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name


def test_the_emulator_of_the_local_stack_is_guarded_and_gets_no_settings(compose: list[str]) -> None:
    services = _configuration(compose, "docker-compose.yml")
    emulator = services["aws"]
    assert emulator["entrypoint"][:3] == ["python", "-m", "worker.local.ministack_server"]
    assert not [name for name in emulator["environment"] if name.startswith(("AWS_", "GENESYS_"))]
    for name in ("bootstrap", "traffic"):
        assert "--allow-remote" in services[name]["command"]


def test_nobody_can_log_in_to_grafana(compose: list[str]) -> None:
    environment = _configuration(compose, "docker-compose.yml")["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


def test_plain_http_is_for_the_local_stack_alone(compose: list[str], tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    local = _configuration(compose, "docker-compose.yml")["worker"]
    real = _configuration(compose, "docker-compose.yml", "docker-compose.aws.yml", directory=tmp_path)["worker"]
    assert local["environment"]["ALLOW_PLAIN_HTTP"] == "true"
    assert "ALLOW_PLAIN_HTTP" not in real["environment"]


def test_events_of_the_local_stack_wait_longer_than_details_lag_and_analytics_is_quicker(compose: list[str]) -> None:
    services = _configuration(compose, "docker-compose.yml")
    delay, late = (
        float(command[command.index(option) + 1])
        for command, option in (
            (services["bootstrap"]["command"], "--delay"),
            (services["genesys"]["command"], "--analytics-lag"),
        )
    )
    lag = float(services["worker"]["environment"]["DETAILS_LAG_SECONDS"])
    shared = CLOCK_SLACK.total_seconds() + bucket_seconds(Freshness(timedelta(seconds=lag)))
    assert late < lag < lag + shared < delay


def test_the_workers_on_real_aws_need_neither_emulator_nor_simulator(compose: list[str], tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    (tmp_path / ".env").write_text("EVENT_QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/111122223333/events\n")
    worker = _configuration(compose, "docker-compose.yml", "docker-compose.aws.yml", directory=tmp_path)["worker"]
    assert not worker.get("depends_on")
    assert worker["environment"]["EVENT_QUEUE_URL"].startswith("https://sqs.eu-central-1")
    assert {"AWS_ENDPOINT_URL", "DETAILS_LAG_SECONDS", "ALLOW_PLAIN_HTTP"} & worker["environment"].keys() == set()


def test_the_example_settings_are_what_bootstrap_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    example = _example()
    for name, value in example.items():
        monkeypatch.setenv(name, value)
        assert name in AWS_NAMES or name.lower() in Settings.model_fields, name
    settings, names = Settings(), Names()
    assert settings.conflicts() == []
    assert settings.refusals() == []
    assert str(settings.event_queue_url).endswith(f"/{names.event_queue}")
    assert str(settings.dead_letter_queue_url).endswith(f"/{names.dead_letter_queue}")
    assert settings.state_machine_arn.endswith(f":stateMachine:{names.state_machine}")
    assert settings.activity_arn.endswith(f":activity:{names.activity}")
    assert settings.interaction_table_name == names.interaction_table
    assert settings.shared_cache_url == f"dynamodb://{names.shared_cache_table}"


def _example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
