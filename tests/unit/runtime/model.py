"""The real intake and slots against a model of AWS, in every order of answers, crashes, redeliveries and drains.

A failing example prints as a story: each line is one step that somebody takes.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import structlog
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.runtime.model_worker import Worker
from tests.unit.runtime.world import End, Pending, Sent, VirtualLoop, World
from worker.errors import Invalid, NotReady, RateLimited, Unavailable
from worker.events import RECONCILE, InvalidEventError, parse_event, utc_text

MOST_WORKERS = 3

_numbers = st.integers(0, 30)
"""Chooses one of what is there, by remainder: shrinks to the first."""
_ends: st.SearchStrategy[End] = st.sampled_from(["done", "done", "answer lost", "refused"])
_fetch_errors = st.sampled_from(
    [None, RateLimited("r"), Unavailable("u"), NotReady("n"), Invalid("i"), RuntimeError("a bug")]
)
_types = st.sampled_from(["acd.end", "customer.end", RECONCILE])
_ages = st.sampled_from([0.0, 9.5, 10.2, 10.5, 11.0, 11.3, 12.0, 40.0, -2.0])
"""Seconds since an event happened: too few or enough for details to have it, and for its bucket to be over."""


class Model(RuleBasedStateMachine):
    """Steps that the outside can take, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.complaints: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.complaints.append(context))
        self.world = World(self.loop)
        self.workers: list[Worker] = []
        self.sent: list[str] = []
        self.number = 0
        self._patched = self._quiet()
        self._patched.__enter__()

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """No log lines."""
        before = structlog.get_config()
        structlog.configure(processors=[_drop])
        try:
            yield
        finally:
            structlog.configure(**before)

    def _step(self) -> None:
        self.loop.settle()

    # What people and machines do

    @initialize(ages=st.lists(_ages, min_size=1, max_size=4), event_type=_types)
    def a_worker_has_received_events(self, ages: list[float], event_type: str) -> None:
        self.a_worker_starts()
        for age in ages:
            self.an_event_is_sent("a", event_type, age)
        receive = next(waiting for waiting in self.world.pending if waiting.name == "receive")
        self.world.answer(receive, "done")
        self._step()

    @rule(interaction=st.sampled_from("ab"), event_type=_types, age=_ages)
    def an_event_is_sent(self, interaction: str, event_type: str, age: float) -> None:
        """An event that happened `age` seconds ago."""
        time = utc_text(self.world.now - timedelta(seconds=age))
        detail = {"interactionId": interaction, "eventType": event_type, "timestamp": time}
        self._send(json.dumps({"id": f"event-{len(self.sent)}", "detail": detail}))

    @rule(event_types=st.lists(_types, min_size=2, max_size=4), age=_ages)
    def a_burst_is_sent(self, event_types: list[str], age: float) -> None:
        """As at hang-up: several events within a second."""
        for number, event_type in enumerate(event_types):
            self.an_event_is_sent("a", event_type, age - number * 0.2)

    @rule(interaction=st.sampled_from("ab"))
    def an_interaction_ends(self, interaction: str) -> None:
        self.world.ended.add(interaction)

    @rule(versions=st.integers(0, 3))
    def lookups_are_behind(self, versions: int) -> None:
        self.world.reads_behind = versions

    @rule()
    def rubbish_is_sent(self) -> None:
        self._send(f"no JSON {len(self.sent)}")

    @precondition(lambda self: self.sent)
    @rule(which=_numbers)
    def an_event_is_sent_again(self, which: int) -> None:
        self._send(self.sent[which % len(self.sent)])

    def _send(self, body: str) -> None:
        self.sent.append(body)
        self.world.queue.append(Sent(body))

    @precondition(lambda self: len(self.workers) < MOST_WORKERS)
    @rule()
    def a_worker_starts(self) -> None:
        self.number += 1

        async def start() -> None:
            self.workers.append(Worker(self.world, self.number))

        self.loop.run_until_complete(start())
        self._step()

    @precondition(lambda self: self.workers)
    @rule(which=_numbers)
    def a_worker_is_killed(self, which: int) -> None:
        self.workers.pop(which % len(self.workers)).kill()
        self._step()

    @precondition(lambda self: self.workers)
    @rule(which=_numbers)
    def a_worker_drains(self, which: int) -> None:
        self.workers[which % len(self.workers)].drain()
        self._step()

    @precondition(lambda self: any(worker.ports.stopping for worker in self.workers))
    @rule()
    def the_drain_is_over(self) -> None:
        for worker in self.workers:
            if worker.ports.stopping:
                worker.slots.hand_back()
        self._step()

    # What AWS, Genesys Cloud and the network do

    @precondition(lambda self: self.world.pending)
    @rule(ends=st.lists(st.tuples(_numbers, _ends), min_size=1, max_size=4))
    def calls_end(self, ends: list[tuple[int, End]]) -> None:
        for which, end in ends:
            if self.world.pending:
                self.world.answer(self.world.pending[which % len(self.world.pending)], end)
                self._step()

    @precondition(lambda self: self._work())
    @rule(ends=st.lists(st.tuples(_numbers, _ends), min_size=1, max_size=8))
    def work_goes_on(self, ends: list[tuple[int, End]]) -> None:
        """Like the rule above, for calls other than polls, which outnumber them."""
        for which, end in ends:
            if work := self._work():
                self.world.answer(work[which % len(work)], end)
                self._step()
                self.world.pass_time(0.5)
                self._step()

    @precondition(lambda self: self.workers)
    @rule(which=_numbers, error=_fetch_errors)
    def genesys_will_fail(self, which: int, error: Any) -> None:
        self.workers[which % len(self.workers)].ports.fetch_error = error

    @rule(seconds=st.sampled_from([0.5, 2, 12, 25, 65]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)
        self._step()

    @precondition(lambda self: self.world.queue)
    @rule(which=_numbers, times=st.sampled_from([1, 4, 9]))
    def a_message_is_delivered_again(self, which: int, times: int) -> None:
        """For the `times`-th time from now; the others were in vain."""
        sent = self.world.queue[which % len(self.world.queue)]
        sent.visible_at = self.loop.now
        sent.receives += times - 1

    @precondition(lambda self: len(self.world.queue) > 1)
    @rule()
    def the_queue_changes_its_order(self) -> None:
        self.world.queue.reverse()

    @precondition(lambda self: self.world.running())
    @rule(which=_numbers)
    def an_execution_fails(self, which: int) -> None:
        running = self.world.running()
        self.world.fail(running[which % len(running)])

    @precondition(lambda self: self.world.taken())
    @rule(which=_numbers)
    def a_task_times_out(self, which: int) -> None:
        taken = self.world.taken()
        taken[which % len(taken)].token = None

    def _work(self) -> list[Pending]:
        return [waiting for waiting in self.world.pending if waiting.name not in {"poll", "receive"}]

    # The promises

    @invariant()
    def every_event_is_somewhere(self) -> None:
        in_queue = {message.body for message in self.world.queue}
        for body in self.sent:
            assert body in in_queue or self.world.accounted(body), f"nowhere: {body}"

    @invariant()
    def every_ended_execution_has_its_effect(self) -> None:
        for name, execution in self.world.executions.items():
            if execution.status == "SUCCEEDED":
                item = self.world.item(execution.event.interaction_id)
                assert item is not None
                assert item.details_at is not None
                assert item.details_at >= execution.started_at, f"details from before {name} started"
            if execution.status == "FAILED":
                assert self.world.letters.count(name) == 1

    @invariant()
    def neither_order_of_an_item_goes_back(self) -> None:
        for versions in self.world.items.values():
            for before, after in itertools.pairwise(versions):
                assert before.details_at is not None
                assert before.event_time is not None
                assert after.details_at is not None
                assert after.event_time is not None
                assert after.details_at >= before.details_at
                assert after.event_time >= before.event_time

    @invariant()
    def no_loop_has_died(self) -> None:
        assert not self.complaints
        for worker in self.workers:
            assert not worker.faults
            for task in worker.tasks:
                if task.done():
                    assert worker.ports.stopping, f"{worker.name} has a loop that ended by itself"
                    task.result()

    def teardown(self) -> None:
        try:
            self._everybody_drains()
            self._a_healthy_worker_settles_everything()
        finally:
            for worker in self.workers:
                worker.kill()
            self._step()
            self.loop.close()
            self._patched.__exit__(None, None, None)

    def _everybody_drains(self) -> None:
        """Without a single refusal left, a drain ends by itself, and leaves nothing in hand."""
        for worker in self.workers:
            worker.drain()
        for _ in range(200):
            if all(worker.done for worker in self.workers):
                break
            self._answer_all()
        for worker in self.workers:
            assert worker.done, f"{worker.name} does not end; pending: {[p.name for p in self.world.pending]}"
            assert worker.slots.busy == 0
            assert not worker.slots._working
            held = {execution.token for execution in self.world.executions.values()}
            assert not held & (worker.ports.taken - worker.ports.unconfirmed), f"{worker.name} dropped a task"
        assert not self.world.cancelled_polls
        self.no_loop_has_died()
        self.every_event_is_somewhere()
        assert not self.world.pending
        self.workers.clear()

    def _a_healthy_worker_settles_everything(self) -> None:
        self.world.reads_behind = 0
        self.a_worker_starts()
        for _ in range(400):
            if self._settled():
                break
            self._answer_all()
            if not self._work() and not self.world.taken():
                self.world.pass_time(self.world.seconds_to_next())
                self._step()
        assert self._settled(), [vars(sent) for sent in self.world.queue]
        self.every_ended_execution_has_its_effect()
        for body in self.sent:
            try:
                event = parse_event(body)
            except InvalidEventError:
                assert body in self.world.letters
            else:
                self.world.assert_fresh(event, body)
        self._everybody_drains()

    def _answer_all(self) -> None:
        for waiting in list(self.world.pending):
            if waiting in self.world.pending:
                self.world.answer(waiting, "done")
        self._step()
        self.world.pass_time(1)
        self._step()

    def _settled(self) -> bool:
        return not self.world.queue and all(e.status != "RUNNING" for e in self.world.executions.values())


def _drop(*_: Any) -> Any:
    raise structlog.DropEvent
