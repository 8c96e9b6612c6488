"""The use case: every attempt ends as exactly one outcome."""

import gc
import json
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.fakes import DETAILS, FakeDetails, FakeStore, RecordingMetrics
from tests.support.samples import task
from worker import errors
from worker.attempt import Attempt, Attempts, Task, read_task
from worker.clock import SystemClock
from worker.events import RECONCILE, InteractionEvent, parse_time
from worker.outcomes import Failed, Succeeded
from worker.ports import ActivityTask, Details, Kept
from worker.record import Freshness, Known

NOW = parse_time("2026-03-01T10:05:00Z")
FRESH = Freshness(timedelta(seconds=90), frozenset({"customer.end"}), timedelta(seconds=900))
OLDER = replace(DETAILS, asked_at=DETAILS.asked_at - timedelta(seconds=1))


class FixedClock(SystemClock):
    """It is always NOW."""

    def time(self) -> float:
        return NOW.timestamp()


class Rig:
    """Attempts on fakes, five minutes after the sample task's state was entered."""

    def __init__(self, *, not_found_after_seconds: float = 900, details: Details = DETAILS) -> None:
        self.details = FakeDetails()
        self.find(details)
        self.store = FakeStore()
        self.metrics = RecordingMetrics()
        self.attempts = Attempts(
            self.details,
            self.store,
            self.metrics,
            fresh=FRESH,
            not_found_after_seconds=not_found_after_seconds,
            clock=FixedClock(),
            open_since=lambda: self.open_since,
        )
        self.open_since = 0.0

    def find(self, details: Details) -> None:
        async def answer(_: str) -> Details:
            return details

        self.details.answer = answer

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
    assert attempt.outcome == Succeeded(details=True, event=True)
    assert rig.store.items["interaction-1"] == Known(
        datetime(2026, 3, 1, 9, tzinfo=UTC), "customer.end", DETAILS.asked_at, complete=True
    )
    assert rig.metrics.of("event_age") == [65 * 60]
    assert rig.metrics.of("record") == ["details"]
    assert attempt.seconds.keys() == {"details", "store"}


async def test_an_older_event_and_older_details_change_nothing_and_have_no_age() -> None:
    rig = Rig()
    await rig.run(timestamp="2026-03-01T09:30:00Z")
    rig.find(OLDER)
    assert await rig.run(timestamp="2026-03-01T09:00:00Z") == Succeeded(details=False, event=False)
    assert len(rig.metrics.of("event_age")) == 1
    assert rig.metrics.of("record") == ["details", "unchanged"]


async def test_an_older_events_later_details_are_kept_beside_the_newer_event() -> None:
    rig = Rig(details=OLDER)
    await rig.run(timestamp="2026-03-01T09:30:00Z")
    rig.find(DETAILS)
    assert await rig.run(timestamp="2026-03-01T09:00:00Z") == Succeeded(details=True, event=False)
    item = rig.store.items["interaction-1"]
    assert (item.details_at, item.event_time) == (DETAILS.asked_at, parse_time("2026-03-01T09:30:00Z"))
    assert rig.metrics.of("record") == ["details", "details"]
    assert len(rig.metrics.of("event_age")) == 1


async def test_a_newer_event_with_older_details_is_counted_as_the_event_only() -> None:
    rig = Rig()
    await rig.run()
    rig.find(OLDER)
    assert await rig.run(timestamp="2026-03-01T09:30:00Z") == Succeeded(details=False, event=True)
    assert rig.metrics.of("record") == ["details", "event_only"]
    assert rig.metrics.of("event_age") == [65 * 60, 35 * 60]


async def test_a_reconcile_event_has_no_age() -> None:
    rig = Rig()
    assert await rig.run(eventType=RECONCILE) == Succeeded(details=True, event=True)
    assert rig.metrics.of("event_age") == []
    assert rig.metrics.of("record") == ["details"]


WITHOUT_END = replace(DETAILS, end_time=None)


async def test_an_interaction_that_should_have_ended_is_stored_and_looked_at_again() -> None:
    rig = Rig(details=WITHOUT_END)
    outcome = await rig.run()
    assert outcome.label == "Interaction.Incomplete"
    assert rig.store.items["interaction-1"].details_at == DETAILS.asked_at
    assert rig.metrics.of("record") == ["details"]


@pytest.mark.parametrize(
    "fields",
    [
        {"definition": 1},
        {"definition": None},
        {"definition": "2"},
        {"eventType": "acd.end"},
        {"eventType": RECONCILE},
        {"enteredTime": "2026-03-01T09:50:00Z"},
        {"enteredTime": None, "executionStartTime": None},
    ],
    ids=str,
)
async def test_a_missing_end_is_a_success_where_another_look_is_not_due_or_not_known(fields: dict[str, Any]) -> None:
    assert await Rig(details=WITHOUT_END).run(**fields) == Succeeded(details=True, event=True)


async def test_the_final_wait_counts_from_when_the_state_was_entered() -> None:
    late = {"executionStartTime": "2026-03-01T04:00:00Z"}
    rig = Rig(details=WITHOUT_END)
    assert (await rig.run(**late, enteredTime="2026-03-01T09:50:01Z")).label == "Interaction.Incomplete"
    assert (await rig.run(**late, enteredTime="2026-03-01T09:50:00Z")).label == "succeeded"
    assert (
        await rig.run(enteredTime=None, executionStartTime="2026-03-01T09:50:01Z")
    ).label == "Interaction.Incomplete"


