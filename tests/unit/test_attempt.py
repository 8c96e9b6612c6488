"""The use case: every attempt ends as exactly one outcome."""

import json
from typing import Any

import pytest

from tests.unit.fakes import DETAILS, FakeDetails, FakeStore, RecordingMetrics
from tests.unit.samples import task
from worker import errors
from worker.attempt import Attempt, Process
from worker.events import parse_time
from worker.outcomes import Failed, Succeeded
from worker.ports import Details

NOW = parse_time("2026-03-01T10:05:00Z").timestamp()


class Rig:
    """A process on fakes, five minutes after the sample task's execution started."""

    def __init__(self, *, not_found_after_seconds: float = 900) -> None:
        self.details = FakeDetails()
        self.store = FakeStore()
        self.metrics = RecordingMetrics()
        self.process = Process(
            self.details,
            self.store,
            self.metrics,
            not_found_after_seconds=not_found_after_seconds,
            clock=lambda: NOW,
        )

    def fail_with(self, error: Exception) -> None:
        async def answer(_: str) -> Details:
            raise error

        self.details.answer = answer

    async def run(self, **fields: Any) -> Any:
        self.attempt = Attempt(task(**fields).input)
        return await self.process.run(self.attempt)


async def test_a_good_attempt_stores_the_interaction_and_measures_its_age() -> None:
    rig = Rig()
    assert await rig.run() == Succeeded(written=True)
    assert rig.store.kept["interaction-1"].event_id == "event-1"
    assert rig.metrics.of("event_age") == [65 * 60]
    assert rig.attempt.seconds.keys() == {"details", "store"}


async def test_an_older_event_succeeds_without_a_write_and_without_an_age() -> None:
    rig = Rig()
    await rig.run(timestamp="2026-03-01T09:30:00Z")
    assert await rig.run(timestamp="2026-03-01T09:00:00Z") == Succeeded(written=False)
    assert len(rig.metrics.of("event_age")) == 1


@pytest.mark.parametrize(
    "kind",
    [
        errors.RateLimited,
        errors.Unauthorized,
        errors.Unavailable,
        errors.NotReady,
        errors.Invalid,
        errors.StoreUnavailable,
    ],
)
async def test_a_named_error_is_the_outcome(kind: type[errors.AttemptError]) -> None:
    rig = Rig()
    rig.fail_with(kind("why"))
    outcome = await rig.run()
    assert isinstance(outcome, Failed)
    assert outcome.label == kind.name
    assert str(outcome.error) == "why"


async def test_anything_else_is_unexpected_and_its_text_stays_inside() -> None:
    rig = Rig()
    rig.fail_with(KeyError("made-up personal data"))
    outcome = await rig.run()
    assert outcome.label == "Worker.Unexpected"
    assert "personal" not in str(outcome.error)


async def test_an_interaction_unknown_for_long_is_not_found() -> None:
    rig = Rig(not_found_after_seconds=300)
    rig.fail_with(errors.NotReady("not in the answer"))
    assert (await rig.run()).label == "Interaction.NotFound"
    assert (await rig.run(executionStartTime="2026-03-01T10:00:01Z")).label == "Interaction.NotReady"
    assert (await rig.run(executionStartTime=None)).label == "Interaction.NotReady"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "no json",
        "[]",
        "7",
        '"text"',
        "{}",
        "[" * 100_000,
        task(interactionId="../../oauth").input,
        task(interactionId=None).input,
        task(interactionId=7).input,
        task(timestamp="soon").input,
        task(timestamp=5).input,
        task(executionStartTime="soon").input,
    ],
)
async def test_an_input_that_is_no_event_is_invalid(broken: str) -> None:
    rig = Rig()
    outcome = await rig.process.run(Attempt(broken))
    assert isinstance(outcome, Failed)
    assert outcome.label == "Interaction.Invalid"
    assert rig.details.asked == []


def test_every_error_name_is_known_to_the_contract() -> None:
    assert {
        "Genesys.RateLimited",
        "Genesys.Unauthorized",
        "Genesys.Unavailable",
        "Interaction.NotReady",
        "Interaction.NotFound",
        "Interaction.Invalid",
        "Store.Unavailable",
        "Worker.Draining",
        "Worker.Unexpected",
    } == errors.ERROR_NAMES


async def test_a_plain_input_without_context_is_enough() -> None:
    rig = Rig()
    fields = json.loads(task().input)
    plain = {name: fields[name] for name in ("interactionId", "eventType", "timestamp", "eventId")}
    assert await rig.process.run(Attempt(json.dumps(plain))) == Succeeded(written=True)
    assert DETAILS.channels == ("voice",)
