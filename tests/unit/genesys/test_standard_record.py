"""RECORD=standard: made-up conversations with their records, and whatever else may stand in a document."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import strategies
from worker.aws.attributes import encode
from worker.events import parse_time, utc_text
from worker.genesys.reading import from_analytics
from worker.genesys.standard_record import read_standard_record

CONVERSATIONS = Path(__file__).parents[2] / "fixtures" / "conversations"
NAMES = sorted(path.stem for path in CONVERSATIONS.glob("*.json") if not path.stem.endswith(".record"))
BASIC = {"startTime", "endTime", "complete", "channels"}
"""Attributes that RECORD=basic has too; they are read elsewhere."""

NOT_TRANSFERRED = {"abandoned": False, "transfers": 0}
"""The record of a document that says nothing."""


def read(file: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CONVERSATIONS / file).read_text(), parse_float=Decimal)
    return document


def conversation(*sessions: dict[str, Any], purpose: Any = "agent") -> dict[str, Any]:
    return {"participants": [{"purpose": purpose, "sessions": list(sessions)}]}


def metrics(*values: tuple[str, Any]) -> dict[str, Any]:
    return {"metrics": [{"name": name, "value": value} for name, value in values]}


@pytest.mark.parametrize("name", NAMES)
def test_a_made_up_conversation_gives_its_record(name: str) -> None:
    record = read(f"{name}.record.json")
    expected = {attribute: value for attribute, value in record.items() if attribute not in BASIC}
    assert read_standard_record(read(f"{name}.json")) == expected


@pytest.mark.parametrize("name", NAMES)
def test_a_record_has_the_basic_fields_of_its_conversation(name: str) -> None:
    document, record = read(f"{name}.json"), read(f"{name}.record.json")
    details = from_analytics(document, datetime.now(UTC))
    assert record["startTime"] == utc_text(details.start_time)
    assert record["channels"] == list(details.channels)
    assert record.get("endTime") == document.get("conversationEnd")
    assert record["complete"] is ("conversationEnd" in document)


def test_every_kind_of_conversation_has_one_made_up() -> None:
    kinds = {"voice", "callback", "chat", "email", "message", "transfer", "conference", "abandoned"}
    assert set(NAMES) == kinds


def test_a_document_that_says_nothing_is_neither_abandoned_nor_transferred() -> None:
    assert read_standard_record({}) == NOT_TRANSFERRED


def test_the_complete_form_counts_only_in_sessions_without_the_single_ones() -> None:
    both = metrics(("tTalk", 100), ("tTalk", 200), ("tTalkComplete", 300))
    total_only = metrics(("tTalkComplete", 1000), ("tHeldComplete", 50))
    record = read_standard_record(conversation(both, total_only))
    assert record == {**NOT_TRANSFERRED, "talkSeconds": Decimal("1.3"), "holdSeconds": Decimal("0.05")}


def test_an_unreadable_single_metric_leaves_the_complete_form_to_count() -> None:
    record = read_standard_record(conversation(metrics(("tTalk", "long"), ("tTalkComplete", 300))))
    assert record["talkSeconds"] == Decimal("0.3")


@pytest.mark.parametrize("purpose", ["agent", "user"])
def test_the_times_and_ids_of_staff_count(purpose: str) -> None:
    document = conversation(metrics(("tTalk", 1000), ("tHeld", 2000), ("tAcw", 3000)), purpose=purpose)
    document["participants"][0]["userId"] = "somebody"
    record = read_standard_record(document)
    assert (record["talkSeconds"], record["holdSeconds"], record["afterCallSeconds"]) == (1, 2, 3)
    assert record["agentIds"] == ["somebody"]


@pytest.mark.parametrize("purpose", ["customer", "external", "acd", "ivr", "AGENT", None, ["agent"], {}])
def test_the_times_and_ids_of_nobody_else_count(purpose: Any) -> None:
    document = conversation(metrics(("tTalk", 1000), ("tHeld", 2000), ("tAcw", 3000)), purpose=purpose)
    document["participants"][0]["userId"] = "somebody"
    assert read_standard_record(document) == NOT_TRANSFERRED


def test_a_customer_who_leaves_the_queue_at_once_has_abandoned_it() -> None:
    assert read_standard_record(conversation(metrics(("tAbandon", 0)), purpose="acd"))["abandoned"] is True


def segment(start: str | None, end: str | None, disconnect_type: Any) -> dict[str, Any]:
    times = {"segmentStart": start, "segmentEnd": end}
    return {"disconnectType": disconnect_type, **{name: time for name, time in times.items() if time is not None}}


def test_the_customers_last_segment_is_the_one_that_ends_last_wherever_it_stands() -> None:
    first = {"segments": [segment("2026-03-02T09:00:00Z", "2026-03-02T12:00:00+02:00", "peer")]}
    second = {"segments": [segment("2026-03-02T09:30:00Z", "2026-03-02T10:00:01Z", "client")]}
    for sessions in ((first, second), (second, first)):
        document = conversation(*sessions, purpose="customer")
        assert read_standard_record(document)["disconnectType"] == "client"


def test_of_segments_that_end_together_the_one_that_began_later_is_the_last() -> None:
    later, earlier = segment("10:00", None, "client"), segment("09:00", None, "peer")
    for one in (later, earlier):
        one["segmentStart"], one["segmentEnd"] = f"2026-03-02T{one['segmentStart']}:00Z", "2026-03-02T11:00:00Z"
    assert read_standard_record(conversation({"segments": [later, earlier]}, purpose="customer"))["disconnectType"] == (
        "client"
    )


def test_segments_without_times_are_in_the_documents_order() -> None:
    segments = [segment(None, None, "peer"), segment(None, None, "client")]
    assert read_standard_record(conversation({"segments": segments}, purpose="customer"))["disconnectType"] == "client"


def test_a_customer_who_is_still_there_has_no_disconnect_type() -> None:
    over = segment("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "transfer")
    open_ = segment("2026-03-02T10:00:00Z", None, None)
    for segments in ([over, open_], [open_, over]):
        record = read_standard_record(conversation({"segments": segments}, purpose="customer"))
        assert "disconnectType" not in record


def test_an_external_party_is_the_customer_only_where_nobody_else_is() -> None:
    left = {"segments": [segment("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", "peer")]}
    stayed = {"segments": [segment("2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z", "client")]}
    external = conversation(stayed, purpose="external")
    assert read_standard_record(external)["disconnectType"] == "client"
    both = {"participants": external["participants"] + conversation(left, purpose="customer")["participants"]}
    assert read_standard_record(both)["disconnectType"] == "peer"


@pytest.mark.parametrize("value", [None, True, "1000", -1, float("nan"), float("inf"), 1e300, 10**400, [1000], {}])
def test_what_is_no_amount_is_left_out(value: Any) -> None:
    names = ("nTransferred", "tAcd", "tTalk", "tHeld", "tAcw")
    assert read_standard_record(conversation(metrics(*((name, value) for name in names)))) == NOT_TRANSFERRED


def test_an_amount_that_is_unreadable_does_not_spoil_the_others() -> None:
    record = read_standard_record(conversation(metrics(("tTalk", None), ("tTalk", 1500), ("tTalk", 500.0))))
    assert record["talkSeconds"] == 2


@pytest.mark.parametrize(
    "value",
    ["", "a" * 65, "Ada Lovelace", "ada@example.invalid", "tel:+15550100", "a\n", "\ud83d", "é", None, 7, True, ["a"]],
)
def test_what_is_no_id_is_left_out(value: Any) -> None:
    document = {
        "originatingDirection": value,
        "divisionIds": [value, None],
        "participants": [
            {
                "purpose": purpose,
                "userId": value,
                "sessions": [{"segments": [{"queueId": value, "wrapUpCode": value, "disconnectType": value}]}],
            }
            for purpose in ("customer", "agent")
        ],
    }
    assert read_standard_record(document) == NOT_TRANSFERRED


def test_a_list_of_ids_has_each_once_and_an_end() -> None:
    ids = [f"queue-{index}" for index in range(1000)]
    segments = [{"queueId": one} for one in ["queue-0", *ids, *ids]]
    record = read_standard_record({**conversation({"segments": segments}), "divisionIds": ["b", "a", "b"]})
    assert record["queueIds"] == ids[:100]
    assert record["divisionIds"] == ["b", "a"]


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2026-03-02T09:00:00.001Z", "2026-03-02T11:00:00.250+02:00", Decimal("0.249")),
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z", Decimal(0)),
        ("2026-03-02T09:00:01Z", "2026-03-02T09:00:00Z", None),
        ("0001-01-01T00:00:00Z", "2026-03-02T09:00:00Z", None),
        ("yesterday", "2026-03-02T09:00:00Z", None),
        ("2026-03-02T09:00:00Z", 1772442000, None),
        ("2026-03-02T09:00:00Z", None, None),
    ],
)
def test_the_duration_is_the_end_minus_the_start(start: Any, end: Any, seconds: Decimal | None) -> None:
    record = read_standard_record({"conversationStart": start, "conversationEnd": end})
    assert record.get("durationSeconds") == seconds


IDS_ARE_IN = {"queueId", "userId", "wrapUpCode", "divisionIds", "originatingDirection", "disconnectType"}
LISTS = {"queueIds", "agentIds", "wrapUpCodes", "divisionIds"}
TEXTS = {"direction", "disconnectType"}
SECONDS = {"waitSeconds", "talkSeconds", "holdSeconds", "afterCallSeconds", "durationSeconds"}

leaves = st.one_of(strategies.json_leaves, st.sampled_from(["agent-1", "queue-1", "client"]), strategies.times)
odd = st.one_of(leaves, st.lists(leaves, max_size=2), st.dictionaries(strategies.texts, leaves, max_size=2))
metric_names = st.sampled_from(["tAbandon", "nTransferred", "tAcd", "tTalk", "tTalkComplete", "tHeld", "tAcw"])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly as it should be, and sometimes anything."""
    return st.one_of(strategy, strategy, odd)


