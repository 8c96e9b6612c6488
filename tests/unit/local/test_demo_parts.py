"""The demo's arithmetic and the traffic it is made of."""

import asyncio
import io
import json
import os
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from tests.support.environment import kept_environment
from worker.events import InvalidEventError, parse_event
from worker.local.demo.accounting import Account
from worker.local.demo.display import percentile, print_result, summary
from worker.local.demo.world import _take_environment
from worker.local.simulator.stats import Stats
from worker.local.traffic import Event, Pace, PublishError, Shape, make_events, malformed_bodies, put_events


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 5.0), (0.51, 6.0), (0.95, 10.0), (0.9, 9.0), (1.0, 10.0)]
)
def test_a_percentile_is_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(value) for value in (3, 1, 2, 10, 9, 8, 7, 6, 5, 4)], share) == expected


def test_a_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 0.5) == 0.0


@pytest.mark.parametrize(
    ("account", "complete"),
    [
        (Account(events=3, stored=2, reasons=Counter({"invalid_json": 1})), True),
        (Account(events=3, stored=3, extra_executions=1), False),
        (Account(events=3, stored=2, wrong=1), False),
        (Account(events=3, stored=2, lost=1), False),
        (Account(events=3, stored=2, open=1), False),
    ],
)
def test_an_account_is_complete_only_with_every_event_stored_or_a_dead_letter(account: Account, complete: bool) -> None:
    assert account.complete is complete


def test_the_result_names_every_category_and_explains_the_dead_letters() -> None:
    account = Account(
        events=5,
        interactions=3,
        stored=2,
        reasons=Counter({"invalid_json": 1}),
        lost=1,
        open=1,
        executions=7,
        covered=1,
        latencies=[1.0, 3.0],
    )
    result = summary(account, Stats().as_dict(), 1.234)
    expected = {
        "events": 5,
        "interactions": 3,
        "stored": 2,
        "dead_lettered": 1,
        "duplicates": 0,
        "lost": 1,
        "executions": 7,
        "covered": 1,
        "seconds": 1.23,
    }
    assert {name: result[name] for name in expected} == expected
    console = Console(file=io.StringIO(), width=120)
    print_result(console, json.loads(json.dumps(result)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "nowhere to be found" in shown
    assert "the body is not JSON" in shown
    assert "median 1.0 s" in shown
    assert "of 3 interactions" in shown
    assert "needed no execution of their own" in shown
    assert "7 executions" in shown


@pytest.mark.parametrize("shape", ["seed", "genesys"])
def test_what_is_sent_is_what_the_service_reads(shape: Shape) -> None:
    for event in make_events(20, shape):
        read = parse_event(event.envelope("made-up-event"))
        assert (read.interaction_id, read.event_type, read.event_id) == (
            event.interaction_id,
            event.event_type,
            "made-up-event",
        )
        assert abs((read.time - event.time).total_seconds()) < 0.001


def test_no_malformed_body_is_accepted_and_no_two_are_the_same() -> None:
    bodies = malformed_bodies(6) + malformed_bodies(6, start=3)
    assert len(set(bodies)) == 12
    reasons = []
    for body in bodies:
        with pytest.raises(InvalidEventError) as refusal:
            parse_event(body)
        reasons.append(refusal.value.reason)
    assert reasons[:3] == reasons[9:]
    assert len(set(reasons)) == 5


class Events:
    """EventBridge that refuses the second entry of a call, as often as it is told to."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.calls: list[list[Any]] = []

    async def put_events(self, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 -- the API's name
        self.calls.append(Entries)
        answers: list[dict[str, str]] = [{"EventId": json.loads(entry["Detail"])["interactionId"]} for entry in Entries]
        if self.refusals:
            self.refusals -= 1
            answers[-1] = {"ErrorCode": "ThrottlingException"}
        return {"Entries": answers}


class OnlyEvents:
    def __init__(self, events: Events) -> None:
        self.events = events


async def test_an_entry_that_eventbridge_refuses_is_sent_again_and_keeps_its_place() -> None:
    bridge = Events(refusals=2)
    events = [Event(f"made-up-{index}", "x", datetime.now(UTC), "seed") for index in range(12)]
    ids = await put_events(OnlyEvents(bridge), events, Pace(0))  # type: ignore[arg-type]
    assert ids == [event.interaction_id for event in events]
    assert [len(call) for call in bridge.calls] == [10, 1, 1, 2]


async def test_an_entry_refused_again_and_again_is_an_error_not_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", at_once)
    with pytest.raises(PublishError, match="1 of 3 entries were refused 5 times"):
        await put_events(OnlyEvents(Events(refusals=99)), make_events(3, "seed"), Pace(0))  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "batch"), [(0, 10), (1, 1), (50, 5), (1000, 10)])
def test_a_low_rate_is_sent_in_small_parts(rate: float, batch: int) -> None:
    assert Pace(rate).batch == batch


def test_nothing_of_the_callers_leads_the_demo_to_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_SQS", "HTTPS_PROXY", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "callers-own")
    with kept_environment():
        _take_environment({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
        assert "callers-own" not in os.environ.values()
        # Without these, the SDK reads ~/.aws.
        assert os.environ["AWS_CONFIG_FILE"] == os.environ["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
