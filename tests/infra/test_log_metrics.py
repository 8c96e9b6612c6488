"""Which lines of the log CloudWatch counts, by the filters of the module and the lines that the worker writes."""

import re
from collections.abc import Mapping

import pytest

from tests.support.tools import ROOT
from worker.errors import ERROR_NAMES

FILE = ROOT / "deploy" / "terraform" / "alarms_release.tf"

_TERM = re.compile(r'\$\.(\w+) (=|!=) "([^"]*)"')


def _filters() -> dict[str, str]:
    """Each filter's pattern by the name of its metric."""
    text = FILE.read_text().replace('\\"', '"')
    (closed,) = re.findall(r'gate_is_closed = "(.*)"$', text, re.MULTILINE)
    found = re.findall(r'^    (\w+) += "(\{ .* \})"$', text, re.MULTILINE)
    return {name: pattern.replace("${local.gate_is_closed}", closed) for name, pattern in found}


def _counted(line: Mapping[str, str]) -> set[str]:
    """Metrics that count this line. A comparison with a field that is not there holds for neither sign."""

    def holds(term: re.Match[str]) -> str:
        name, sign, value = term.groups()
        return str(name in line and (line[name] == value) is (sign == "="))

    counted = set()
    for name, pattern in _filters().items():
        condition = _TERM.sub(holds, pattern.strip("{ }")).replace("&&", "and").replace("||", "or")
        assert re.fullmatch(r"[()\s]*((True|False|and|or)[()\s]*)+", condition), condition
        if eval(condition):  # noqa: S307 -- checked to hold nothing but truth values
            counted.add(name)
    return counted


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        ({"event": "outage_lasts", "dependency": "genesys", "error": "Genesys.Unavailable"}, {"GenesysDown", "Held"}),
        ({"event": "outage_lasts", "dependency": "genesys", "error": "Genesys.Unauthorized"}, {"GenesysDown", "Held"}),
        ({"event": "outage_lasts", "dependency": "store", "error": "Store.Unavailable"}, {"StoreDown", "Held"}),
        ({"event": "outage_lasts", "dependency": "shared_cache", "error": "TimeoutError"}, set()),
        ({"event": "outage_lasts", "dependency": "genesys", "error": "Worker.Unexpected"}, set()),
        ({"event": "pause_lasts"}, {"Held"}),
        ({"event": "outage_began", "dependency": "genesys", "error": "Genesys.Unavailable"}, set()),
        ({"event": "outage_ended", "dependency": "genesys"}, set()),
        ({"event": "loop_died", "error": "KeyError"}, {"Crashes"}),
        ({"event": "fatal", "error": "KeyError"}, {"Crashes"}),
        ({"event": "probe_failed", "dependency": "genesys"}, {"Crashes"}),
        ({"event": "event_quarantined", "reason": "invalid_json"}, set()),
        ({"event": "stopped", "status": "0"}, set()),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_a_line_counts_for_what_it_tells(line: dict[str, str], metrics: set[str]) -> None:
    assert _counted(line) == metrics


@pytest.mark.parametrize("outcome", ["succeeded", "abandoned", *sorted(ERROR_NAMES)])
def test_of_the_attempts_only_faults_of_the_release_are_broken(outcome: str) -> None:
    broken = {"BrokenAttempts"} if outcome in {"Worker.Unexpected", "Interaction.Invalid"} else set()
    assert _counted({"event": "attempt", "outcome": outcome}) == {"Attempts"} | broken


@pytest.mark.parametrize("event", ["attempt", "loop_died", "fatal", "outage_lasts", "pause_lasts", "probe_failed"])
def test_the_worker_writes_lines_of_this_name(event: str) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "worker").rglob("*.py"))
    assert re.search(rf'\(\s*"{event}"', sources)


def test_every_alarm_of_the_log_reads_a_metric_that_a_filter_makes() -> None:
    made = set(_filters())
    module = "".join(path.read_text() for path in FILE.parent.glob("alarms*.tf"))
    read = set(re.findall(r'namespace = var\.name, name = "(\w+)"', module))
    assert read | set(re.findall(r'metric = "(\w+)"', module)) == made