async def test_a_later_end_event_looks_instead_of_an_earlier_one() -> None:
    rig = Rig(details=WITHOUT_END)
    await rig.run(timestamp="2026-03-01T09:30:00Z")
    assert (await rig.run(timestamp="2026-03-01T09:00:00Z")).label == "succeeded"
    assert (await rig.run(timestamp="2026-03-01T09:30:00Z")).label == "Interaction.Incomplete"


async def test_an_item_that_is_complete_already_ends_the_looking() -> None:
    rig = Rig()
    await rig.run()
    rig.find(replace(OLDER, end_time=None))
    assert await rig.run(timestamp="2026-03-01T09:30:00Z") == Succeeded(details=False, event=True)


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
    assert rig.store.items == {}


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
    assert (await rig.run(enteredTime="2026-03-01T10:00:01Z")).label == "Interaction.NotReady"
    assert (await rig.run(enteredTime=None, executionStartTime=None)).label == "Interaction.NotReady"


async def test_what_is_not_found_says_why_that_can_be() -> None:
    rig = Rig(not_found_after_seconds=300)
    rig.fail_with(errors.NotReady("not in the answer"))
    outcome = await rig.run()
    assert isinstance(outcome, Failed)
    assert str(outcome.error) == (
        "not in the answer (still unknown after 300 s): "
        "deleted, of another organisation, or in a division that the OAuth client's role does not cover"
    )


async def test_a_redrive_or_an_old_definition_does_not_change_from_when_an_unknown_interaction_is_late() -> None:
    rig = Rig(not_found_after_seconds=300)
    rig.fail_with(errors.NotReady("not in the answer"))
    entered = {"executionStartTime": "2026-02-01T10:00:00Z", "enteredTime": "2026-03-01T10:00:01Z"}
    assert (await rig.run(**entered)).label == "Interaction.NotReady"
    assert (await rig.run(enteredTime=None, executionStartTime="2026-03-01T10:00:00Z")).label == "Interaction.NotFound"


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
        task(enteredTime="soon").input,
        task(enteredTime=None, executionStartTime="soon").input,
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
        "Interaction.Unavailable",
        "Interaction.NotReady",
        "Interaction.NotFound",
        "Interaction.Incomplete",
        "Interaction.Invalid",
        "Store.Unavailable",
        "Worker.Draining",
        "Worker.Unexpected",
    } == errors.ERROR_NAMES


async def test_time_before_the_end_of_an_outage_is_not_lateness() -> None:
    rig = Rig(not_found_after_seconds=200)
    rig.fail_with(errors.NotReady("not yet"))
    assert (await rig.run()).label == "Interaction.NotFound", "five minutes after the state was entered"
    rig.open_since = NOW.timestamp() - 100
    assert (await rig.run()).label == "Interaction.NotReady"
    rig.open_since = NOW.timestamp() - 200
    assert (await rig.run()).label == "Interaction.NotFound"


async def test_what_failed_before_is_asked_for_alone() -> None:
    rig = Rig()
    await rig.attempts.make(read_task(task(alone=True)))
    assert rig.details.asked_alone == rig.details.asked
    await rig.attempts.make(read_task(task(alone="yes")))
    assert len(rig.details.asked_alone) == 1


@pytest.mark.parametrize("definition", [None, 1, 2, 3, 4])
async def test_a_failure_of_this_interaction_alone_is_told_under_every_definition(definition: int | None) -> None:
    """Those before 3 have no retrier of that name: it takes their last one, and then it is a dead letter too."""
    rig = Rig()
    rig.fail_with(errors.InteractionUnavailable("503"))
    assert (await rig.run(definition=definition)).label == "Interaction.Unavailable"
    assert rig.details.asked_alone == []


async def test_a_plain_input_without_context_is_enough() -> None:
    rig = Rig()
    fields = json.loads(task().input)
    plain = {name: fields[name] for name in ("interactionId", "eventType", "timestamp", "eventId")}
    read = read_task(ActivityTask("token", json.dumps(plain)))
    assert read == Task("token", read.event)
    assert (await rig.attempts.make(read)).outcome == Succeeded(details=True, event=True)
    assert DETAILS.channels == ("voice",)


class Held(dict[str, Any]):
    """A document that can be watched."""


async def test_a_failed_attempt_lets_the_document_go_with_its_outcome() -> None:
    """Without the garbage collector, which may not run while everything waits for the memory that documents hold."""

    class Failing(FakeStore):
        async def put(self, event: InteractionEvent, details: Details) -> Kept:
            try:
                raise OSError(f"no answer for {event} and {details}")  # noqa: TRY301
            except OSError as error:
                raise errors.StoreUnavailable("503") from error

    rig = Rig()
    documents = [Held()]
    watched = weakref.ref(documents[0])

    async def answer(_: str) -> Details:
        return replace(DETAILS, document=documents.pop())

    rig.details.answer = answer
    rig.store.put = Failing().put  # type: ignore[method-assign]
    gc.disable()
    try:
        attempt = await rig.attempts.make(read_task(task()))
        assert isinstance(attempt.outcome, Failed)
        assert isinstance(attempt.outcome.error, errors.StoreUnavailable)
        del attempt
        assert watched() is None
    finally:
        gc.enable()
