"""The Genesys Cloud simulator over the network: as strict as the real thing."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from tests.support.stack import StartSimulator
from worker.events import utc_text
from worker.local.simulator.control import CONVERSATIONS
from worker.local.simulator.conversations import conversation, make_conversation
from worker.local.simulator.faults import FaultPlan
from worker.local.simulator.server import Options, Simulator

BATCH = "/api/v2/analytics/conversations/details"


class Client:
    """A plain HTTP client of one simulator."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self._simulator = simulator
        self._http = http
        self.token = ""

    async def log_in(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        options = self._simulator.options
        user, secret = changes.get("user", options.client_id), changes.get("secret", options.client_secret)
        headers = {"Authorization": aiohttp.encode_basic_auth(user, secret)}
        form = changes.get("form", {"grant_type": "client_credentials"})
        async with self._http.post(f"{self._simulator.url}/oauth/token", data=form, headers=headers) as answer:
            body = await answer.json()
            self.token = body.get("access_token", self.token)
            return answer.status, body

    async def get(
        self, path: str, *ids: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        if headers is None:
            headers = {"Authorization": f"Bearer {self.token}"}
        params = [("id", one) for one in ids]
        async with self._http.get(self._simulator.url + path, params=params, headers=headers) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        async with self._http.post(f"{self._simulator.url}/_simulator/{path}", json=body) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def client(simulator: Simulator, http: aiohttp.ClientSession) -> Client:
    made = Client(simulator, http)
    await made.log_in()
    return made


async def test_a_login_answers_with_a_bearer_token_and_its_lifetime(simulator: Simulator, client: Client) -> None:
    status, body = await client.log_in()
    assert status == 200
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 86_400
    assert simulator.stats.logins == 2


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"user": "somebody"}, 400, "invalid_client"),
        ({"secret": "wrong"}, 401, "invalid_client"),
        ({"form": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"form": {}}, 400, "unsupported_grant_type"),
        ({"form": b"no form"}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_login_is_told_what_is_wrong(
    client: Client, changes: dict[str, Any], status: int, error: str
) -> None:
    answered, body = await client.log_in(**changes)
    assert (answered, body["error"]) == (status, error)
    assert body["description"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "authentication.required"),
        ({"Authorization": "Basic abc"}, "authentication.required"),
        ({"Authorization": "Bearer made-up"}, "bad.credentials"),
    ],
)
async def test_a_request_without_a_good_token_is_401(client: Client, headers: dict[str, str], code: str) -> None:
    status, body, answer_headers = await client.get(BATCH, "a", headers=headers)
    assert (status, body["status"], body["code"]) == (401, 401, code)
    assert "ININ-Correlation-Id" in answer_headers


async def test_a_revoked_token_is_401_and_a_new_login_cures_it(simulator: Simulator, client: Client) -> None:
    assert (await client.get(BATCH, "a"))[0] == 200
    assert await client.post("revoke", {}) == (200, {"revoked": 1})
    assert (await client.get(BATCH, "a"))[0] == 401
    await client.log_in()
    assert (await client.get(BATCH, "a"))[0] == 200
    assert simulator.stats.statuses == {200: 2, 401: 1}


async def test_a_batch_of_a_hundred_is_answered_with_each_once(client: Client) -> None:
    ids = [f"made-up-{index}" for index in range(99)]
    status, body, _ = await client.get(BATCH, *ids, ids[0])
    answered = {one["conversationId"]: one["conversationStart"] for one in body["conversations"]}
    assert status == 200
    assert len(body["conversations"]) == 99
    assert answered == {one: utc_text(conversation(one).start) for one in ids}


@pytest.mark.parametrize("ids", [[], [f"made-up-{index}" for index in range(101)], ["good", "not/good"]])
async def test_no_ids_too_many_or_an_illegal_one_are_400(client: Client, ids: list[str]) -> None:
    status, body, _ = await client.get(BATCH, *ids)
    assert (status, body["code"]) == (400, "bad.request")


