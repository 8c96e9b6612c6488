"""All ports of one worker, on the model's world."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from tests.support.fakes import DETAILS, keep
from tests.unit.runtime.world import FRESH, VISIBILITY_SECONDS, Execution, Sent, World
from worker.errors import AttemptError, NotConfirmedError, StoreUnavailable, TaskGoneError, Unavailable
from worker.events import InteractionEvent, InvalidEventError, parse_event, utc_text
from worker.ports import ActivityTask, Details, Kept, Message
from worker.ports import Execution as FoundExecution
from worker.record import Coverage, Known, coverage, is_newest

HEARTBEAT_TIMEOUT = 60.0
RECEIVED_TOGETHER = 4

_REJECTED = {"Interaction.Invalid", "Interaction.NotFound"}
_LOOK_AFTER_SECONDS = (10.0, 20.0, 40.0)
"""Retries of Interaction.Incomplete, until a Catch makes a success of it."""


class Ports:
    """One worker's process: its activity, its queue and its details."""

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
            for sent in self.world.visible()[:RECEIVED_TOGETHER]:
                sent.visible_at = self.world.loop.now + VISIBILITY_SECONDS
                sent.receives += 1
                self.world.received.setdefault(sent.body, self.world.now)
                receipt = f"r{len(self.receipts)}"
                self.receipts[receipt] = sent
                messages.append(Message(receipt, receipt, sent.body, 0.0, sent.receives))
            return messages

        return await self.world.call(self, "receive", act)  # type: ignore[no-any-return]

    async def delete(self, messages: Sequence[Message]) -> None:
        def act() -> None:
            for message in messages:
                sent = self.receipts[message.receipt]
                assert self.world.accounted(sent.body), f"deleted before it was accounted for: {sent.body}"
                if sent in self.world.queue:
                    self.world.queue.remove(sent)

        # The port never raises here: what is not deleted comes again.
        await self._quietly("delete", act)

    async def keep_hidden(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("keep_hidden", messages, VISIBILITY_SECONDS)

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._set_visibility("give_back", messages, 0)

    async def put_off(self, messages: Sequence[Message], seconds: float) -> None:
        assert seconds >= 1
        await self._set_visibility(f"put_off {seconds:g}", messages, seconds)

    async def _set_visibility(self, name: str, messages: Sequence[Message], seconds: float) -> None:
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

    # The activity

    async def poll(self) -> ActivityTask | None:
        assert not self.stopping, "polled after the stop"

        def act() -> ActivityTask | None:
            waiting = self.world.waiting()
            if not waiting:
                return None
            execution = waiting[0]
            execution.tokens += 1
            execution.token = f"{execution.name}/{execution.tokens}"
            execution.deadline = self.world.loop.now + HEARTBEAT_TIMEOUT
            if self.stopping:
                self.taken_while_stopping.add(execution.token)
            context = {"enteredTime": utc_text(execution.started_at), "definition": 3}
            return ActivityTask(execution.token, json.dumps(execution.event.execution_input() | context))

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
        assert json.loads(output).keys() == {"written", "new_details", "new_event"}

        def act() -> None:
            execution = self._execution(token)
            self._assert_end_was_waited_for(execution)
            execution.status, execution.token = "SUCCEEDED", None

        await self.world.call(self, "succeed", act, token)

    def _assert_end_was_waited_for(self, execution: Execution) -> None:
        """No execution of an end event gives up early; one second of difference between the clocks is no fault."""
        known, event = self.world.item(execution.event.interaction_id), execution.event
        assert known is not None
        assert known.event_time is not None
        if FRESH.ends(event.event_type) and not any(one.complete for one in self.world.items[event.interaction_id]):
            waited = (self.world.now - execution.started_at).total_seconds()
            later_end = any(
                one.event_time is not None and one.event_time > event.time and FRESH.ends(one.event_type)
                for one in self.world.items[event.interaction_id]
            )
            assert later_end or waited >= FRESH.final_wait.total_seconds() - 1, f"gave up after {waited:g} s"

    async def fail(self, token: str, error: str, cause: str) -> None:
        assert cause

        def act() -> None:
            execution = self._execution(token)
            execution.token = None
            if error in _REJECTED:
                self.world.fail(execution)
            if error == "Interaction.Incomplete":
                if execution.looks < len(_LOOK_AFTER_SECONDS):
                    execution.ready_at = self.world.loop.now + _LOOK_AFTER_SECONDS[execution.looks]
                else:
                    execution.status = "SUCCEEDED"
                execution.looks += 1

        await self.world.call(self, f"fail {error}", act, token)

    # Details

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:  # noqa: ARG002
        error = self.fetch_error
        self.fetch_error = None
        asked_at = self.world.now

        def act() -> Details:
            # An end is there only if it was when the request was sent.
            end = DETAILS.end_time if ended else None
            return replace(DETAILS, asked_at=asked_at, end_time=end)

        ended = interaction_id in self.world.ended
        try:
            found: Details = await self.world.call(self, f"fetch {interaction_id}", act)
        except NotConfirmedError:
            return Unavailable("no answer")
        if isinstance(error, AttemptError):
            return error
        if error is not None:
            raise error
        return found


class StateMachinePorts:
    """One worker's executions."""

    def __init__(self, worker: Ports) -> None:
        self._worker = worker
        self._world = worker.world

    async def start(self, event: InteractionEvent, name: str) -> Literal["started", "duplicate", "taken"]:
        def act() -> Literal["started", "duplicate", "taken"]:
            there = self._world.executions.get(name)
            if there is None:
                self._world.executions[name] = Execution(event, name, self._world.now, ready_at=self._world.loop.now)
                return "started"
            if there.event == event and there.status == "RUNNING":
                return "duplicate"
            if name != event.execution_name:
                late_enough = event.time + FRESH.lag
                assert there.started_at >= late_enough, f"{name} asks too early for {event}"
            return "taken"

        return await self._world.call(self._worker, "start", act)  # type: ignore[no-any-return]

    async def look(self, name: str) -> FoundExecution | None:
        def act() -> FoundExecution:
            execution = self._world.executions[name]
            return FoundExecution(execution.status == "RUNNING", execution.event.event_id)

        return await self._world.call(self._worker, "look at execution", act)  # type: ignore[no-any-return]


class TablePorts:
    """One worker's items: their writes are always of the newest version, their lookups may be behind."""

    def __init__(self, worker: Ports) -> None:
        self._worker = worker
        self._world = worker.world

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        def act() -> Kept:
            kept = keep(self._world.item(event.interaction_id), event, details)
            if kept.details or kept.event:
                self._world.items.setdefault(event.interaction_id, []).append(kept.known)
            return kept

        try:
            return await self._world.call(self._worker, "put", act)  # type: ignore[no-any-return]
        except NotConfirmedError as refusal:
            raise StoreUnavailable("no answer") from refusal

    async def look(self, interaction_ids: Collection[str]) -> Mapping[str, Known]:
        assert len(set(interaction_ids)) == len(interaction_ids), "DynamoDB refuses an id that comes twice"

        def act() -> dict[str, Known]:
            behind = self._world.reads_behind
            found = {one: self._world.items.get(one, [])[: -behind or None] for one in interaction_ids}
            return {one: versions[-1] for one, versions in found.items() if versions}

        return await self._world.call(self._worker, "look", act)  # type: ignore[no-any-return]

    async def settle(self, event: InteractionEvent) -> bool:
        def act() -> bool:
            known = self._world.item(event.interaction_id)
            if known is None or coverage(known, event, FRESH) is not Coverage.COVERED:
                return False
            if is_newest(known, event):
                newest = replace(known, event_time=event.time, event_type=event.event_type)
                self._world.items[event.interaction_id].append(newest)
            return True

        return await self._world.call(self._worker, "settle", act)  # type: ignore[no-any-return]
