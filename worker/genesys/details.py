"""Calls gathered into as few requests as the allowance makes sensible.

An idle system sends a call at once. While the allowance is awaited calls gather, up to the batch size.

A call is in one place at a time: it waits for a request, or it is part of a batch in flight. Only a call that waits for
its first request is joined by later callers: an answer to a request that was sent already may be older than the event
that they ask for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_never

import structlog

from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.errors import AttemptError, InteractionUnavailable, Invalid, Unauthorized, Unavailable, Unexpected
from worker.events import INTERACTION_ID, made_up_id
from worker.fleet.allowance import Allowance, Demand, Permit
from worker.fleet.dependency import Dependency
from worker.fleet.gate import Gate
from worker.fleet.token import LoginFailed, Tokens
from worker.genesys.answer import Answer, Answered, Refused, Suspect, Throttled, TokenRefused, Unreachable
from worker.genesys.batch import Batch, Call
from worker.genesys.calls import Calls
from worker.ports import Details, Metrics

MOST_REQUESTS = 64
"""Requests in flight at once; bounds connections and the memory for answers."""

PROBE_TIMEOUT_SECONDS = 10.0
"""After so long without an answer a probe has failed, so that a dependency that hangs is noticed soon."""

Ask = Callable[[list[str], str], Awaitable[Answer]]
"""One request for these ids with this access token, as `client.Client.ask`."""

log = structlog.get_logger()


class Batching:
    """Turns calls for single interactions into requests."""

    def __init__(
        self,
        ask: Ask,
        tokens: Tokens,
        allowance: Allowance,
        *,
        gate: Gate,
        genesys: Dependency,
        metrics: Metrics,
        clock: Clock,
        size: int,
        longest_wait: float,
    ) -> None:
        """`size` is how many ids a request carries at most, `longest_wait` how long a call waits (seconds)."""
        self._ask = ask
        self._tokens = tokens
        self._allowance = allowance
        self._gate = gate
        self._genesys = genesys
        self._metrics = metrics
        self._clock = clock
        self._calls = Calls(size, longest_wait)
        self._in_flight: dict[asyncio.Task[None], Batch] = {}
        self._free = asyncio.Semaphore(MOST_REQUESTS)
        self._dispatcher: asyncio.Task[None] | None = None
        self._probe_waits = asyncio.Event()

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """As ports.DetailsSource.fetch, but that a failure of Genesys Cloud itself is not waited out."""
        if not INTERACTION_ID.match(interaction_id):
            return Invalid("the interaction id is not of [A-Za-z0-9_-]{1,64}")
        call = self._calls.join(interaction_id, self._clock.time(), alone=alone)
        if self._calls.has_new_batch or alone:
            self._allowance.poke()
        self._ensure_dispatcher()
        return await self._wait(call)

    async def probe(self) -> None:
        """Ask for a made-up id, whether the gate is open or not. The dependency is told what came of it."""
        call = Call(made_up_id(), self._clock.time())
        self._calls.add_probe(call)
        self._probe_waits.set()
        self._allowance.poke()
        self._ensure_dispatcher()
        await self._wait(call)

    async def _wait(self, call: Call) -> Details | AttemptError:
        waiter: asyncio.Future[Details | AttemptError] = asyncio.get_running_loop().create_future()
        call.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in call.waiters:
                call.waiters.remove(waiter)
            if not call.waiters:
                self._calls.leave(call)
            raise

    async def close(self) -> None:
        """Stop what is under way; callers that still wait are cancelled."""
        calls = [call for batch in self._in_flight.values() for call in batch.all_calls()]
        # First of all, so that the end of a request finds nothing to go on with.
        calls += self._calls.drain()
        await cancel_and_wait(*self._in_flight, *([self._dispatcher] if self._dispatcher else []))
        for call in calls:
            call.cancel()

    def _ensure_dispatcher(self) -> None:
        if self._dispatcher is None and self._calls:
            self._dispatcher = asyncio.create_task(self._dispatch(), name="details-dispatcher")
            self._dispatcher.add_done_callback(self._dispatched)

    def _dispatched(self, task: "asyncio.Task[None]") -> None:
        """Nothing waits any more; or the dispatcher failed, and nobody may go on waiting for it."""
        self._dispatcher = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("details_dispatcher_failed", exc_info=error)
            self._calls.fail(Unexpected(f"details dispatcher: {type(error).__name__}"))
        self._ensure_dispatcher()

    async def _dispatch(self) -> None:
        """Send requests for as long as calls wait."""
        while self._calls:
            await self._free.acquire()
            try:
                next_one = await self._next_batch()
            except BaseException:
                self._free.release()
                raise
            if next_one is None:
                self._free.release()
                continue
            batch, permit = next_one
            task = asyncio.create_task(self._request(batch, permit), name="details-request")
            self._in_flight[task] = batch
            task.add_done_callback(self._requested)

    def _requested(self, task: "asyncio.Task[None]") -> None:
        del self._in_flight[task]
        self._free.release()
        self._ensure_dispatcher()

    async def _next_batch(self) -> tuple[Batch, Permit] | None:
        """What the next request asks for, now that it may be sent; None when nothing waits any more."""
        if not self._may_send:
            await self._hold()
        token = await self._tokens.get()  # before the permit, which would be late after a login
        if isinstance(token, LoginFailed):
            if token.pause_seconds is None:
                self._genesys.failed(token.error.name, str(token.error), probe=self._calls.has_probe)
                self._calls.fail(token.error)
                return None
            await self._allowance.pause(token.pause_seconds)
        started = self._clock.monotonic()
        if (permit := await self._allowance.acquire(self._update_demand)) is None:
            return None
        self._metrics.allowance_wait(self._clock.monotonic() - started)
        if not self._may_send:
            return None
        batch = self._calls.take(self._clock.time(), probes_only=not self._gate.may_ask)
        return None if batch is None else (batch, permit)

    async def _hold(self) -> None:
        """Until the gate is open, or a probe waits and no pause holds. What others can do better is handed back."""
        self._calls.hold(self._clock.time())
        while not self._may_send:
            if self._genesys.others_work:
                self._calls.fail(Unavailable("this worker gets no answers from Genesys Cloud, and others do"))
            self._probe_waits.clear()
            changes = (self._gate.changed(), self._probe_waits.wait(), self._genesys.changed())
            waits = [asyncio.ensure_future(change) for change in changes]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel_and_wait(*waits)
        self._calls.go_on(self._clock.time())

    @property
    def _may_send(self) -> bool:
        return self._gate.may_ask or (self._calls.has_probe and not self._gate.paused)

    def _update_demand(self) -> Demand:
        """Give up the calls that waited too long or that nobody waits for, and say what waits then."""
        now = self._clock.time()
        may_ask = self._gate.may_ask
        if may_ask:
            self._calls.give_up(now)
        return self._calls.demand(now, self._allowance.gather_seconds, probes_only=not may_ask)

    async def _request(self, batch: Batch, permit: Permit) -> None:
        """Ask for the batch, and see to everything that follows from the answer."""
        try:
            token = await self._tokens.get()
            if isinstance(token, LoginFailed):
                await self._no_token(batch, token)
                return
            self._metrics.batch(len(batch.calls))
            sent_at = self._clock.monotonic()
            try:
                answer = await self._ask_in_time(batch, token.text)
            finally:
                self._allowance.answered(permit)
            self._tell(answer, sent_at, batch)
            await self._follow(batch, token.text, answer)
        except Exception as error:
            log.exception("details_request_failed")
            self._end_part(batch, Unexpected(f"details request: {type(error).__name__}"))

    async def _ask_in_time(self, batch: Batch, token: str) -> Answer:
        ids = [call.interaction_id for call in batch.calls]
        if not batch.is_probe:
            return await self._ask(ids, token)
        try:
            async with self._clock.timeout(PROBE_TIMEOUT_SECONDS):
                return await self._ask(ids, token)
        except TimeoutError:
            return Suspect(InteractionUnavailable(f"no answer within {PROBE_TIMEOUT_SECONDS:g} s"), None)

    def _tell(self, answer: Answer, sent_at: float, batch: Batch) -> None:
        """Let the gate know what the answer says of Genesys Cloud itself."""
        match answer:
            case Suspect(error=InteractionUnavailable() as error):
                self._fail(Unauthorized(str(error)) if answer.is_refusal else Unavailable(str(error)), batch)
            case Refused(error=error) | Unreachable(error=error):
                self._fail(error, batch)
            case TokenRefused():
                pass  # a new token may cure it
            case _:
                self._genesys.answered(sent_at)

    def _fail(self, error: AttemptError, batch: Batch) -> None:
        self._genesys.failed(error.name, str(error), probe=batch.is_probe, suspect=batch.is_suspect)

    async def _no_token(self, batch: Batch, failed: LoginFailed) -> None:
        if failed.pause_seconds is None:
            self._fail(failed.error, batch)
            self._end_part(batch, failed.error)
        else:
            await self._ask_again(batch, failed.pause_seconds)

    async def _follow(self, batch: Batch, token: str, answer: Answer) -> None:
        """Decide what an answer means for the batch, the token and the allowance."""
        match answer:
            case Answered(results=results):
                self._tokens.confirm(token)
                for call in batch.calls:
                    missing = InteractionUnavailable("Genesys Cloud's answer lacks the interaction")
                    call.resolve(results.get(call.interaction_id) or missing)
                self._go_on(batch)
            case Throttled(pause_seconds=seconds):
                await self._ask_again(batch, seconds)
            case TokenRefused(detail=detail):
                self._tokens.discard(token)
                if batch.token_refused:
                    error = Unauthorized(f"{detail}, with a fresh token too")
                    self._fail(error, batch)
                    self._end_part(batch, error)
                else:
                    batch.token_refused = True
                    self._go_on(batch)
            case Suspect():
                batch.bisect(answer)
                if self._gate.may_ask:
                    self._go_on(batch)
                else:
                    batch.end_in_doubt()
            case Refused(error=error) | Unreachable(error=error):
                self._end_part(batch, error)
            case _:
                assert_never(answer)

    async def _ask_again(self, batch: Batch, pause_seconds: float) -> None:
        """Once the fleet may ask again."""
        await self._allowance.pause(pause_seconds)
        self._go_on(batch)

    def _end_part(self, batch: Batch, error: AttemptError) -> None:
        for call in batch.calls:
            call.resolve(error)
        self._go_on(batch)

    def _go_on(self, batch: Batch) -> None:
        """Ask for what is left of the batch, if anything is."""
        self._calls.ask_again(batch, self._clock.time())
