"""What Prometheus is given: scrape configurations, rules, and the rules' own tests, by promtool."""

import re
from pathlib import Path

import pytest

from tests.infra.scrape import PROMETHEUS, refresh_seconds
from tests.support.tools import run, tool

CONFIGURATIONS = sorted(PROMETHEUS.glob("prometheus*.yml"))
ASKS_ECS = PROMETHEUS / "prometheus.ecs-tasks.yml"
"""Has aws_sd_configs, which Prometheus knows since 3.8."""
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))

AWS_SD_KEYS = {"role", "region", "clusters", "port", "refresh_interval"}
"""Of those in Prometheus's reference, what the file needs."""
ECS_LABELS = {"__meta_ecs_service", "__meta_ecs_last_status", "__meta_ecs_task_arn"}
"""The same."""


@pytest.fixture(scope="module")
def promtool() -> str:
    return tool("promtool", get_it="it comes with Prometheus (Debian and Ubuntu: apt-get install prometheus)")


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda path: path.name)
def test_the_configuration_and_its_rules_are_valid(promtool: str, configuration: Path, tmp_path: Path) -> None:
    if configuration == ASKS_ECS and not _knows_aws_discovery(promtool):
        configuration = _without_aws_discovery(tmp_path)
    assert "rules found" in run([promtool, "check", "config", configuration]).stdout


def _knows_aws_discovery(promtool: str) -> bool:
    found = re.search(r"version (\d+)\.(\d+)", run([promtool, "--version"]).stdout)
    assert found
    return (int(found[1]), int(found[2])) >= (3, 8)


def _without_aws_discovery(directory: Path) -> Path:
    """The file with a target in place of what an older promtool cannot parse."""
    text, changed = re.subn(
        r"^    aws_sd_configs:\n(?:      .*\n)+",
        "    static_configs: [{targets: ['192.0.2.1:8080']}]\n",
        ASKS_ECS.read_text(),
        flags=re.MULTILINE,
    )
    assert changed == 1
    copy = directory / ASKS_ECS.name
    copy.write_text(text.replace("rules/", f"{PROMETHEUS}/rules/"))
    return copy


def test_what_no_promtool_here_checks_uses_names_of_the_reference() -> None:
    text = re.sub(r"#.*", "", ASKS_ECS.read_text())
    discoveries = text.partition("aws_sd_configs:")[2].partition("relabel_configs:")[0]
    assert set(re.findall(r"^ +(?:- )?(\w+):", discoveries, re.MULTILINE)) == AWS_SD_KEYS
    assert set(re.findall(r"__meta_\w+", text)) == ECS_LABELS


@pytest.mark.parametrize("name", ["prometheus.ecs.yml", "prometheus.ecs-tasks.yml"])
def test_a_task_stays_a_target_for_longer_than_a_drain_that_is_stuck_and_no_alert_takes_it_for_down(name: str) -> None:
    quick, slow = sorted(refresh_seconds(name))
    assert quick <= 30
    assert 2 * _alert_waits("DrainStuck") < slow < _alert_waits("WorkerTargetDown")


def _alert_waits(alert: str) -> int:
    rules = (PROMETHEUS / "rules" / "alerts.yml").read_text()
    found = re.search(rf"- alert: {alert}\n(?:(?!- alert:).*\n)*?        for: (\d+)m\n", rules)
    assert found
    return int(found[1]) * 60


@pytest.mark.parametrize("rules", RULE_TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should(promtool: str, rules: Path) -> None:
    assert "SUCCESS" in run([promtool, "test", "rules", rules]).stdout


def test_every_way_of_running_it_is_there() -> None:
    assert [path.name for path in CONFIGURATIONS] == [ASKS_ECS.name, "prometheus.ecs.yml", "prometheus.yml"]
    assert RULE_TESTS
