"""Intake: from the event queue into executions.

A message is deleted only after its execution, or its quarantine, is confirmed, or the stored item covers its event. A
receiver takes no further messages before the ones it has are done, so no more is in memory than ten messages per
receiver.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from worker.clock import Clock, wait_for_tasks
from worker.errors import NotConfirmedError
from worker.events import DetailReader, InteractionEvent, InvalidEventError, parse_event, read_detail
from worker.ports import EventQueue, Message, Metrics
from worker.runtime.admission import Admission, Call, Ending, PutOff
from worker.runtime.health import Tick, dependency_trouble
from worker.runtime.plan import Arrival
from worker.runtime.stopping import LOOK_AGAIN_SECONDS, Backoff, Stopping

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
        read: DetailReader = read_detail,
        may_fetch: Callable[[], bool] = lambda: True,
    ) -> None:
        """While `may_fetch` says no, nothing is received: messages wait in the queue, for 14 days and at no cost."""
        self._may_fetch = may_fetch
        self._queue = queue
        self._admission = admission
        self._metrics = metrics
        self._stopping = stopping
        self._budget = asyncio.Semaphore(concurrency)
        self._visibility_seconds = visibility_seconds
        self._clock = clock
        self._read = read
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
        calls = await self._calls(messages)
        tick()
        endings: Counter[str] = Counter()
        running = {asyncio.create_task(self._accept(call, message)): message for message, call in calls.items()}
        try:
            while running:
                # Half the visibility timeout: late enough to cost nothing on a good day, early enough to try twice.
                done = await wait_for_tasks(self._clock, running, self._visibility_seconds / 2)
                tick()
                endings.update(await self._finish({running.pop(task): task.result() for task in done}))
                if running:
                    await self._queue.keep_hidden(list(running.values()))
        finally:
            for task in running:
                task.cancel()
        seconds = round(self._clock.monotonic() - started, 4)
        log.info("intake_batch", received=len(messages), seconds=seconds, **endings)

    async def _calls(self, messages: Sequence[Message]) -> Mapping[Message, Call]:
        """What to do for each message: its quarantine, or what is planned for all readable events together."""
        calls: dict[Message, Call] = {}
        events: dict[Message, InteractionEvent] = {}
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        for message in messages:
            try:
                events[message] = parse_event(message.body, self._read, now=now)
            except InvalidEventError as error:
                calls[message] = self._quarantine(message, error)
        if events and not self._stopping.requested:
            arrivals = [_arrival(message, event) for message, event in events.items()]
            calls |= zip(events, await self._admission.calls(arrivals), strict=True)
        return {message: calls.get(message, _give_back) for message in messages}

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
            await self._queue.quarantine(message, error.reason)
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


def _arrival(message: Message, event: InteractionEvent) -> Arrival:
    first = message.first_received_at
    return Arrival(event, message.receives, None if first is None else datetime.fromtimestamp(first, UTC))


async def _give_back() -> Ending:
    return "returned"
