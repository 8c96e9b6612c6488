"""Recording and alert rules, by Prometheus' own tool; each alert has its tests and its section in the runbook."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = sorted(PROMETHEUS.glob("rules/*.yml"))
TESTS = sorted(PROMETHEUS.glob("tests/*.yml"))
ALERTS = re.findall(r"- alert: (\w+)", (PROMETHEUS / "rules" / "alerts.yml").read_text())


@pytest.fixture
def promtool() -> str:
    """Its path. Without it the tests are skipped, but never in CI."""
    if found := shutil.which("promtool"):
        return found
    reason = "promtool is not installed (Debian: apt-get install prometheus)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_the_rules_are_valid(promtool: str) -> None:
    checked = subprocess.run([promtool, "check", "rules", *RULES], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("SUCCESS") == len(RULES) == 2


def test_alerts_fire_when_they_should_and_not_otherwise(promtool: str) -> None:
    done = subprocess.run([promtool, "test", "rules", *TESTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_for_firing_and_for_not_firing_and_has_a_section_in_the_runbook(alert: str) -> None:
    tests = "".join(path.read_text() for path in TESTS)
    assert f'"{alert} fires: ' in tests
    assert f'"{alert} does not fire: ' in tests
    assert f"runbook_url: docs/runbook.md#{alert.lower()}\n" in (PROMETHEUS / "rules" / "alerts.yml").read_text()
    assert f"\n### {alert}\n" in (ROOT / "docs" / "runbook.md").read_text()