async def test_unknown_ids_are_left_out_of_a_batch_and_404_alone(
    start_simulator: StartSimulator, http: aiohttp.ClientSession
) -> None:
    client = Client(await start_simulator(Options(plan=FaultPlan(missing_prefix="missing-"))), http)
    await client.log_in()
    _, body, _ = await client.get(BATCH, "missing-1", "there")
    assert [one["conversationId"] for one in body["conversations"]] == ["there"]
    for path in ("/api/v2/analytics/conversations/missing-1/details", "/api/v2/conversations/missing-1"):
        status, body, _ = await client.get(path)
        assert (status, body["code"]) == (404, "not.found")


async def test_analytics_knows_a_conversation_only_after_its_lag_from_when_it_began(
    start_simulator: StartSimulator, http: aiohttp.ClientSession
) -> None:
    simulator = await start_simulator(Options(requests=100_000, plan=FaultPlan(analytics_lag_seconds=0.3)))
    client = Client(simulator, http)
    await client.log_in()
    began = datetime.now(UTC)
    simulator.tell(make_conversation("late", began, 60), make_conversation("old", began - timedelta(seconds=1), 60))
    assert [one["conversationId"] for one in (await client.get(BATCH, "late", "old"))[1]["conversations"]] == ["old"]
    assert (await client.get("/api/v2/conversations/late"))[0] == 200
    while not (await client.get(BATCH, "late"))[1]["conversations"]:
        assert datetime.now(UTC) - began < timedelta(seconds=20)
    # The simulator keeps times to the millisecond, so its 0.3 s may begin a millisecond before ours.
    assert datetime.now(UTC) - began >= timedelta(seconds=0.299)


async def test_a_conversation_told_over_the_network_gets_its_end_while_it_is_watched(
    start_simulator: StartSimulator, http: aiohttp.ClientSession
) -> None:
    client = Client(await start_simulator(Options(requests=100_000)), http)
    await client.log_in()
    start = datetime.now(UTC)
    told = make_conversation("unfolding", start, 0.5, end_after=0.5, outcome="answered")
    never = make_conversation("never-ending", start, 0.5, end_after=None)
    body = CONVERSATIONS.dump_python([told, never], mode="json")
    assert await client.post("conversations", body) == (200, {"told": 2})
    looks: list[dict[str, Any]] = []
    while not looks or "conversationEnd" not in looks[-1]:
        assert datetime.now(UTC) - start < timedelta(seconds=20)
        looks.append((await client.get("/api/v2/analytics/conversations/unfolding/details"))[1])
    assert told.end is not None
    assert datetime.now(UTC) >= told.end
    assert looks[-1] == told.analytics()
    assert "conversationEnd" not in (await client.get("/api/v2/analytics/conversations/never-ending/details"))[1]
    assert "endTime" not in (await client.get("/api/v2/conversations/never-ending"))[1]

    known = (await client.get("/_simulator/conversations/unfolding"))[1]
    assert known["conversation"] == CONVERSATIONS.dump_python([told], mode="json")[0]
    assert len(known["asked"]) == len(looks)


@pytest.mark.parametrize("body", [{}, [{"interaction_id": "a", "sessions": []}]])
async def test_what_is_no_conversation_is_not_told(client: Client, body: Any) -> None:
    status, answer = await client.post("conversations", body)
    assert status == 400
    assert answer["error"]


async def test_a_slow_answer_shows_what_was_there_when_it_was_asked_for(simulator: Simulator, client: Client) -> None:
    simulator.faults.plan = FaultPlan(slow_share=1, slow_seconds=1.2)
    start = datetime.now(UTC)
    told = make_conversation("asked-early", start, 60, end_after=None, channels=["voice"])
    ended = replace(told, end=told.start + timedelta(seconds=1))
    simulator.tell(ended)
    _, body, headers = await client.get(BATCH, "asked-early")
    (asked,) = simulator.stats.asked["asked-early"]
    assert asked < ended.start + timedelta(seconds=1)
    assert "conversationEnd" not in body["conversations"][0]
    # The header has whole seconds.
    assert parsedate_to_datetime(headers["Date"]) >= asked + timedelta(seconds=0.2)


