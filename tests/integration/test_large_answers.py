"""Large answers, and what they may take of the process."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.large_answers import ANSWERS
from worker.clock import SystemClock
from worker.errors import InteractionUnavailable, Invalid, NotReady, Unauthorized, Unavailable
from worker.fleet.token import LoginFailed
from worker.genesys.answer import Answer, Answered, Suspect, Throttled
from worker.genesys.answer_memory import AnswerMemory
from worker.genesys.client import Client
from worker.genesys.login import log_in
from worker.ports import Details

MOST_CPU_SECONDS = 0.5
"""The longest that anything may hold up the event loop. As CPU time, so that a busy machine does not count."""

HUGE = b'"' + b"x" * 10 * 2**20 + b'"'


@asynccontextmanager
async def api(status: int, body: bytes, **headers: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A session, and the URL of a server that always answers like this."""

    async def reply(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    application = web.Application()
    application.add_routes([web.route("*", "/{rest:.*}", reply)])
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield session, str(server.make_url("")).rstrip("/")


async def ask(kind: str, **options: Any) -> Answer:
    """What comes of an answer of this kind."""
    async with api(200, ANSWERS[kind]) as (session, url):
        return await Client(session, url, None, SystemClock(), **options).ask(["ID"], "token")


class Busy:
    """The most CPU time that the event loop's thread spent from one turn of a task to the next."""

    def __init__(self) -> None:
        self.most = 0.0

    async def watch(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            self.most = max(self.most, time.thread_time() - before)


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("documents", [True, False])
async def test_no_answer_holds_up_the_event_loop(kind: str, documents: bool) -> None:
    gc.collect()
    busy = Busy()
    watching = asyncio.create_task(busy.watch())
    await ask(kind, standard=True, documents=documents)
    watching.cancel()
    assert busy.most < MOST_CPU_SECONDS


@pytest.mark.parametrize("kind", ANSWERS)
async def test_what_would_grow_too_much_is_the_fault_of_its_ids(kind: str) -> None:
    answer = await ask(kind)
    if kind in {"objects", "lists"}:
        assert isinstance(answer, Suspect)
        assert isinstance(answer.error, Invalid)
        assert "bytes of memory" in str(answer.error)
    else:
        assert isinstance(answer, Answered)
        assert isinstance(answer.results["ID"], Details)


async def test_a_document_counts_for_as_long_as_it_is_held_and_is_dropped_when_nobody_needs_it() -> None:
    memory = AnswerMemory()
    free = memory.parsing.free
    answer = await ask("large", memory=memory)
    assert isinstance(answer, Answered)
    details = answer.results["ID"]
    assert isinstance(details, Details)
    assert len(details.document["participants"]) > 1000
    assert free - memory.parsing.free > len(ANSWERS["large"])
    del answer, details
    await asyncio.sleep(0)
    assert memory.parsing.free == free
    answer = await ask("large", memory=memory, documents=False)
    assert isinstance(answer, Answered)
    details = answer.results["ID"]
    assert isinstance(details, Details)
    assert not details.document
    assert memory.parsing.free == free


async def test_an_answer_waits_until_attempts_let_documents_go() -> None:
    memory = AnswerMemory()
    async with api(200, ANSWERS["large"]) as (session, url):
        client = Client(session, url, None, SystemClock(), memory=memory)
        asked = [asyncio.create_task(client.ask(["ID"], "token")) for _ in range(4)]
        waiting = set(asked)
        while len(waiting) > 2:
            _, waiting = await asyncio.wait(waiting, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert len(waiting) == 2
        assert memory.parsing.free < 30 * 2**20  # which is room for no other one
        asked.clear()
        del _
        await asyncio.wait(waiting, timeout=60)
        assert all(isinstance(one.result(), Answered) for one in waiting)


async def test_an_answer_that_is_not_wanted_gives_back_what_it_took() -> None:
    memory = AnswerMemory()
    free = memory.parsing.free, memory.reading.free
    broken = ANSWERS["large"][:-100]
    async with api(200, broken) as (session, url):
        client = Client(session, url, None, SystemClock(), memory=memory)
        answer = await client.ask(["ID"], "token")
        assert isinstance(answer, Suspect)
        assert isinstance(answer.error, InteractionUnavailable)
    async with api(200, ANSWERS["large"]) as (session, url):
        client = Client(session, url, None, SystemClock(), memory=memory)
        answer = await client.ask(["another"], "token")
        assert isinstance(answer, Answered)
        assert isinstance(answer.results["another"], NotReady)
    assert (memory.parsing.free, memory.reading.free) == free


async def test_the_body_of_an_error_is_read_no_further_than_an_error_is_long() -> None:
    for status, kind in ((429, Throttled), (403, Suspect), (503, Suspect)):
        async with api(status, HUGE) as (session, url):
            answer = await Client(session, url, None, SystemClock()).ask(["ID"], "token")
            assert isinstance(answer, kind)


@pytest.mark.parametrize(("status", "error"), [(200, Unavailable), (401, Unauthorized), (500, Unavailable)])
async def test_the_answer_to_a_login_is_read_no_further_than_one_is_long(status: int, error: type[Exception]) -> None:
    async with api(status, HUGE) as (session, url):
        answer = await log_in(session, url, "client", "secret", SystemClock())
    assert isinstance(answer, LoginFailed)
    assert isinstance(answer.error, error)
