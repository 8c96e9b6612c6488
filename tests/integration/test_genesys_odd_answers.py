"""Answers that a well-behaved server would not give, over the network."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.support.fakes import RecordingMetrics
from tests.support.genesys_details import details_of_worker
from tests.support.genesys_fleet import ELSEWHERE, assert_failed
from worker.clock import SystemClock
from worker.errors import InteractionUnavailable, Invalid, NotReady, RateLimited
from worker.fleet.memory import MemoryCache
from worker.genesys import responses
from worker.genesys.service import GenesysDetails
from worker.ports import Details
from worker.settings import Settings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OpenWith = Callable[..., AbstractAsyncContextManager[tuple[GenesysDetails, list[web.Request]]]]

GOOD = {
    "conversationStart": "2026-01-02T03:04:05.678Z",
    "participants": [{"sessions": [{"mediaType": "voice"}]}],
}


@pytest.fixture
def opened() -> OpenWith:
    """A worker whose API answers with the given handler, and the API requests that it sent."""

    @asynccontextmanager
    async def opened(answer: Answer, **changes: Any) -> AsyncIterator[tuple[GenesysDetails, list[web.Request]]]:
        requests: list[web.Request] = []

        async def api(request: web.Request) -> web.StreamResponse:
            requests.append(request)
            return await answer(request)

        async def login(_: web.Request) -> web.Response:
            return web.json_response({"access_token": f"token-{len(requests)}", "expires_in": 86_400})

        application = web.Application()
        application.add_routes([web.post("/oauth/token", login), web.get("/api/{rest:.*}", api)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        values: dict[str, Any] = {
            **ELSEWHERE,
            "genesys_login_url": url,
            "genesys_api_url": url,
            "genesys_client_id": "client",
            "genesys_client_secret": "secret",
            "genesys_requests_per_minute": 100_000,
            **changes,
        }
        try:
            async with details_of_worker(Settings(**values), MemoryCache(SystemClock()), RecordingMetrics()) as details:
                yield details, requests
        finally:
            await runner.cleanup()

    return opened


def always(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


def error(status: int, code: str) -> Answer:
    return always(status, {"code": code, "message": "not logged", "status": status})


def ids_of(request: web.Request) -> list[str]:
    return request.query.getall("id")


async def test_a_refused_single_id_is_invalid(opened: OpenWith) -> None:
    async with opened(error(400, "bad.request")) as (details, _):
        assert_failed(await details.fetch("id-1"), Invalid, r"400 bad\.request")


async def test_one_id_that_a_batch_is_refused_for_is_the_only_one_to_suffer(opened: OpenWith) -> None:
    async def answer(request: web.Request) -> web.Response:
        if "bad" in ids_of(request):
            return web.json_response({"code": "bad.request"}, status=400)
        return web.json_response({"conversations": [{"conversationId": one, **GOOD} for one in ids_of(request)]})

    async with opened(answer) as (details, _):
        names = [*(f"id-{n}" for n in range(60)), "bad", *(f"id-{n}" for n in range(60, 99))]
        results = await asyncio.gather(*(details.fetch(one) for one in names))
        failed = {one: result for one, result in zip(names, results, strict=True) if not isinstance(result, Details)}
        assert list(failed) == ["bad"]
        assert isinstance(failed["bad"], Invalid)


async def test_malformed_entries_of_a_batch_harm_only_themselves(opened: OpenWith) -> None:
    entries: list[Any] = [
        None,
        5,
        [],
        {"conversationId": 7},
        {"conversationId": "unasked", **GOOD},
        {"conversationId": "no-start"},
        {"conversationId": "bad-start", "conversationStart": "yesterday"},
        {"conversationId": "odd", **GOOD, "participants": [None, {"sessions": [None, {"mediaType": 3}, {}]}, "x"]},
        {"conversationId": "twice", "conversationStart": None},
        {"conversationId": "twice", **GOOD},
    ]
    async with opened(always(200, {"conversations": entries, "more": {"x": 1}})) as (details, requests):
        names = ["no-start", "bad-start", "odd", "twice", "left-out"]
        results = await asyncio.gather(*(details.fetch(one) for one in names))
        found = dict(zip(names, results, strict=True))
        assert isinstance(found["no-start"], Invalid)
        assert isinstance(found["bad-start"], Invalid)
        assert isinstance(found["left-out"], NotReady)
        assert isinstance(found["odd"], Details)
        assert found["odd"].channels == ()
        assert isinstance(found["twice"], Details)
        assert found["twice"].channels == ("voice",)
        assert len(requests) == 1


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", '{"conversations": 5}', '{"conversations": [', "nul", "[" * 100_000]
)
async def test_a_malformed_body_is_no_answer(opened: OpenWith, body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    async with opened(answer) as (details, _):
        assert_failed(await details.fetch("id-1"), InteractionUnavailable, "not the JSON expected")


async def test_a_redirect_is_not_followed_as_the_token_would_go_along(opened: OpenWith) -> None:
    async with opened(always(302, {}, {"Location": "/api/elsewhere"})) as (details, requests):
        assert_failed(await details.fetch("id-1"), InteractionUnavailable, "302")
        assert len(requests) == 1


@pytest.mark.parametrize("header", [None, "soon"])
async def test_a_429_without_a_readable_retry_after_pauses_too(opened: OpenWith, header: str | None) -> None:
    answer = always(429, {"code": "too.many.requests"}, {"Retry-After": header} if header else None)
    async with opened(answer, allowance_wait_seconds=0.2) as (details, requests):
        assert_failed(await details.fetch("id-1"), RateLimited, "no request allowance within")
        assert len(requests) == 1


async def test_an_answer_of_many_megabytes_is_read(opened: OpenWith) -> None:
    filling = [{"segmentType": "interact", "text": "x" * 20, "number": number} for number in range(1000)]

    async def answer(request: web.Request) -> web.Response:
        conversations = [{"conversationId": one, **GOOD, "filling": filling} for one in ids_of(request)]
        return web.Response(body=await asyncio.to_thread(lambda: json.dumps({"conversations": conversations}).encode()))

    async with opened(answer) as (details, requests):
        await details.fetch("warm-up")
        results = await asyncio.gather(*(details.fetch(f"id-{number}") for number in range(100)))
    assert all(isinstance(result, Details) and result.channels == ("voice",) for result in results)
    assert len(requests) == 2


async def test_an_answer_that_is_too_large_is_asked_for_in_parts(
    opened: OpenWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "BODY_LIMIT", 20_000)

    async def answer(request: web.Request) -> web.Response:
        filling = {"huge": 30_000}
        conversations = [
            {"conversationId": one, **GOOD, "filling": "x" * filling.get(one, 300)} for one in ids_of(request)
        ]
        return web.json_response({"conversations": conversations})

    async with opened(answer) as (details, _):
        names = ["huge", *(f"id-{number}" for number in range(99))]
        results = await asyncio.gather(*(details.fetch(one) for one in names))
        assert isinstance(results[0], Invalid)
        assert all(isinstance(result, Details) for result in results[1:])


@pytest.mark.parametrize("field", ["conversationId", "id", "interactionId"])
@pytest.mark.parametrize("value", ["id-2", "", 7])
async def test_an_answer_for_another_interaction_is_no_answer(opened: OpenWith, field: str, value: Any) -> None:
    body = {"startTime": "2026-01-02T03:04:05.678Z", "id": "id-1", field: value}
    async with opened(always(200, body), genesys_details_path="/api/of/my/own/{interactionId}") as (details, _):
        assert_failed(await details.fetch("id-1"), InteractionUnavailable, "for another interaction")


@pytest.mark.parametrize(
    "named", [{}, {"id": "id-1"}, {"id": None}, {"interactionId": "id-1", "conversationId": "id-1"}]
)
async def test_an_answer_that_names_the_interaction_or_none_is_taken(opened: OpenWith, named: dict[str, Any]) -> None:
    body = {"startTime": "2026-01-02T03:04:05.678Z", **named}
    async with opened(always(200, body), genesys_details_path="/api/of/my/own/{interactionId}") as (details, _):
        assert isinstance(await details.fetch("id-1"), Details)


@pytest.mark.parametrize("code", ["4111 1111", "x" * 5000, "bad.request\n", "Bad.Request", "BAD"])
async def test_a_code_that_is_not_of_genesys_cloud_is_not_quoted(opened: OpenWith, code: str) -> None:
    async with opened(error(400, code)) as (details, _):
        assert_failed(await details.fetch("id-1"), Invalid, r"answered 400 another code\Z")
