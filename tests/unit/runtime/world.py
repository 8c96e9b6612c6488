"""SQS, Step Functions, DynamoDB and Genesys Cloud in memory, where every call waits until the test decides its end."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.fakes import DETAILS
from worker.errors import AttemptError, NotConfirmedError, StoreUnavailable, TaskGoneError, Unavailable
from worker.events import InteractionEvent, InvalidEventError, parse_event
from worker.ports import ActivityTask, Details, Message

HEARTBEAT_TIMEOUT = 60.0
VISIBILITY_SECONDS = 60
End = Literal["done", "answer lost", "refused"]
"""Done and the caller is told; done and the caller is not; not done."""

_REJECTED = {"Interaction.Invalid", "Interaction.NotFound"}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock moves only when it is told to, so no test sleeps."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Run whatever can run now."""

        async def rounds() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.run_until_complete(rounds())


@dataclass(eq=False)
class Sent:
    """A message in the queue."""

    body: str
    visible_at: float = 0.0
    deleted: bool = False


@dataclass
class Execution:
    event: InteractionEvent
    status: Literal["RUNNING", "SUCCEEDED", "FAILED"] = "RUNNING"
    token: str | None = None
    """The task's token while a worker has it; None while it waits for one."""
    deadline: float = 0.0
    tokens: int = 0


@dataclass(eq=False)
class Pending:
    """A call that a worker waits for."""

    worker: "Ports"
    name: str
    act: Callable[[], Any]
    future: "asyncio.Future[Any]"
    token: str = ""
    """Of a report: the task's."""


@dataclass
class World:
    """What AWS has."""

    loop: VirtualLoop
    queue: list[Sent] = field(default_factory=list)
    executions: dict[str, Execution] = field(default_factory=dict)
    table: dict[str, InteractionEvent] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    letters: list[str] = field(default_factory=list)
    """Bodies of quarantined messages, and names of failed executions."""
    pending: list[Pending] = field(default_factory=list)
    cancelled_polls: list[str] = field(default_factory=list)

    async def call(self, worker: "Ports", name: str, act: Callable[[], Any], token: str = "") -> Any:
        if worker.dead:
            # What a killed process would still have done in `finally` it does not do.
            raise asyncio.CancelledError
        waiting = Pending(worker, name, act, self.loop.create_future(), token)
        self.pending.append(waiting)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            # What AWS hands to a call that nobody awaits any more is lost until a timeout.
            if name in {"poll", "receive"} and not worker.dead:
                self.cancelled_polls.append(name)
            raise
        finally:
            if waiting in self.pending:
                self.pending.remove(waiting)

    def answer(self, waiting: Pending, end: End) -> None:
        self.pending.remove(waiting)
        if end != "done":
            waiting.worker.unconfirmed.add(waiting.token)
        if end == "refused":
            waiting.future.set_exception(NotConfirmedError("refused"))
            return
        try:
            result = waiting.act()
        except (TaskGoneError, InvalidEventError, AttemptError) as error:
            waiting.future.set_exception(error)
            return
        if end == "answer lost":
            waiting.future.set_exception(NotConfirmedError("no answer"))
        else:
            waiting.future.set_result(result)

    def pass_time(self, seconds: float) -> None:
        self.loop.now += seconds
        for execution in self.executions.values():
            if execution.token and execution.deadline <= self.loop.now:
                execution.token = None

    def visible(self) -> list[Sent]:
        return [sent for sent in self.queue if sent.visible_at <= self.loop.now]

    def waiting(self) -> list[Execution]:
        return [e for e in self.executions.values() if e.status == "RUNNING" and e.token is None]

    def taken(self) -> list[Execution]:
        return [e for e in self.executions.values() if e.status == "RUNNING" and e.token is not None]

    def accounted(self, body: str) -> bool:
        """Promise 1: its execution or its quarantine is there."""
        try:
            return parse_event(body).execution_name in self.executions
        except InvalidEventError:
            return body in self.letters


