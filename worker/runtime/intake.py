"""Intake: from the event queue into executions.

A message is deleted only after its execution, or its quarantine, is confirmed, or the stored item covers its event. A
receiver takes no further messages before the ones it has are done, so no more is in memory than ten messages per
receiver.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from worker.clock import AnyTask, Clock, wait_for_tasks
from worker.errors import NotConfirmedError, RefusedError
from worker.events import EventParser, InteractionEvent, InvalidEventError, parse_event
from worker.ports import EventQueue, Message, Metrics
from worker.runtime.admission import Admission, Call, Ending, PutOff
from worker.runtime.health import STALL_SECONDS, Tick, dependency_trouble
from worker.runtime.plan import Arrival
from worker.runtime.stopping import LOOK_AGAIN_SECONDS, Backoff, Stopping

_LONGEST_SILENCE = STALL_SECONDS / 3
"""Between two ticks of a receiver that waits, whatever the visibility timeout."""

_REFUSED_SECONDS = (60.0, 900.0)
"""First and longest wait of a message that the dead-letter queue refuses; each is twice as long as the one before."""

log = structlog.get_logger()


class Intake:
    """`concurrency` receivers that share a budget of as many StartExecution calls at the same time."""

    def __init__(
        self,
        queue: EventQueue,
        admission: Admission,
        metrics: Metrics,
        stopping: Stopping,
        *,
        concurrency: int,
        visibility_seconds: int,
        clock: Clock,
        parse: EventParser | None = None,
        may_fetch: Callable[[], bool] = lambda: True,
    ) -> None:
        """`parse`: what reads the bodies in place of events.parse_event, beside the event loop.

        While `may_fetch` says no, nothing is received: messages wait in the queue, for 14 days and at no cost.
        """
        self._may_fetch = may_fetch
        self._queue = queue
        self._admission = admission
        self._metrics = metrics
        self._stopping = stopping
        self._budget = asyncio.Semaphore(concurrency)
        self._visibility_seconds = visibility_seconds
        self._clock = clock
        self._parse = parse
        self._receiving = dependency_trouble(clock, "sqs")
        self._accepting = dependency_trouble(clock, "accepting_events")

    async def receive(self, tick: Tick) -> None:
        """One receiver, until a stop is requested. An open long poll is awaited, and what it brings is given back."""
        backoff = Backoff(self._clock)
        while not self._stopping.requested:
            tick()
            if not self._may_fetch():
                await self._stopping.sleep(self._clock.uniform(*LOOK_AGAIN_SECONDS))
                continue
            try:
                messages = await self._queue.receive()
            except NotConfirmedError as error:
                self._receiving.failed(error.code)
                await self._stopping.sleep(backoff.delay())
                continue
            backoff.reset()
            self._receiving.succeeded()
            if messages:
                await self._work_off(messages, tick)

    async def _work_off(self, messages: Sequence[Message], tick: Tick) -> None:
        started = self._clock.monotonic()
        received = self._clock.time()
        for message in messages:
            if message.receives == 1:  # later ones were put off on purpose
                self._metrics.queue_wait(max(0.0, received - message.sent_at))
        hold = _Hold(self._queue, self._clock, self._visibility_seconds, tick)
        calls = await self._calls(messages, hold)
        tick()
        endings: Counter[str] = Counter()
        running = {asyncio.create_task(self._accept(call, message)): message for message, call in calls.items()}
        try:
            while running:
                done = await hold.wait(running)
                endings.update(await self._finish({running.pop(task): task.result() for task in done}))
                await hold.renew(list(running.values()))
        finally:
            for task in running:
                task.cancel()
        seconds = round(self._clock.monotonic() - started, 4)
        log.info("intake_batch", received=len(messages), seconds=seconds, **endings)

    async def _calls(self, messages: Sequence[Message], hold: "_Hold") -> Mapping[Message, Call]:
        """What to do for each message: its quarantine, or what is planned for all readable events together."""
        calls: dict[Message, Call] = {}
        events: dict[Message, InteractionEvent] = {}
        for message, found in (await self._read_all(messages, hold)).items():
            if isinstance(found, InvalidEventError):
                calls[message] = self._quarantine(message, found)
            else:
                events[message] = found
        if events and not self._stopping.requested:
            arrivals = [_arrival(message, event) for message, event in events.items()]
            calls |= zip(events, await self._admission.calls(arrivals), strict=True)
        return {message: calls.get(message, _give_back) for message in messages}

    async def _read_all(
        self, messages: Sequence[Message], hold: "_Hold"
    ) -> Mapping[Message, InteractionEvent | InvalidEventError]:
        """The event in each message, or why there is none."""
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        if self._parse is None:
            return {message: _parse(message.body, now) for message in messages}
        reading = {asyncio.create_task(_parse_beside(self._parse, message.body, now)): message for message in messages}
        pending = set(reading)
        try:
            while pending:
                pending -= await hold.wait(pending)
                if pending:
                    await hold.renew(messages)
        finally:
            for task in pending:
                task.cancel()
        return {message: task.result() for task, message in reading.items()}

    async def _accept(self, call: Call, message: Message) -> Ending:
        """Try until the execution, the quarantine or the item's write is confirmed, or a stop is requested.

        Throttles and outages are waited out here, with the message hidden: giving it back would count as a receive
        and bring it to the dead-letter queue of the queue's redrive policy.
        """
        backoff = Backoff(self._clock)
        while not self._stopping.requested:
            try:
                async with self._budget:
                    ending = await call()
            except NotConfirmedError as error:
                self._accepting.failed(error.code)
            except InvalidEventError as error:
                call = self._quarantine(message, error)
                continue
            else:
                self._accepting.succeeded()
                return ending
            await self._stopping.sleep(backoff.delay())
        return "returned"

    def _quarantine(self, message: Message, error: InvalidEventError) -> Call:
        async def quarantine() -> Ending:
            try:
                await self._queue.quarantine(message, error.reason)
            except RefusedError as refused:
                # No letter is dropped, and none holds up the others: it waits in the event queue for a larger one.
                self._metrics.quarantine_refused()
                fields = {"reason": error.reason, "receives": message.receives}
                log.error("quarantine_refused", message_id=message.id, error=refused.code, **fields)  # noqa: TRY400
                shortest, longest = _REFUSED_SECONDS
                return PutOff(min(shortest * 2.0 ** min(message.receives - 1, 20), longest))
            log.warning("event_quarantined", message_id=message.id, reason=error.reason, detail=str(error))
            return "quarantined"

        return quarantine

    async def _finish(self, endings: Mapping[Message, Ending]) -> list[str]:
        """Delete what is confirmed, give back or put off the rest, and count; a name for each ending."""
        confirmed = [m for m, ending in endings.items() if not isinstance(ending, PutOff) and ending != "returned"]
        returned = [message for message, ending in endings.items() if ending == "returned"]
        put_off: dict[float, list[Message]] = defaultdict(list)
        for message, ending in endings.items():
            if isinstance(ending, PutOff):
                put_off[ending.seconds].append(message)
            else:
                self._metrics.event(ending)
        if confirmed:
            await self._queue.delete(confirmed)
        if returned:
            await self._queue.give_back(returned)
        for seconds, group in put_off.items():
            await self._queue.put_off(group, seconds)
        return ["put_off" if isinstance(ending, PutOff) else ending for ending in endings.values()]


class _Hold:
    """Keeps the messages of one receive hidden, however long they take, and its receiver's tick going."""

    def __init__(self, queue: EventQueue, clock: Clock, visibility_seconds: float, tick: Tick) -> None:
        self._queue = queue
        self._clock = clock
        # Half the visibility timeout: late enough to cost nothing on a good day, early enough to try twice.
        self._interval = visibility_seconds / 2
        self._tick = tick
        self._due = clock.monotonic() + self._interval

    async def wait(self, tasks: Collection[AnyTask]) -> set[AnyTask]:
        """Those of `tasks` that are done before the messages have to be hidden again, or after a minute."""
        seconds = min(self._due - self._clock.monotonic(), _LONGEST_SILENCE)
        done = await wait_for_tasks(self._clock, tasks, max(0.0, seconds))
        self._tick()
        return done

    async def renew(self, messages: Sequence[Message]) -> None:
        """Keep `messages` hidden for another visibility timeout, when that is due."""
        now = self._clock.monotonic()
        if messages and now >= self._due:
            self._due = now + self._interval
            await self._queue.keep_hidden(messages)


def _parse(body: str, now: datetime) -> InteractionEvent | InvalidEventError:
    try:
        return parse_event(body, now=now)
    except InvalidEventError as error:
        return error


async def _parse_beside(parse: EventParser, body: str, now: datetime) -> InteractionEvent | InvalidEventError:
    try:
        return await parse(body, now)
    except InvalidEventError as error:
        return error


def _arrival(message: Message, event: InteractionEvent) -> Arrival:
    first = message.first_received_at
    return Arrival(event, message.receives, None if first is None else datetime.fromtimestamp(first, UTC))


async def _give_back() -> Ending:
    return "returned"