async def test_it_is_noted_when_each_id_was_asked_for(simulator: Simulator, client: Client) -> None:
    before = datetime.now(UTC)
    await client.get(BATCH, "a", "b", "b")
    await client.get("/api/v2/conversations/a")
    simulator.throttle(30)
    await client.get(BATCH, "a")
    assert {name: len(times) for name, times in simulator.stats.asked.items()} == {"a": 2, "b": 1}
    assert simulator.stats.ids_asked == 3
    assert all(before <= moment <= datetime.now(UTC) for moment in simulator.stats.asked["a"])


async def test_a_request_beyond_the_limit_is_429_until_the_window_has_moved_on(
    start_simulator: StartSimulator, http: aiohttp.ClientSession
) -> None:
    client = Client(await start_simulator(Options(requests=3, window_seconds=1.0)), http)
    await client.log_in()
    first = time.monotonic()
    assert [(await client.get(BATCH, "a"))[0] for _ in range(3)] == [200] * 3
    status, body, headers = await client.get(BATCH, "a")
    assert (status, body["code"], headers["Retry-After"]) == (429, "too.many.requests.retry.after", "1")
    assert "[1] seconds" in body["message"]
    while (await client.get(BATCH, "a"))[0] == 429:
        assert time.monotonic() - first < 20
    assert time.monotonic() - first >= 1.0


async def test_a_throttle_refuses_everybody_and_counts_those_who_come_all_the_same(
    simulator: Simulator, client: Client
) -> None:
    simulator.throttle(30)
    status, _, headers = await client.get(BATCH, "a")
    assert status == 429
    assert 29 <= int(headers["Retry-After"]) <= 31
    assert simulator.stats.during_throttle == 0


async def test_errors_cut_off_bodies_and_an_outage_come_on_request(simulator: Simulator, client: Client) -> None:
    assert (await client.post("faults", {"error_share": 1}))[0] == 200
    assert (await client.get(BATCH, "a"))[0] in {500, 502, 503, 504}

    await client.post("faults", {"error_share": 0, "cut_off_share": 1})
    with pytest.raises(aiohttp.ClientError):
        await client.get(BATCH, "a")

    await client.post("faults", {"cut_off_share": 0, "outage": True})
    assert (await client.get(BATCH, "a"))[0] == 503
    assert (await client.log_in())[0] == 503
    await client.post("faults", {"outage": False, "poison_prefix": "poison"})
    assert (await client.get(BATCH, "a", "poison-1"))[0] == 500
    assert (await client.get(BATCH, "a"))[0] == 200
    assert simulator.stats.statuses[0] == 1


async def test_wrong_faults_change_nothing_and_say_why(simulator: Simulator, client: Client) -> None:
    status, body = await client.post("faults", {"error_share": 2})
    assert (status, body) == (400, {"error": "error_share: must be from 0 to 1"})
    assert (await client.post("faults", [1]))[0] == 400
    assert (await client.post("throttle", {}))[0] == 400
    assert simulator.faults.plan == FaultPlan()


async def test_the_stats_tell_requests_batches_and_logins(client: Client) -> None:
    await client.get(BATCH, "a", "b", "c")
    await client.get(BATCH, "a")
    await client.get("/api/v2/conversations/a")
    _, stats, _ = await client.get("/_simulator/stats")
    assert stats["requests"] == {"batch": 2, "conversation": 1}
    assert stats["batches"] == {"requests": 2, "ids": 4, "mean": 2.0, "largest": 3}
    assert (stats["logins"], stats["tokens"], stats["rate_limited"], stats["ids_answered"]) == (1, 1, 0, 5)
    assert (stats["ids_asked"], stats["interactions_asked"]) == (5, 3)
    await client.post("reset", {})
    assert (await client.get("/_simulator/stats"))[1]["requests_total"] == 0


async def test_the_path_of_the_template_answers_the_plain_fields(client: Client) -> None:
    _, body, _ = await client.get("/api/v2/interactions/events/details/made-up")
    expected = conversation("made-up")
    assert body == {
        "interactionId": "made-up",
        "startTime": utc_text(expected.start),
        "channels": list(expected.channels),
    }


async def test_another_path_of_the_api_is_404(client: Client) -> None:
    assert (await client.get("/api/v2/users/me"))[0] == 404