class Ports:
    """All ports of one worker."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dead = False
        self.stopping = False
        self.receipts: dict[str, Sent] = {}
        self.taken: set[str] = set()
        self.taken_while_stopping: set[str] = set()
        self.unconfirmed: set[str] = set()
        """Tokens whose report was refused or whose answer was lost: it may have been given up."""
        self.fetch_error: AttemptError | Exception | None = None

    # The event queue

    async def receive(self) -> Sequence[Message]:
        assert not self.stopping, "received after the stop"

        def act() -> list[Message]:
            messages = []
            for sent in self.world.visible()[:3]:
                sent.visible_at = self.world.loop.now + VISIBILITY_SECONDS
                receipt = f"r{len(self.receipts)}"
                self.receipts[receipt] = sent
                messages.append(Message(receipt, receipt, sent.body, 0.0))
            return messages

        return await self.world.call(self, "receive", act)  # type: ignore[no-any-return]

    async def delete(self, messages: Sequence[Message]) -> None:
        def act() -> None:
            for message in messages:
                sent = self.receipts[message.receipt]
                assert self.world.accounted(sent.body), f"deleted before it was accounted for: {sent.body}"
                sent.deleted = True
                if sent in self.world.queue:
                    self.world.queue.remove(sent)

        # The port never raises here: what is not deleted comes again.
        await self._quietly("delete", act)

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("keep_hidden", messages, VISIBILITY_SECONDS)

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("give_back", messages, 0)

    async def _set_visibility(self, name: str, messages: Sequence[Message], seconds: int) -> None:
        def act() -> None:
            for message in messages:
                self.receipts[message.receipt].visible_at = self.world.loop.now + seconds

        await self._quietly(name, act)

    async def _quietly(self, name: str, act: Callable[[], None]) -> None:
        try:
            await self.world.call(self, name, act)
        except NotConfirmedError:
            return

    async def quarantine(self, message: Message, reason: str) -> None:
        assert reason
        try:
            parse_event(message.body)
        except InvalidEventError:
            pass
        else:
            raise AssertionError(f"a right event was quarantined for {reason}")
        await self.world.call(self, "quarantine", lambda: self.world.letters.append(message.body))

    # The state machine

    async def start(self, event: InteractionEvent) -> Literal["started", "duplicate"]:
        def act() -> Literal["started", "duplicate"]:
            if event.execution_name in self.world.executions:
                return "duplicate"
            self.world.executions[event.execution_name] = Execution(event)
            return "started"

        return await self.world.call(self, "start", act)  # type: ignore[no-any-return]

    # The activity

    async def poll(self) -> ActivityTask | None:
        assert not self.stopping, "polled after the stop"

        def act() -> ActivityTask | None:
            waiting = self.world.waiting()
            if not waiting:
                return None
            execution = waiting[0]
            execution.tokens += 1
            execution.token = f"{execution.event.execution_name}/{execution.tokens}"
            execution.deadline = self.world.loop.now + HEARTBEAT_TIMEOUT
            if self.stopping:
                self.taken_while_stopping.add(execution.token)
            return ActivityTask(execution.token, json.dumps(execution.event.execution_input()))

        task: ActivityTask | None = await self.world.call(self, "poll", act)
        if task is not None:
            self.taken.add(task.token)
        return task

    def _execution(self, token: str) -> Execution:
        execution = self.world.executions[token.rpartition("/")[0]]
        if execution.token != token:
            raise TaskGoneError("TaskTimedOut")
        return execution

    async def heartbeat(self, token: str) -> None:
        def act() -> None:
            self._execution(token).deadline = self.world.loop.now + HEARTBEAT_TIMEOUT

        await self.world.call(self, "heartbeat", act)

    async def succeed(self, token: str, output: str) -> None:
        assert token not in self.taken_while_stopping, "worked on what a poll brought after the stop"
        assert json.loads(output).keys() == {"written"}

        def act() -> None:
            execution = self._execution(token)
            execution.status, execution.token = "SUCCEEDED", None

        await self.world.call(self, "succeed", act, token)

    async def fail(self, token: str, error: str, cause: str) -> None:
        assert cause

        def act() -> None:
            execution = self._execution(token)
            execution.token = None
            if error in _REJECTED:
                execution.status = "FAILED"
                self.world.letters.append(execution.event.execution_name)

        await self.world.call(self, f"fail {error}", act, token)

    # Details and store

    async def fetch(self, interaction_id: str) -> Details | AttemptError:
        error = self.fetch_error
        self.fetch_error = None

        def act() -> Details:
            return DETAILS

        try:
            found: Details = await self.world.call(self, f"fetch {interaction_id}", act)
        except NotConfirmedError:
            return Unavailable("no answer")
        if isinstance(error, AttemptError):
            return error
        if error is not None:
            raise error
        return found

    async def put(self, event: InteractionEvent, details: Details) -> bool:
        assert details is DETAILS

        def act() -> bool:
            stored = self.world.table.get(event.interaction_id)
            if stored is not None and stored.time >= event.time:
                return False
            self.world.table[event.interaction_id] = event
            self.world.writes[event.execution_name] += 1
            return True

        try:
            return await self.world.call(self, "put", act)  # type: ignore[no-any-return]
        except NotConfirmedError as refusal:
            raise StoreUnavailable("no answer") from refusal
