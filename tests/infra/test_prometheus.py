"""What Prometheus is given: scrape configurations, rules, and the rules' own tests, by promtool."""

from pathlib import Path

import pytest

from tests.support.tools import ROOT, run, tool

PROMETHEUS = ROOT / "deploy" / "prometheus"
CONFIGURATIONS = sorted(PROMETHEUS.glob("prometheus*.yml"))
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


@pytest.fixture(scope="module")
def promtool() -> str:
    return tool("promtool", get_it="it comes with Prometheus (Debian and Ubuntu: apt-get install prometheus)")


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=lambda path: path.name)
def test_the_configuration_and_its_rules_are_valid(promtool: str, configuration: Path) -> None:
    assert "rules found" in run([promtool, "check", "config", configuration]).stdout


@pytest.mark.parametrize("rules", RULE_TESTS, ids=lambda path: path.name)
def test_the_rules_fire_when_they_should(promtool: str, rules: Path) -> None:
    assert "SUCCESS" in run([promtool, "test", "rules", rules]).stdout


def test_both_ways_of_running_it_are_there() -> None:
    assert [path.name for path in CONFIGURATIONS] == ["prometheus.ecs.yml", "prometheus.yml"]
    assert RULE_TESTS