def objects(*fields: str, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    every = {**dict.fromkeys(fields, odd), **{name: maybe(strategy) for name, strategy in known.items()}}
    return maybe(st.lists(maybe(st.fixed_dictionaries({}, optional=every)), max_size=3))


segments = objects(
    "queueId", "wrapUpCode", "disconnectType", segmentStart=strategies.times, segmentEnd=strategies.times
)
sessions = objects(segments=segments, metrics=objects(name=metric_names, value=st.integers(0, 10**7)))
purposes = st.sampled_from(["customer", "external", "acd", "agent", "user"])
conversations = st.fixed_dictionaries(
    {"participants": objects("userId", purpose=purposes, sessions=sessions)},
    optional={
        "originatingDirection": odd,
        "divisionIds": maybe(st.lists(odd, max_size=3)),
        "conversationStart": maybe(strategies.times),
        "conversationEnd": maybe(strategies.times),
    },
)
golden = st.sampled_from([read(f"{name}.json") for name in NAMES]).map(
    lambda one: json.loads(json.dumps(one, default=float))
)
documents = st.one_of(
    conversations, strategies.damaged(golden), st.dictionaries(strategies.texts, strategies.json_values, max_size=4)
)


def texts_in(value: Any, name: str = "") -> Iterator[str]:
    """The texts that stand where the API has ids and its own words."""
    match value:
        case dict():
            for key, part in value.items():
                yield from texts_in(part, key)
        case list():
            for part in value:
                yield from texts_in(part, name)
        case str() if name in IDS_ARE_IN:
            yield value


@given(documents)
def test_any_document_gives_a_record_that_can_be_stored_and_has_ids_only(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    record = read_standard_record(document)

    assert json.dumps(document) == before
    assert record.keys() <= LISTS | TEXTS | SECONDS | NOT_TRANSFERRED.keys()
    assert isinstance(record["abandoned"], bool)
    assert type(record["transfers"]) is int
    ids = set(texts_in(document))
    for name, value in record.items():
        if name in LISTS:
            assert isinstance(value, list)
            assert value
            assert len(set(value)) == len(value)
            assert ids.issuperset(value)
        elif name in TEXTS:
            assert value in ids
        elif name in SECONDS:
            assert isinstance(value, Decimal)
            assert value >= 0
            assert value == round(value, 3)
    assert encode(record, reserved=()).keys() == record.keys()


@given(strategies.times, strategies.times)
def test_a_duration_added_to_the_start_is_the_end(start: str, end: str) -> None:
    seconds = read_standard_record({"conversationStart": start, "conversationEnd": end}).get("durationSeconds")
    if seconds is not None:
        assert isinstance(seconds, Decimal)
        apart = parse_time(end) - parse_time(start)
        assert Decimal(apart.days * 86_400_000 + apart.seconds * 1000 + apart.microseconds // 1000) == seconds * 1000
