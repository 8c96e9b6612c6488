"""When an item covers an event: the rule on which the demo's accounts rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from worker.events import utc_text
from worker.local.demo.accounting import Sent, covers
from worker.local.traffic import Event

HAPPENED = datetime(2026, 3, 1, 10, tzinfo=UTC)
LAG = timedelta(seconds=90)


def after(seconds: float) -> datetime:
    return HAPPENED + timedelta(seconds=seconds)


def item(event_time: datetime, details_at: datetime | None = None) -> dict[str, Any]:
    stored = {"eventTime": {"S": utc_text(event_time)}}
    return stored if details_at is None else {**stored, "detailsAt": {"S": utc_text(details_at)}}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (item(HAPPENED), True),
        (item(after(1)), True),
        (item(after(-0.001)), False),
        (item(HAPPENED, after(20)), True),
        (item(HAPPENED, after(19.999)), False),
        (item(after(60), after(19.999)), False),
        (item(after(-1), after(200)), False),
    ],
)
def test_details_count_from_when_the_event_was_handed_over(stored: dict[str, Any], expected: bool) -> None:
    sent = Sent(Event("made-up", "customer.end", HAPPENED, "seed"), after(20))
    assert covers(stored, sent, LAG) is expected


@pytest.mark.parametrize(("asked", "expected"), [(90, True), (89.999, False)])
def test_an_event_that_comes_late_is_covered_by_details_of_long_enough_after_it(asked: float, expected: bool) -> None:
    sent = Sent(Event("made-up", "customer.end", HAPPENED, "seed"), after(3600))
    assert covers(item(HAPPENED, after(asked)), sent, LAG) is expected
