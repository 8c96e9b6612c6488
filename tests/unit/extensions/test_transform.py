"""A function of the user's takes further attributes from the details."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from examples.transform_queue_time import queue_time
from tests.support.odd_objects import (
    RAISED,
    RETURNED,
    Endless,
    LyingMapping,
    Untouchable,
    UntouchableNumber,
    UntouchableText,
    cycle,
    refuse,
)
from worker.clock import SystemClock
from worker.errors import (
    AttemptError,
    Draining,
    Incomplete,
    Invalid,
    NotReady,
    RateLimited,
    StoreUnavailable,
    Unavailable,
    Unexpected,
)
from worker.extensions import threads
from worker.extensions.loading import load_function
from worker.extensions.threads import FunctionThreads
from worker.extensions.transform import NamedTransform, Transform, TransformedDetails, load_transform
from worker.local.simulator.conversations import conversation
from worker.ports import Details
from worker.settings import SettingsError

DOCUMENT = {"conversationId": "interaction-1", "customer": "Made-up Person"}


DETAILS = Details(datetime(2026, 3, 1, tzinfo=UTC), ("voice",), DOCUMENT, asked_at=datetime(2026, 3, 1, 1, tzinfo=UTC))


@dataclass
class OneAnswer:
    answer: Details | AttemptError

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:  # noqa: ARG002
        assert interaction_id == DOCUMENT["conversationId"]
        return self.answer


async def fetched(function: Transform, answer: Details | AttemptError = DETAILS) -> Details | AttemptError:
    threads = FunctionThreads(SystemClock(), lambda *_: None)
    named = NamedTransform("mine:function", function)
    return await TransformedDetails(OneAnswer(answer), named, threads).fetch("interaction-1")


def fails(document: Mapping[str, Any]) -> dict[str, Any]:
    return {"customer": document["no such key " + document["customer"]]}


def not_yet(_: Mapping[str, Any]) -> dict[str, Any]:
    raise NotReady("no end yet")


def no_mapping(_: Mapping[str, Any]) -> Any:
    return ["a"]


async def plain(_: Mapping[str, Any]) -> dict[str, Any]:
    return {}


async def test_what_the_function_returns_goes_with_the_details() -> None:
    details = await fetched(lambda document: {"id": document["conversationId"]})
    assert isinstance(details, Details)
    assert details.attributes == {"id": "interaction-1"}
    assert replace(details, attributes={}) == DETAILS


async def test_a_function_that_fails_rejects_the_interaction_without_quoting_its_data() -> None:
    error = await fetched(fails)
    assert isinstance(error, Invalid)
    assert re.search(r"mine:function: KeyError at .*test_transform:\d+", str(error))
    assert "Made-up Person" not in str(error)


async def test_a_function_may_ask_to_be_called_again_later() -> None:
    error = await fetched(not_yet)
    assert isinstance(error, NotReady)
    assert str(error) == "no end yet"


async def test_a_function_that_returns_no_mapping_rejects_the_interaction() -> None:
    error = await fetched(no_mapping)
    assert isinstance(error, Invalid)
    assert "mine:function: returned list" in str(error)


async def test_an_error_of_the_source_never_reaches_the_function() -> None:
    error = NotReady("unknown yet")
    assert await fetched(fails, error) is error


@pytest.mark.parametrize("name", RAISED)
async def test_whatever_the_function_raises_rejects_the_interaction(name: str) -> None:
    def function(_: object) -> dict[str, Any]:
        raise RAISED[name]

    failure = await fetched(function)
    assert isinstance(failure, Invalid)
    assert str(failure).startswith("DETAILS_TRANSFORM mine:function: ")
    assert "personal data" not in str(failure)


@pytest.mark.parametrize(
    "error",
    [Unavailable("x"), StoreUnavailable("x"), RateLimited("x"), Draining("x"), Incomplete("x"), Unexpected("x")],
    ids=lambda error: error.name,
)
async def test_an_error_that_speaks_of_more_than_its_interaction_rejects_that_one(error: AttemptError) -> None:
    """Step Functions would try it for ever, and the fleet would take it for an outage."""

    def function(_: object) -> dict[str, Any]:
        raise error

    failure = await fetched(function)
    assert type(failure) is Invalid
    assert type(error).__name__ in str(failure)


async def test_what_the_function_says_is_cut_to_what_a_cause_holds() -> None:
    def function(_: object) -> dict[str, Any]:
        raise NotReady("\ud800" * 10**6)

    failure = await fetched(function)
    assert isinstance(failure, NotReady)
    assert str(failure) == "?" * 1000


class UntouchableNotReady(NotReady):
    __str__ = refuse


async def test_an_error_that_cannot_be_read_rejects_the_interaction() -> None:
    def function(_: object) -> dict[str, Any]:
        raise UntouchableNotReady

    assert type(await fetched(function)) is Invalid


ODD_VALUES: dict[str, Any] = {
    "untouchable": Untouchable(),
    "cycle": cycle(),
    "endless": Endless(),
    "large": "x" * 500_000,
    "many": [0] * 500_000,
    "lying mapping": LyingMapping(),
    "set": {1},
    "bytes": b"bytes",
    "key not a text": {1: 2},
}


@pytest.mark.parametrize("name", ODD_VALUES)
async def test_a_value_that_no_item_holds_rejects_the_interaction(name: str) -> None:
    failure = await fetched(lambda _: {"mine": ODD_VALUES[name]})
    assert isinstance(failure, Invalid)
    assert str(failure).startswith("DETAILS_TRANSFORM mine:function: ")


ODD_RESULTS: dict[str, Callable[[], Any]] = {**RETURNED, "endless": Endless, "number as a name": lambda: {7: 1}}


@pytest.mark.parametrize("name", ODD_RESULTS)
async def test_whatever_else_the_function_returns_rejects_the_interaction(name: str) -> None:
    assert isinstance(await fetched(lambda _: ODD_RESULTS[name]()), Invalid)


async def test_values_of_derived_classes_become_plain_ones() -> None:
    details = await fetched(
        lambda _: {"text": UntouchableText("a"), "number": UntouchableNumber(7), "list": (True, None)}
    )
    assert isinstance(details, Details)
    assert details.attributes == {"text": "a", "number": 7, "list": [True, None]}
    assert {type(value) for value in details.attributes.values()} == {str, int, list}


async def test_a_function_that_changes_the_document_changes_a_copy() -> None:
    answer = replace(DETAILS, document={"conversationId": "interaction-1", "participants": [{"sessions": []}]})

    def function(document: Any) -> dict[str, Any]:
        document["participants"][0].clear()
        document.clear()
        return {}

    details = await fetched(function, answer)
    assert isinstance(details, Details)
    assert details.document == {"conversationId": "interaction-1", "participants": [{"sessions": []}]}


async def test_a_function_that_hangs_rejects_the_interaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "DEADLINE_SECONDS", 0.05)
    let_go = threading.Event()

    def function(_: object) -> dict[str, Any]:
        let_go.wait()
        return {}

    failure = await fetched(function)
    assert isinstance(failure, Invalid)
    assert str(failure) == "DETAILS_TRANSFORM mine:function: no answer within 0.05 s"
    let_go.set()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no_such_package.module:function", "no module no_such_package; put the directory"),
        ("examples.no_such_module:function", r"no module examples\.no_such_module"),
        ("examples.transform_queue_time:no_such_function", "has no no_such_function"),
        ("examples.transform_queue_time:__doc__", "is not a plain function"),
        (f"{__name__}:plain", "is not a plain function"),
    ],
)
def test_a_wrong_name_is_a_wrong_setting(name: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"^DETAILS_TRANSFORM: .*{problem}"):
        load_transform(name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import no_such_library", "needs no_such_library"),
        ("1 / 0", "fails to load: ZeroDivisionError"),
        ("raise SystemExit", "fails to load: SystemExit"),
    ],
)
def test_a_module_that_does_not_load_is_a_wrong_setting(
    text: str, problem: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"made_up_{abs(hash(text))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=problem):
        load_function("EVENT_READER", f"{name}:function")


def test_the_example_sums_queue_time_and_lists_queues() -> None:
    document = {
        "participants": [
            {"purpose": "customer"},
            {
                "purpose": "acd",
                "sessions": [
                    {
                        "metrics": [{"name": "tAcd", "value": 12_500}, {"name": "tTalk", "value": 99}],
                        "segments": [{"queueId": "queue-1"}, {"segmentType": "interact"}, {"queueId": "queue-1"}],
                    },
                    {"metrics": [{"name": "tAcd", "value": 1_000}], "segments": [{"queueId": "queue-2"}]},
                ],
            },
        ]
    }
    assert queue_time(document) == {"queueSeconds": 13.5, "queueIds": ["queue-1", "queue-2"]}


def test_the_example_takes_every_conversation_of_the_simulator() -> None:
    for number in range(50):
        attributes = queue_time(conversation(f"interaction-{number}").analytics())
        assert 0 < attributes["queueSeconds"] < 66
        assert attributes["queueIds"]
