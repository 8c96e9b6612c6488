"""Calls gathered into as few requests as the allowance makes sensible.

An idle system sends a call at once. While the allowance is awaited calls gather, up to the batch size.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice

import structlog

from worker.cancellation import cancel_and_wait
from worker.errors import AttemptError, Invalid, RateLimited, Unauthorized, Unavailable, Unexpected
from worker.events import INTERACTION_ID
from worker.fleet.allowance import Allowance, Demand
from worker.fleet.token import LoginFailed, Tokens
from worker.genesys.batch import Call, Group
from worker.genesys.client import BlameError, Result, TokenRefusedError
from worker.genesys.responses import PausedError
from worker.ports import Details, Metrics

MOST_REQUESTS = 64
"""Requests under way at once; bounds connections and the memory for answers."""

Ask = Callable[[list[str], str], Awaitable[dict[str, Result]]]

log = structlog.get_logger()


class Batching:
    """Turns calls for single interactions into requests."""

    def __init__(
        self, ask: Ask, tokens: Tokens, allowance: Allowance, metrics: Metrics, *, size: int, longest_wait: float
    ) -> None:
        self._ask = ask
        self._tokens = tokens
        self._allowance = allowance
        self._metrics = metrics
        self._size = size
        self._longest_wait = longest_wait
        self._calls: dict[str, Call] = {}
        self._pending: dict[str, Call] = {}
        self._again: deque[Group] = deque()
        self._free = asyncio.Semaphore(MOST_REQUESTS)
        self._dispatcher: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()

    async def fetch(self, interaction_id: str) -> Details:
        """As ports.DetailsSource.fetch."""
        call = self._calls.get(interaction_id) or self._new_call(interaction_id)
        waiter: asyncio.Future[Details] = asyncio.get_running_loop().create_future()
        call.waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in call.waiters:
                call.waiters.remove(waiter)
            if not call.waiters and self._pending.get(interaction_id) is call:
                self._forget(call)
            raise

    async def close(self) -> None:
        """Stop what is under way; callers that still wait are cancelled."""
        await cancel_and_wait(*self._requests, *([self._dispatcher] if self._dispatcher else []))
        for call in list(self._calls.values()):
            for waiter in call.waiters:
                waiter.cancel()
        self._calls.clear()
        self._pending.clear()
        self._again.clear()

    def _new_call(self, interaction_id: str) -> Call:
        if not INTERACTION_ID.match(interaction_id):
            raise Invalid("the interaction id is not of [A-Za-z0-9_-]{1,64}")
        call = Call(interaction_id, time.time())
        self._calls[interaction_id] = self._pending[interaction_id] = call
        if len(self._pending) % self._size in {0, 1}:
            self._allowance.poke()
        if self._dispatcher is None:
            self._start_dispatcher()
        return call

    def _start_dispatcher(self) -> None:
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
        elif self._pending or self._again:
            self._start_dispatcher()

    async def _dispatch(self) -> None:
        """Send requests for as long as calls wait."""
        while self._demand().requests:
            await self._free.acquire()
            try:
                group = await self._next_group()
            except BaseException:
                self._free.release()
                raise
            if group is None:
                self._free.release()
                continue
            task = asyncio.create_task(self._request(group), name="details-request")
            self._requests.add(task)
            task.add_done_callback(self._requested)

    def _requested(self, task: "asyncio.Task[None]") -> None:
        self._requests.discard(task)
        self._free.release()
        if (self._again or self._pending) and self._dispatcher is None:
            self._start_dispatcher()

    async def _next_group(self) -> Group | None:
        """What the next request asks for, once it may be sent; None when nothing waits any more."""
        match await self._tokens.get():  # before the permit, which would be late after a login
            case LoginFailed(_, float(seconds)):
                await self._allowance.pause(seconds)
            case LoginFailed(error):
                self._fail_queued(error)
                return None
        since = time.monotonic()
        if not await self._allowance.acquire(self._demand):
            return None
        self._metrics.allowance_wait(time.monotonic() - since)
        return self._take()

    def _demand(self) -> Demand:
        """What waits now, without the calls that waited too long: those are handed back."""
        now = time.time()
        self._hand_back(now - self._longest_wait)
        while self._again and not any(call.waiters for call in self._again[0].calls):
            self._fail(self._again.popleft(), Unavailable("nobody waits for it any more"))
        if self._again:
            since = min(call.since for group in self._again for call in group.calls)
            return Demand(len(self._again), True, 1.0, since, since + self._longest_wait)
        waiting = len(self._pending)
        if not waiting:
            return Demand(0, False, 0.0, now, now)
        since = next(iter(self._pending.values())).since
        full = waiting >= self._size or now - since >= self._allowance.gather_seconds
        return Demand(max(1, waiting // self._size), full, waiting / self._size, since, since + self._longest_wait)

    def _hand_back(self, before: float) -> None:
        """Give up waiting for what began to wait `before`."""
        late = [call for group in self._again for call in group.calls if call.since < before]
        for call in self._pending.values():
            if call.since >= before:
                break
            late.append(call)
        for call in late:
            self._finish(call, RateLimited(f"no request allowance within {self._longest_wait:g} s"))

    def _take(self) -> Group | None:
        if self._again:
            group = self._again.popleft()
            for call in group.calls:
                if not call.waiters:
                    self._forget(call)
            group.calls = [call for call in group.calls if call.waiters]
            if not group.calls:
                self._go_on(group)
                return None
            return group
        calls = list(islice(self._pending.values(), self._size))
        for call in calls:
            del self._pending[call.interaction_id]
        return Group(calls) if calls else None

    async def _request(self, group: Group) -> None:
        token = ""
        try:
            token = await self._token()
            self._metrics.batch(len(group.calls))
            results = await self._ask([call.interaction_id for call in group.calls], token)
        except PausedError as error:
            await self._allowance.pause(error.seconds)
            self._again.append(group)
        except TokenRefusedError as error:
            self._token_refused(group, token, error)
        except BlameError as blame:
            self._split(group, blame)
        except AttemptError as error:
            self._fail(group, error)
        except Exception as error:
            log.exception("details_request_failed")
            self._fail(group, Unexpected(f"details request: {type(error).__name__}"))
        else:
            self._tokens.confirm(token)
            group.splitting.failures = 0
            for call in group.calls:
                self._finish(call, results.get(call.interaction_id) or Unavailable("no result"))
            self._go_on(group)

    async def _token(self) -> str:
        answer = await self._tokens.get()
        if not isinstance(answer, LoginFailed):
            return answer.text
        if answer.pause_seconds is not None:
            raise PausedError(str(answer.error), answer.pause_seconds)
        raise answer.error

    def _token_refused(self, group: Group, token: str, error: TokenRefusedError) -> None:
        self._tokens.discard(token)
        if group.token_refused:
            self._fail(group, Unauthorized(f"{error}, with a fresh token too"))
        else:
            group.token_refused = True
            self._again.append(group)

    def _split(self, group: Group, blame: BlameError) -> None:
        for ended, error in group.blamed(blame):
            for call in ended.calls:
                self._finish(call, error)
        self._go_on(group)

    def _fail(self, group: Group, error: AttemptError) -> None:
        for call in group.calls:
            self._finish(call, error)
        self._go_on(group)

    def _go_on(self, group: Group) -> None:
        """After the end of `group`: with the next part of the batch that it was a part of."""
        if group.splitting.parts:
            self._again.append(group.splitting.parts.popleft())

    def _fail_queued(self, error: AttemptError) -> None:
        for call in [*self._pending.values(), *(call for group in self._again for call in group.calls)]:
            self._finish(call, error)

    def _finish(self, call: Call, result: Result) -> None:
        self._forget(call)
        call.resolve(result)

    def _forget(self, call: Call) -> None:
        for calls in (self._calls, self._pending):
            if calls.get(call.interaction_id) is call:
                del calls[call.interaction_id]
