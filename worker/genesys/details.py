"""Calls gathered into as few requests as the allowance makes sensible.

An idle system sends a call at once. While the allowance is awaited calls gather, up to the batch size.

A call is in one place at a time: it waits for its first request, or it is part of a batch. A batch is in flight, or
waits to be asked for again. Only a call that waits for its first request is joined by later callers: an answer to a
request that was sent already may be older than the event that they ask for.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice, takewhile
from typing import assert_never

import structlog

from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.errors import AttemptError, Invalid, RateLimited, Unauthorized, Unavailable, Unexpected
from worker.events import INTERACTION_ID
from worker.fleet.allowance import Allowance, Demand, Permit
from worker.fleet.token import LoginFailed, Tokens
from worker.genesys.answer import Answer, Answered, Refused, Suspect, Throttled, TokenRefused, Unreachable
from worker.genesys.batch import Batch, Call
from worker.ports import Details, Metrics

MOST_REQUESTS = 64
"""Requests in flight at once; bounds connections and the memory for answers."""

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
        metrics: Metrics,
        clock: Clock,
        *,
        size: int,
        longest_wait: float,
    ) -> None:
        """`size` is how many ids a request carries at most, `longest_wait` how many seconds a call waits for one."""
        self._ask = ask
        self._tokens = tokens
        self._allowance = allowance
        self._metrics = metrics
        self._clock = clock
        self._size = size
        self._longest_wait = longest_wait
        self._waiting: dict[str, Call] = {}
        """For their first request, the oldest first."""
        self._retries: deque[Batch] = deque()
        self._in_flight: dict[asyncio.Task[None], Batch] = {}
        self._free = asyncio.Semaphore(MOST_REQUESTS)
        self._dispatcher: asyncio.Task[None] | None = None

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:  # noqa: ARG002
        """As ports.DetailsSource.fetch."""
        if not INTERACTION_ID.match(interaction_id):
            return Invalid("the interaction id is not of [A-Za-z0-9_-]{1,64}")
        call = self._waiting.get(interaction_id) or self._new_call(interaction_id)
        waiter: asyncio.Future[Details | AttemptError] = asyncio.get_running_loop().create_future()
        call.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in call.waiters:
                call.waiters.remove(waiter)
            if not call.waiters and self._waiting.get(interaction_id) is call:
                del self._waiting[interaction_id]
            raise

    async def close(self) -> None:
        """Stop what is under way; callers that still wait are cancelled."""
        batches = [*self._retries, *self._in_flight.values()]
        calls = [*self._waiting.values(), *(call for batch in batches for call in batch.all_calls())]
        # First of all, so that the end of a request finds nothing to go on with.
        self._waiting.clear()
        self._retries.clear()
        await cancel_and_wait(*self._in_flight, *([self._dispatcher] if self._dispatcher else []))
        for call in calls:
            call.cancel()

    def _new_call(self, interaction_id: str) -> Call:
        call = self._waiting[interaction_id] = Call(interaction_id, self._clock.time())
        if len(self._waiting) % self._size in {0, 1}:
            self._allowance.poke()
        self._ensure_dispatcher()
        return call

    def _ensure_dispatcher(self) -> None:
        if self._dispatcher is None and (self._waiting or self._retries):
            self._dispatcher = asyncio.create_task(self._dispatch(), name="details-dispatcher")
            self._dispatcher.add_done_callback(self._dispatched)

    def _dispatched(self, task: "asyncio.Task[None]") -> None:
        """Nothing waits any more; or the dispatcher failed, and nobody may go on waiting for it."""
        self._dispatcher = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("details_dispatcher_failed", exc_info=error)
            self._fail_queued(Unexpected(f"details dispatcher: {type(error).__name__}"))
        self._ensure_dispatcher()

    async def _dispatch(self) -> None:
        """Send requests for as long as calls wait."""
        while self._waiting or self._retries:
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
        token = await self._tokens.get()  # before the permit, which would be late after a login
        if isinstance(token, LoginFailed):
            if token.pause_seconds is None:
                self._fail_queued(token.error)
                return None
            await self._allowance.pause(token.pause_seconds)
        started = self._clock.monotonic()
        if (permit := await self._allowance.acquire(self._update_demand)) is None:
            return None
        self._metrics.allowance_wait(self._clock.monotonic() - started)
        batch = self._take_batch()
        return None if batch is None else (batch, permit)

    def _update_demand(self) -> Demand:
        """Give up the calls that waited too long or that nobody waits for, and say what waits then."""
        now = self._clock.time()
        self._hand_back(now)
        self._retries = deque(batch for batch in self._retries if batch.drop_unawaited())
        if self._retries:
            since = min(call.since for batch in self._retries for call in batch.all_calls())
            return Demand(len(self._retries), True, 1.0, since, since + self._longest_wait)
        waiting = len(self._waiting)
        if not waiting:
            return Demand(0, False, 0.0, now, now)
        since = next(iter(self._waiting.values())).since
        full = waiting >= self._size or now - since >= self._allowance.gather_seconds
        return Demand(max(1, waiting // self._size), full, waiting / self._size, since, since + self._longest_wait)

    def _hand_back(self, now: float) -> None:
        """Give up the calls that have waited for the longest time that is allowed."""

        def is_late(call: Call) -> bool:
            return call.since + self._longest_wait <= now

        in_batches = [call for batch in self._retries for call in batch.all_calls() if is_late(call)]
        waiting = list(takewhile(is_late, self._waiting.values()))
        for call in waiting:
            del self._waiting[call.interaction_id]
        for call in [*in_batches, *waiting]:
            call.resolve(RateLimited(f"no request allowance within {self._longest_wait:g} s"))

    def _take_batch(self) -> Batch | None:
        while self._retries:
            batch = self._retries.popleft()
            if batch.drop_unawaited():
                return batch
        calls = list(islice(self._waiting.values(), self._size))
        for call in calls:
            del self._waiting[call.interaction_id]
        return Batch(calls) if calls else None

    async def _request(self, batch: Batch, permit: Permit) -> None:
        """Ask for the batch, and see to everything that follows from the answer."""
        try:
            token = await self._tokens.get()
            if isinstance(token, LoginFailed):
                await self._no_token(batch, token)
                return
            self._metrics.batch(len(batch.calls))
            try:
                answer = await self._ask([call.interaction_id for call in batch.calls], token.text)
            finally:
                self._allowance.answered(permit)
            await self._follow(batch, token.text, answer)
        except Exception as error:
            log.exception("details_request_failed")
            self._end_part(batch, Unexpected(f"details request: {type(error).__name__}"))

    async def _no_token(self, batch: Batch, failed: LoginFailed) -> None:
        if failed.pause_seconds is None:
            self._end_part(batch, failed.error)
        else:
            await self._ask_again(batch, failed.pause_seconds)

    async def _follow(self, batch: Batch, token: str, answer: Answer) -> None:
        """Decide what an answer means for the batch, the token and the allowance."""
        match answer:
            case Answered(results=results):
                self._tokens.confirm(token)
                batch.failures = 0
                for call in batch.calls:
                    call.resolve(results.get(call.interaction_id) or Unavailable("no result"))
                self._go_on(batch)
            case Throttled(pause_seconds=seconds):
                await self._ask_again(batch, seconds)
            case TokenRefused(detail=detail):
                self._tokens.discard(token)
                if batch.token_refused:
                    self._end_part(batch, Unauthorized(f"{detail}, with a fresh token too"))
                else:
                    batch.token_refused = True
                    self._retries.append(batch)
            case Suspect():
                batch.bisect(answer)
                self._go_on(batch)
            case Refused(error=error) | Unreachable(error=error):
                self._end_part(batch, error)
            case _:
                assert_never(answer)

    async def _ask_again(self, batch: Batch, pause_seconds: float) -> None:
        """Once the fleet may ask again."""
        await self._allowance.pause(pause_seconds)
        self._retries.append(batch)

    def _end_part(self, batch: Batch, error: AttemptError) -> None:
        for call in batch.calls:
            call.resolve(error)
        self._go_on(batch)

    def _go_on(self, batch: Batch) -> None:
        """Ask for what is left of the batch, if anything is."""
        if batch.drop_unawaited():
            self._retries.append(batch)

    def _fail_queued(self, error: AttemptError) -> None:
        """Everything that waits for a request, and no request in flight."""
        queued = [*self._waiting.values(), *(call for batch in self._retries for call in batch.all_calls())]
        self._waiting.clear()
        self._retries.clear()
        for call in queued:
            call.resolve(error)
