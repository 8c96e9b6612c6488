"""Calls for details in virtual time: the real token, allowance and batching, and an API that answers as told."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_time import VirtualClock, run_virtually
from worker.cancellation import cancel_and_wait
from worker.errors import AttemptError
from worker.fleet.allowance import Allowance
from worker.fleet.gate import Gate
from worker.fleet.ledger import Pace
from worker.fleet.memory import MemoryCache
from worker.fleet.sealed import TokenDocument
from worker.fleet.token import LoginAnswer, LoginFailed, Token, Tokens
from worker.genesys.answer import Answer, Answered
from worker.genesys.details import MOST_REQUESTS, Batching
from worker.ports import Details
from worker.runtime.holding import HeldDetails

START = datetime(2026, 1, 1, tzinfo=UTC)


class Rig:
    """Calls for details of an API that takes 3 s for each request, in batches of ten."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.asked: list[list[str]] = []
        self.tokens_used: list[str] = []
        self.seconds = 3.0
        self.answer: Callable[[list[str]], Answer] = self.good
        self.logins = 0
        self.login_failure: LoginFailed | None = None
        cache = MemoryCache(self.clock)
        metrics = self.recorder = RecordingMetrics()
        self.tokens = Tokens(
            TokenDocument(cache, client="client", client_id="id", secret="secret"), self.log_in, metrics, self.clock
        )
        allowance = self.allowance = Allowance(cache, "allowance", Pace(600_000), metrics, self.clock)
        self.gate = Gate(cache, "client", metrics, self.clock)
        self.genesys = self.gate.dependency("genesys", "settings")
        self.batching = Batching(
            self.ask,
            self.tokens,
            allowance,
            gate=self.gate,
            genesys=self.genesys,
            metrics=metrics,
            clock=self.clock,
            size=10,
            longest_wait=60,
        )
        self.genesys.probe = self.batching.probe
        self.details = HeldDetails(self.batching, self.genesys, self.clock)
        self._gate_runs = asyncio.create_task(self.gate.run())

    async def log_in(self) -> LoginAnswer:
        self.logins += 1
        now = self.clock.time()
        return self.login_failure or Token(f"token-{self.logins}", now, now + 86_400)

    async def ask(self, ids: list[str], token: str) -> Answer:
        self.asked.append(ids)
        self.tokens_used.append(token)
        sent_at = datetime.fromtimestamp(self.clock.time(), UTC)
        try:
            await self.clock.sleep(self.seconds)
        finally:
            await asyncio.sleep(0)  # a connection takes a turn of the loop to end, also after a cancellation
        answer = self.answer(ids)
        if isinstance(answer, Answered) and not answer.results:
            return Answered({one: Details(START, ("voice",), asked_at=sent_at) for one in ids})
        return answer

    @staticmethod
    def good(_: list[str]) -> Answer:
        """Stands for details of every id."""
        return Answered({})

    def once(self, answer: Answer) -> None:
        """Answer the next request like this, and good the ones after it."""

        def first(_: list[str]) -> Answer:
            self.answer = self.good
            return answer

        self.answer = first

    def start(self, *ids: str) -> "list[asyncio.Task[Details | AttemptError]]":
        return [asyncio.create_task(self.batching.fetch(one)) for one in ids]

    def start_held(self, *ids: str) -> "list[asyncio.Task[Details | AttemptError]]":
        """As a slot asks: an outage is waited out."""
        return [asyncio.create_task(self.details.fetch(one)) for one in ids]

    async def requests(self, number: int) -> None:
        """Wait until so many requests were sent."""
        async with self.clock.timeout(600):
            while len(self.asked) < number:
                await self.clock.sleep(0.01)

    async def finish(self) -> None:
        """Wait until nothing is under way; then nothing may be kept either."""
        batching = self.batching
        async with self.clock.timeout(600):
            while batching._dispatcher is not None or batching._in_flight:
                await self.clock.sleep(0.01)
        assert not batching._calls
        assert batching._free._value == MOST_REQUESTS
        await cancel_and_wait(self._gate_runs)
        await batching.close()
        await self.tokens.close()


def virtually(test: Callable[[Rig], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test with a rig, in virtual time: a call that is lost raises StuckError at once."""

    async def main() -> None:
        rig = Rig()
        await test(rig)
        await rig.finish()

    return lambda: run_virtually(main())


def details_of(result: Details | AttemptError) -> Details:
    assert isinstance(result, Details), result
    return result
