"""What is said about the retriers of the state machine is what they do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.retry_figures import MOST_RETRIES, STATE_MACHINE, Figures, duration, figures, of, sums

ROOT = Path(__file__).resolve().parents[2]
OUTAGE, APART, FAULT = of("Genesys.Unavailable"), of("Interaction.Unavailable"), of("States.ALL")
IN_ALL = f"{sum(sums().values()):,}"
DAY = 24 * 3600

MEAN = {one: duration(one.mean) for one in (OUTAGE, APART, FAULT)}

QUOTES = {
    "docs/one-event.md": [APART.text, OUTAGE.text, FAULT.text, of("Interaction.NotReady").text],
    "docs/runbook.md": [
        f"held through an outage is retried for {MEAN[OUTAGE]} in the mean.",
        f"What fails alone is asked for alone for {MEAN[APART]}, what meets a fault of the worker has {MEAN[FAULT]}.",
        f"wait; the retries last {MEAN[OUTAGE]} in the mean",
    ],
    "docs/metrics.md": [one.text for one in (OUTAGE, APART, FAULT, of("Interaction.NotReady"))],
    "docs/adr/0035-retriers-that-say-what-they-do.md": [OUTAGE.text, APART.text, FAULT.text, IN_ALL],
    "deploy/prometheus/rules/alerts.yml": [
        f"What cannot be held is retried for {MEAN[OUTAGE]} in the mean",
        f"Retries last {MEAN[OUTAGE]} in the mean for an outage, {MEAN[APART]} for an interaction that fails alone,",
        f"{MEAN[FAULT]} for a fault of the worker.",
    ],
}
"""Where figures are quoted, by page: each of these texts is in it."""


def states() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STATE_MACHINE.read_text(encoding="utf-8"))["States"]
    return found


@pytest.mark.parametrize("error", ["Genesys.Unavailable", "Genesys.Unauthorized", "Store.Unavailable"])
@pytest.mark.parametrize("state", ["ProcessInteraction", "ProcessAlone"])
def test_an_outage_is_retried_for_a_day_at_least(error: str, state: str) -> None:
    assert of(error, state).shortest >= DAY


def test_what_fails_alone_has_twelve_retries_that_take_25_minutes_in_95_of_100_cases() -> None:
    assert APART.retries == 12
    assert APART.short >= 25 * 60


def test_all_retries_of_one_execution_fit_into_its_history() -> None:
    assert sum(sums().values()) <= MOST_RETRIES


@pytest.mark.parametrize("figure", figures(), ids=lambda one: f"{one.state}-{one.errors[0]}")
def test_a_comment_that_quotes_a_duration_quotes_the_right_one(figure: Figures) -> None:
    (comment,) = (
        retrier["Comment"]
        for retrier in states()[figure.state]["Retry"]
        if tuple(retrier["ErrorEquals"]) == figure.errors
    )
    is_unexplained = {"Worker.Draining", "Interaction.Incomplete", "States.HeartbeatTimeout"} & set(figure.errors)
    if not is_unexplained:
        assert figure.text in comment
    assert not re.search(r"\d+ (minutes|hours|days)", comment.replace(figure.text, "")), "another duration"


@pytest.mark.parametrize("page", QUOTES)
def test_a_page_quotes_the_figures_of_the_state_machine(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    for quote in QUOTES[page]:
        assert quote in text, f"run `python -m tools.retry_figures` and quote it in {page}"


def test_the_figures_are_those_of_the_waits() -> None:
    """By hand: a fixed wait of 10 s, then 4, 8 and 8 s; with jitter half of it in the mean."""
    retrier = {
        "ErrorEquals": ["E"],
        "IntervalSeconds": 4,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": 8,
        "MaxAttempts": 3,
    }
    machine: dict[str, Any] = {
        "A": {"Type": "Task", "Catch": [{"ErrorEquals": ["E"], "Next": "W"}]},
        "W": {"Type": "Wait", "Seconds": 10, "Next": "B"},
        "B": {"Type": "Task", "Retry": [{"ErrorEquals": ["Never"], "MaxAttempts": 0}, retrier]},
    }
    (plain,) = figures(machine)
    assert (plain.state, plain.retries, plain.max_attempts) == ("B", 4, 3)
    assert plain.mean == plain.shortest == plain.short == plain.long == 30
    retrier["JitterStrategy"] = "FULL"
    (jittered,) = figures(machine)
    assert jittered.mean == pytest.approx(20, abs=0.5)
    assert 10 < jittered.shortest < jittered.short < 20 < jittered.long < 30


@pytest.mark.parametrize(
    ("seconds", "up", "text"),
    [
        (59.9 * 60, False, "59 minutes"),
        (59.1 * 60, True, "60 minutes"),
        (5400, False, "1 hours"),
        (71.9 * 3600, False, "71 hours"),
        (71.1 * 3600, True, "72 hours"),
        (3.49 * DAY, False, "3.4 days"),
        (3.41 * DAY, True, "3.5 days"),
    ],
)
def test_a_duration_is_never_told_better_than_it_is(seconds: float, up: bool, text: str) -> None:
    assert duration(seconds, up=up) == text
