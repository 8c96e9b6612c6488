"""Conversations that unfold: a later look never has less, and everything appears when it happens."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.events import parse_time, utc_text
from worker.local.simulator.control import CONVERSATIONS
from worker.local.simulator.conversations import (
    Channel,
    Conversation,
    Conversations,
    Outcome,
    conversation,
    make_conversation,
)
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options, Simulator
from worker.local.topics import topics

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

conversations = st.builds(
    make_conversation,
    st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True),
    st.just(START),
    st.floats(0, 4000),
    end_after=st.none() | st.floats(0, 1000),
    outcome=st.sampled_from((None, *get_args(Outcome))),
)
looks = st.lists(st.floats(-10, 6000).map(lambda seconds: START + timedelta(seconds=seconds)), min_size=2, max_size=6)


def call(seconds: float = 360, **more: Any) -> Conversation:
    return make_conversation("made-up-call", START, seconds, **{"outcome": "answered", "channels": ["voice"], **more})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def document(made: Conversation, moment: datetime) -> dict[str, Any]:
    seen = made.at(moment)
    assert seen is not None
    return seen.analytics()


def assert_grown(earlier: Any, later: Any, where: str = "document") -> None:
    """Nothing that was there has gone or is another thing now."""
    if isinstance(earlier, dict):
        for name in earlier:
            assert name in later, f"{where}.{name}"
            assert_grown(earlier[name], later[name], f"{where}.{name}")
    elif isinstance(earlier, list):
        assert len(later) >= len(earlier), where
        for index, part in enumerate(earlier):
            assert_grown(part, later[index], f"{where}[{index}]")
    else:
        assert later == earlier or where.endswith(".state"), where


def metrics(shown: dict[str, Any], purpose: str) -> list[dict[str, int]]:
    """Of each participant with this purpose."""
    return [
        {metric["name"]: metric["value"] for metric in participant["sessions"][0]["metrics"]}
        for participant in shown["participants"]
        if participant["purpose"] == purpose
    ]


@given(conversations, looks)
def test_documents_of_all_endpoints_only_grow(made: Conversation, moments: list[datetime]) -> None:
    seen = [made.at(moment) for moment in sorted(moments)]
    for earlier, later in pairwise(seen):
        if earlier is not None:
            assert later is not None
            for show in (Conversation.analytics, Conversation.operational, Conversation.plain):
                assert_grown(show(earlier), show(later))


def times_in(shown: dict[str, Any]) -> set[str]:
    """Times are the only texts in a document that begin with a year."""
    return {text for text in json.dumps(shown).split('"') if text.startswith("2026-")}


@given(conversations)
def test_at_each_moment_nothing_is_shown_that_has_not_happened(made: Conversation) -> None:
    assert made.at(made.start - MILLISECOND) is None
    for text in times_in(made.analytics()):
        for moment in (parse_time(text), max(made.start, parse_time(text) - MILLISECOND)):
            seen = made.at(moment)
            assert seen is not None
            assert seen.at(moment) == seen
            assert max(times_in(seen.analytics())) <= utc_text(moment)


@given(conversations)
def test_the_end_appears_at_its_time_and_no_earlier(made: Conversation) -> None:
    if made.end is None:
        assert "conversationEnd" not in document(made, at(1_000_000))
    else:
        before = made.at(made.end - MILLISECOND)
        assert before is None or "conversationEnd" not in before.analytics()
        assert document(made, made.end)["conversationEnd"] == utc_text(made.end)


@given(conversations, st.integers(1, 40))
def test_as_many_events_are_sent_as_asked_for_in_order_while_it_goes_on(made: Conversation, count: int) -> None:
    sent = topics(made, count)
    assert len(sent) == count
    assert all(earlier[1] < later[1] for earlier, later in pairwise(sent))
    assert sent[0][1] >= made.start
    assert "customer.end" in [name for name, _ in sent]


@given(conversations)
def test_a_conversation_survives_the_way_to_the_simulator(made: Conversation) -> None:
    assert CONVERSATIONS.validate_json(CONVERSATIONS.dump_json([made])) == [made]


def test_a_call_of_six_minutes_sends_twelve_events_as_genesys_cloud_names_them() -> None:
    assert [name for name, _ in topics(call())] == [
        "customer.start",
        "flow.start",
        "attributes",
        "flow.end",
        "acd.start",
        "acd.end",
        "user.start",
        "attributes",
        "customer.end",
        "user.end",
        "wrapup",
        "acw",
    ]
    assert topics(call(), 12) == topics(call())
    assert [name for name, _ in topics(call(), 1)] == ["customer.end"]
    assert [name for name, _ in topics(call(), 4)] == ["customer.start", "user.start", "customer.end", "acw"]


def test_each_event_is_sent_when_the_details_begin_to_show_it() -> None:
    made = call(end_after=300.0)
    times = dict(topics(made))
    assert times["customer.end"] == made.hung_up == at(324)
    assert "segmentEnd" in document(made, times["customer.end"])["participants"][0]["sessions"][0]["segments"][0]
    assert "tAcw" not in metrics(document(made, times["acw"] - timedelta(seconds=1)), "agent")[0]
    assert "tAcw" in metrics(document(made, times["acw"]), "agent")[0]
    assert made.end == at(660)


def test_a_call_can_be_compressed() -> None:
    scaled = call(12)
    assert scaled.end == at(12)
    assert [round((moment - START).total_seconds() * 30) for _, moment in topics(scaled)] == pytest.approx(
        [round((moment - START).total_seconds()) for _, moment in topics(call())], abs=40
    )


def test_an_answered_call_shows_waiting_talking_and_after_call_work() -> None:
    shown = document(call(), at(1000))
    (queue,), (agent,) = metrics(shown, "acd"), metrics(shown, "agent")
    assert (queue["tAcd"], "tAbandon" in queue) == (30_000, False)
    assert agent["tTalk"] + agent.get("tHeld", 0) + 30_000 + agent["tAcw"] == 360_000 - 28_800
    assert [part["purpose"] for part in shown["participants"]] == ["customer", "acd", "agent"]
    wrap_up = shown["participants"][2]["sessions"][0]["segments"][-1]
    assert (wrap_up["segmentType"], bool(wrap_up["wrapUpCode"]), bool(wrap_up["queueId"])) == ("wrapup", True, True)


def test_a_transfer_has_two_queues_and_two_agents_and_is_counted_once() -> None:
    shown = document(call(outcome="transferred"), at(1000))
    assert [part["purpose"] for part in shown["participants"]] == ["customer", "acd", "agent", "acd", "agent"]
    assert [part.get("nTransferred") for part in metrics(shown, "agent")] == [1, None]
    assert len({part["userId"] for part in shown["participants"] if part["purpose"] == "agent"}) == 2


def test_an_abandoned_call_has_no_agent() -> None:
    shown = document(call(outcome="abandoned"), at(1000))
    assert [part["purpose"] for part in shown["participants"]] == ["customer", "acd"]
    assert metrics(shown, "acd")[0]["tAbandon"] == metrics(shown, "acd")[0]["tAcd"] == 30_000


def test_channels_are_added_while_it_goes_on() -> None:
    made = call(channels=["voice", "message"])
    assert [seen and seen.channels for seen in (made.at(START), made.at(at(360)))] == [("voice",), ("voice", "message")]


def test_an_id_nobody_told_of_has_ended_and_is_always_answered_alike() -> None:
    conversation.cache_clear()
    first = conversation("made-up-1")
    conversation.cache_clear()
    assert conversation("made-up-1") == first
    many = [conversation(f"made-up-{index}") for index in range(500)]
    assert len({one.start for one in many}) == 500
    assert all(datetime(2026, 1, 1, tzinfo=UTC) <= one.start < datetime(2026, 11, 1, tzinfo=UTC) for one in many)
    assert all(one.end is not None and one.end < datetime(2026, 11, 1, tzinfo=UTC) for one in many)


def test_every_kind_of_channel_and_outcome_occurs() -> None:
    many = [conversation(f"made-up-{index}") for index in range(500)]
    assert {channel for one in many for channel in one.channels} == set(get_args(Channel))
    assert {len(one.channels) for one in many} == {1, 2, 3}
    assert {(len(one.legs), one.legs[0].answered is None) for one in many} == {(1, False), (2, False), (1, True)}
    assert {one.legs[-1].hold is None for one in many} == {True, False}


def test_all_forms_of_a_conversation_agree_on_start_and_channels() -> None:
    one = next(c for c in (conversation(f"x{index}") for index in range(100)) if len(c.channels) == 3)
    analytics, operational, plain = one.analytics(), one.operational(), one.plain()
    media: list[str] = []
    for participant in analytics["participants"]:
        media += [session["mediaType"] for session in participant["sessions"]]
    assert list(dict.fromkeys(media)) == list(one.channels) == plain["channels"]
    assert analytics["conversationStart"] == operational["startTime"] == plain["startTime"]
    assert sum(isinstance(operational["participants"][0].get(kind), list) for kind in _KINDS) == 3
    json.dumps([analytics, operational, plain])


_KINDS = ("calls", "chats", "emails", "messages", "callbacks")


def test_what_was_told_last_counts() -> None:
    known = Conversations()
    known.tell([call(60), call(120)])
    assert known["made-up-call"] == call(120)
    assert known["another"] == conversation("another")
    assert known.seen("made-up-call", at(119)) == call(120).at(at(119))


def test_analytics_lags_behind_what_happened_and_the_operational_endpoint_does_not() -> None:
    simulator = Simulator(Options(plan=FaultPlan(analytics_lag_seconds=60, missing_prefix="missing-")))
    simulator.tell(call())
    assert simulator.seen("made-up-call", at(59.9)) is None
    assert simulator.seen("made-up-call", at(60)) == call().at(START)
    assert simulator.seen("made-up-call", at(400)) == call().at(at(340))
    assert simulator.seen("made-up-call", at(400), lagging=False) == call()
    assert simulator.seen("missing-1", at(400)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"[]x",
        b'[{"interaction_id": "a", "sessions": []}]',
        b'[{"interaction_id": "a", "sessions": [{"channel": "pigeon", "start": "2026-01-01T00:00:00Z"}]}]',
        b'[{"interaction_id": "a", "sessions": [{"channel": "voice", "start": "2026-01-01T00:00:00"}]}]',
    ],
)
def test_what_cannot_unfold_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        CONVERSATIONS.validate_json(body)
