"""Intake: from the event queue into executions.

A message is deleted only after its execution, or its quarantine, is confirmed. A receiver takes no further messages
before the ones it has are done, so no more is in memory than ten messages per receiver.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from worker.clock import Clock, wait_for_tasks
from worker.errors import NotConfirmedError
from worker.events import DetailReader, InvalidEventError, parse_event, read_detail
from worker.ports import EventOutcome, EventQueue, Executions, Message, Metrics
from worker.runtime.health import Tick, dependency_trouble
from worker.runtime.stopping import Backoff, Stopping

log = structlog.get_logger()


class Intake:
    """`concurrency` receivers that share a budget of as many StartExecution calls at the same time."""

    def __init__(
        self,
        queue: EventQueue,
        executions: Executions,
        metrics: Metrics,
        stopping: Stopping,
        *,
        concurrency: int,
        visibility_seconds: int,
        clock: Clock,
        read: DetailReader = read_detail,
    ) -> None:
        self._queue = queue
        self._executions = executions
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
            self._metrics.queue_wait(max(0.0, received - message.sent_at))
        outcomes: Counter[str] = Counter()
        running = {asyncio.create_task(self._accept(message)): message for message in messages}
        try:
            while running:
                # Half the visibility timeout: late enough to cost nothing on a good day, early enough to try twice.
                done = await wait_for_tasks(self._clock, running, self._visibility_seconds / 2)
                tick()
                outcomes.update(await self._finish({running.pop(task): task.result() for task in done}))
                if running:
                    await self._queue.keep_hidden(list(running.values()))
        finally:
            for task in running:
                task.cancel()
        seconds = round(self._clock.monotonic() - started, 4)
        log.info("intake_batch", received=len(messages), seconds=seconds, **outcomes)

    async def _accept(self, message: Message) -> EventOutcome:
        """Try until the execution or the quarantine is confirmed, or a stop is requested.

        Throttles and outages are waited out here, with the message hidden: giving it back would count as a receive
        and bring it to the dead-letter queue of the queue's redrive policy.
        """
        if self._stopping.requested:
            return "returned"
        call = self._call(message)
        backoff = Backoff(self._clock)
        while True:
            try:
                async with self._budget:
                    outcome = await call()
            except NotConfirmedError as error:
                self._accepting.failed(error.code)
            except InvalidEventError as error:
                call = self._quarantine(message, error)
                continue
            else:
                self._accepting.succeeded()
                return outcome
            await self._stopping.sleep(backoff.delay())
            if self._stopping.requested:
                return "returned"

    def _call(self, message: Message) -> Callable[[], Awaitable[EventOutcome]]:
        try:
            event = parse_event(message.body, self._read)
        except InvalidEventError as error:
            return self._quarantine(message, error)
        return lambda: self._executions.start(event)

    def _quarantine(self, message: Message, error: InvalidEventError) -> Callable[[], Awaitable[EventOutcome]]:
        async def quarantine() -> EventOutcome:
            await self._queue.quarantine(message, error.reason)
            log.warning("event_quarantined", message_id=message.id, reason=error.reason, detail=str(error))
            return "quarantined"

        return quarantine

    async def _finish(self, outcomes: Mapping[Message, EventOutcome]) -> list[EventOutcome]:
        """Delete what is confirmed, make the rest visible again, and count."""
        confirmed = [message for message, outcome in outcomes.items() if outcome != "returned"]
        returned = [message for message, outcome in outcomes.items() if outcome == "returned"]
        if confirmed:
            await self._queue.delete(confirmed)
        if returned:
            await self._queue.give_back(returned)
        for outcome in outcomes.values():
            self._metrics.event(outcome)
        return list(outcomes.values())
