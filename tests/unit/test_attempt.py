"""The use case: every attempt ends as exactly one outcome."""

import json
from typing import Any

import pytest

from tests.support.fakes import DETAILS, FakeDetails, FakeStore, RecordingMetrics
from tests.support.samples import task
from worker import errors
from worker.attempt import Attempt, Attempts, Task, read_task
from worker.clock import SystemClock
from worker.events import parse_time
from worker.outcomes import Failed, Succeeded
from worker.ports import ActivityTask, Details

NOW = parse_time("2026-03-01T10:05:00Z").timestamp()


class FixedClock(SystemClock):
    """It is always NOW."""

    def time(self) -> float:
        return NOW


class Rig:
    """Attempts on fakes, five minutes after the sample task's execution started."""

    def __init__(self, *, not_found_after_seconds: float = 900) -> None:
        self.details = FakeDetails()
        self.store = FakeStore()
        self.metrics = RecordingMetrics()
        self.attempts = Attempts(
            self.details,
            self.store,
            self.metrics,
            not_found_after_seconds=not_found_after_seconds,
            clock=FixedClock(),
        )

    def fail_with(self, error: errors.AttemptError) -> None:
        async def answer(_: str) -> errors.AttemptError:
            return error

        self.details.answer = answer

    async def make(self, **fields: Any) -> Attempt:
        return await self.attempts.make(read_task(task(**fields)))

    async def run(self, **fields: Any) -> Any:
        return (await self.make(**fields)).outcome


async def test_a_good_attempt_stores_the_interaction_and_measures_its_age() -> None:
    rig = Rig()
    attempt = await rig.make()
    assert attempt.outcome == Succeeded(written=True)
    assert rig.store.kept["interaction-1"].event_id == "event-1"
    assert rig.metrics.of("event_age") == [65 * 60]
    assert attempt.seconds.keys() == {"details", "store"}


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
    ],
)
async def test_an_error_of_the_details_is_the_outcome_and_nothing_is_stored(kind: type[errors.AttemptError]) -> None:
    rig = Rig()
    rig.fail_with(kind("why"))
    attempt = await rig.make()
    assert isinstance(attempt.outcome, Failed)
    assert attempt.outcome.label == kind.name
    assert str(attempt.outcome.error) == "why"
    assert attempt.seconds.keys() == {"details"}
    assert rig.store.kept == {}


async def test_an_error_of_the_store_is_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    async def put(*_: object) -> bool:
        raise errors.StoreUnavailable("why")

    monkeypatch.setattr(FakeStore, "put", put)
    attempt = await Rig().make()
    assert attempt.outcome.label == "Store.Unavailable"
    assert attempt.seconds.keys() == {"details"}


async def test_anything_else_is_unexpected_and_its_text_stays_inside() -> None:
    rig = Rig()

    async def answer(_: str) -> Details:
        raise KeyError("made-up personal data")

    rig.details.answer = answer
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
async def test_a_malformed_input_is_an_invalid_event_and_asks_nobody(broken: str) -> None:
    rig = Rig()
    read = read_task(ActivityTask("token", broken))
    assert isinstance(read.event, errors.Invalid)
    assert await rig.attempts.make(read) == Attempt(Failed(read.event))
    assert rig.details.asked == []


def test_a_malformed_event_still_says_whose_execution_it_is() -> None:
    read = read_task(task(interactionId=None, retryCount=3))
    assert isinstance(read.event, errors.Invalid)
    assert read.execution_arn == "arn:aws:states:us-east-1:000000000000:execution:machine:name"
    assert read.retry_count == 3


def test_the_token_stays_out_of_the_text_of_a_task() -> None:
    assert "made-up-token" not in repr(read_task(task("made-up-token")))


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
    read = read_task(ActivityTask("token", json.dumps(plain)))
    assert read == Task("token", read.event)
    assert (await rig.attempts.make(read)).outcome == Succeeded(written=True)
    assert DETAILS.channels == ("voice",)
