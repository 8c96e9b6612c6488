"""The whole service in virtual time.

It has the real runtime, gate and batching of several workers, the retries of the state machine's own file, and a
Genesys Cloud and a table that fail as told.
"""

import asyncio
import itertools
import json
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_fleet import DistantCache, most_in_a_period
from tests.support.virtual_time import VirtualClock
from worker.attempt import Attempts
from worker.errors import TaskGoneError, Unavailable
from worker.events import MADE_UP_PREFIX, InteractionEvent, utc_text
from worker.fleet.allowance import Allowance
from worker.fleet.gate import Gate
from worker.fleet.guarded import GuardedCache
from worker.fleet.ledger import Pace
from worker.fleet.memory import MemoryCache
from worker.fleet.sealed import TokenDocument
from worker.fleet.token import LoginAnswer, LoginFailed, Token, Tokens
from worker.genesys.answer import Answer, Answered, Throttled, Unreachable
from worker.genesys.details import Batching
from worker.ports import ActivityTask, Details, Kept
from worker.record import Freshness, Known
from worker.runtime.health import Tick
from worker.runtime.holding import HeldDetails, HeldStore, probe_store
from worker.runtime.lifecycle import Lifecycle
from worker.runtime.slots import Slots
from worker.runtime.stopping import Stopping

_FILE = Path(__file__).parents[2] / "deploy" / "state_machine.asl.json"
HEARTBEAT_TIMEOUT = 60.0


@dataclass(eq=False)
class Execution:
    """One interaction on its way through the state machine."""

    interaction_id: str
    state: str
    entered: float = 0.0
    retries: Counter[int] = field(default_factory=Counter)
    """By the number of the retrier, since the state was entered."""
    transitions: int = 0
    end: str = ""
    """"stored", or the error of its dead letter."""


class StateMachine:
    """As `deploy/state_machine.asl.json` says: Task with Retry and Catch, Wait, and whatever ends as a dead letter."""

    def __init__(self, clock: VirtualClock, chance: random.Random) -> None:
        self.states: dict[str, Any] = json.loads(_FILE.read_text())["States"]
        self.executions: list[Execution] = []
        self._start_at = json.loads(_FILE.read_text())["StartAt"]
        self._clock = clock
        self._chance = chance
        self._ready: deque[Execution] = deque()
        self._polls: deque[asyncio.Future[Execution]] = deque()
        self._taken: dict[str, tuple[Execution, asyncio.TimerHandle]] = {}
        self._tokens = 0

    def start(self, interaction_id: str) -> None:
        execution = Execution(interaction_id, self._start_at)
        self.executions.append(execution)
        self._enter(execution, self._start_at)

    @property
    def ends(self) -> Counter[str]:
        return Counter(execution.end for execution in self.executions)

    @property
    def transitions(self) -> int:
        return sum(execution.transitions for execution in self.executions)

    async def poll(self) -> ActivityTask | None:
        if not self._ready:
            waiting: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
            self._polls.append(waiting)
            try:
                async with asyncio.timeout(60):
                    execution = await waiting
            except TimeoutError:
                self._polls.remove(waiting)
                return None
        else:
            execution = self._ready.popleft()
        self._tokens += 1
        token = f"token-{self._tokens}"
        self._watch(token, execution)
        event = {"eventType": "acd.end", "timestamp": utc_text(self._at(execution.entered)), "eventId": "event"}
        extra = {name: value for name, value in self.states[execution.state]["Parameters"].items() if "$" not in name}
        document = {"interactionId": execution.interaction_id, "enteredTime": event["timestamp"], **event, **extra}
        return ActivityTask(token, json.dumps(document))

    async def heartbeat(self, token: str) -> None:
        execution = self._take_back(token)
        self._watch(token, execution)

    async def succeed(self, token: str, output: str) -> None:  # noqa: ARG002
        self._take_back(token).end = "stored"

    async def fail(self, token: str, error: str, cause: str) -> None:  # noqa: ARG002
        self._failed(self._take_back(token), error)

    def _watch(self, token: str, execution: Execution) -> None:
        timer = self._clock.call_later(HEARTBEAT_TIMEOUT, lambda: self._lost(token))
        self._taken[token] = execution, timer

    def _take_back(self, token: str) -> Execution:
        if token not in self._taken:
            raise TaskGoneError
        execution, timer = self._taken.pop(token)
        timer.cancel()
        return execution

    def _lost(self, token: str) -> None:
        execution, _ = self._taken.pop(token)
        self._failed(execution, "States.HeartbeatTimeout")

    def _enter(self, execution: Execution, name: str) -> None:
        state = self.states[name]
        execution.state = name
        execution.transitions += 1
        match state["Type"]:
            case "Task" if "activity" in state["Resource"]:
                execution.entered = self._clock.time()
                execution.retries.clear()
                self._offer(execution)
            case "Wait":
                self._clock.call_later(state["Seconds"], lambda: self._enter(execution, state["Next"]))
            case "Succeed":
                execution.end = "stored"
            case _:
                execution.end = execution.end or "dead letter"

    def _offer(self, execution: Execution) -> None:
        while self._polls:
            waiting = self._polls.popleft()
            if not waiting.done():
                waiting.set_result(execution)
                return
        self._ready.append(execution)

    def _failed(self, execution: Execution, error: str) -> None:
        state = self.states[execution.state]
        for number, retrier in enumerate(state["Retry"]):
            if error in retrier["ErrorEquals"] or "States.ALL" in retrier["ErrorEquals"]:
                tried = execution.retries[number]
                if tried < retrier["MaxAttempts"]:
                    delay = retrier["IntervalSeconds"] * retrier["BackoffRate"] ** min(tried, 50)
                    delay = min(delay, retrier["MaxDelaySeconds"])
                    if retrier.get("JitterStrategy") == "FULL":
                        delay = self._chance.uniform(0, delay)
                    execution.retries[number] += 1
                    execution.transitions += 1
                    self._clock.call_later(delay, lambda: self._offer(execution))
                    return
                break
        for catcher in state["Catch"]:
            if error in catcher["ErrorEquals"] or "States.ALL" in catcher["ErrorEquals"]:
                execution.end = "" if self.states[catcher["Next"]]["Type"] in {"Wait", "Task"} else error
                self._enter(execution, catcher["Next"])
                return

    def _at(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, UTC)


class GenesysCloud:
    """Answers as `answer` says, after a while; counts; refuses more than the limit, as the real one does."""

    def __init__(self, clock: VirtualClock, chance: random.Random, limit: int) -> None:
        self.arrivals: list[float] = []
        self.probes: list[float] = []
        self.throttled = 0
        self.logins = 0
        self.login_failure: LoginFailed | None = None
        self.wrong_secret: str | None = None
        """The secret that the login failure is for; None: every one."""
        self.answer: Callable[[list[str]], Answer | None] = lambda _: None
        """None: details for every id."""
        self.seconds = (0.05, 0.3)
        self._clock = clock
        self._chance = chance
        self._limit = limit

    async def log_in(self, secret: str) -> LoginAnswer:
        self.logins += 1
        await self._clock.sleep(0.1)
        now = self._clock.time()
        if self.login_failure is not None and self.wrong_secret in {None, secret}:
            return self.login_failure
        return Token(f"token-{self.logins}", now, now + 86_400)

    async def ask(self, ids: list[str], token: str) -> Answer:  # noqa: ARG002
        now = self._clock.monotonic()
        self.arrivals.append(now)
        if ids[0].startswith(MADE_UP_PREFIX):
            self.probes.append(now)
        await self._clock.sleep(self._chance.uniform(*self.seconds))
        recent = [moment for moment in self.arrivals[-self._limit - 1 :] if moment > now - 60]
        if len(recent) > self._limit:
            self.throttled += 1
            return Throttled(10.0, "429")
        answer = self.answer(ids)
        if answer is not None:
            return answer
        asked_at = datetime.fromtimestamp(self._clock.time(), UTC)
        return Answered({one: Details(asked_at, ("voice",), asked_at=asked_at, end_time=asked_at) for one in ids})

    def probes_per_minute(self, since: float, until: float) -> int:
        """The most in any minute."""
        return most_in_a_period([moment for moment in self.probes if since <= moment < until])


class Table:
    """Keeps how often each interaction was written."""

    def __init__(self, clock: VirtualClock) -> None:
        self.stored: Counter[str] = Counter()
        self.probes: list[float] = []
        self.failure: Callable[[], Exception | None] = lambda: None
        self._clock = clock

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        await self._take()
        self.stored[event.interaction_id] += 1
        return Kept(Known(event.time, event.event_type, details.asked_at, complete=True), details=True, event=True)

    async def probe_write(self) -> None:
        self.probes.append(self._clock.monotonic())
        await self._take()

    async def _take(self) -> None:
        await self._clock.sleep(0.005)
        if (error := self.failure()) is not None:
            raise error


class Worker:
    """One worker process, but for its intake."""

    def __init__(self, service: "Service", number: int, *, slots: int) -> None:
        clock = VirtualClock(seed=number)
        metrics = self.metrics = RecordingMetrics()
        self.cache = DistantCache(service.cache, clock)
        cache = GuardedCache(self.cache, metrics, clock)
        self.gate = Gate(cache, "client", metrics, clock)
        genesys, store = self.gate.dependency("genesys", service.secret), self.gate.dependency("store", service.secret)
        allowance = Allowance(cache, "allowance", Pace(service.limit), metrics, clock)
        self.reaches_genesys = True
        secret = service.secret

        async def ask(ids: list[str], token: str) -> Answer:
            if not self.reaches_genesys:
                await clock.sleep(1)
                return Unreachable(Unavailable("no connection"))
            return await service.genesys.ask(ids, token)

        self.batching = Batching(
            ask,
            Tokens(
                TokenDocument(cache, client="client", client_id="id", secret=secret),
                lambda: service.genesys.log_in(secret),
                metrics,
                clock,
            ),
            allowance,
            gate=self.gate,
            genesys=genesys,
            metrics=metrics,
            clock=clock,
            size=service.size,
            longest_wait=60,
        )
        genesys.probe = self.batching.probe

        async def probe() -> None:
            await probe_store(service.table, store, clock)

        store.probe = probe
        stopping = Stopping(clock)
        self.lifecycle = Lifecycle(
            stopping, drain_seconds=95, hand_back_seconds=10, clock=clock, holds=lambda: self.gate.closed
        )
        attempts = Attempts(
            HeldDetails(self.batching, genesys, clock),
            HeldStore(service.table, store, clock),
            metrics,
            fresh=Freshness(timedelta(seconds=90)),
            not_found_after_seconds=900,
            clock=clock,
            open_since=lambda: self.gate.open_since,
        )
        self.slots = Slots(
            service.machine,
            attempts,
            metrics,
            stopping,
            heartbeat_seconds=20,
            clock=clock,
            fault=self.lifecycle.fault,
            may_fetch=lambda: self.gate.may_fetch,
        )
        loops = {f"slot_{n}": lambda: self.slots.slot(Tick("slot", clock)) for n in range(slots)}
        helpers = {"gate": self.gate.run, "presence": allowance.stay_known}
        self.run = asyncio.create_task(self.lifecycle.run(loops, helpers, self.slots))

    async def drain(self) -> float:
        """SIGTERM; the seconds until its end."""
        began = asyncio.get_running_loop().time()
        self.lifecycle.signal("SIGTERM")
        assert await self.run == 0
        await self.batching.close()
        return asyncio.get_running_loop().time() - began


class Service:
    """So many workers, and all that they reach. To be made in a virtual loop."""

    def __init__(self, *, workers: int = 4, slots: int = 100, size: int = 1, limit: int = 300, seed: int = 0) -> None:
        self.size = size
        self.limit = limit
        self.secret = "secret"
        self.clock = VirtualClock(seed=seed)
        self.chance = chance = random.Random(seed)
        self.cache = MemoryCache(self.clock)
        self.machine = StateMachine(self.clock, chance)
        self.genesys = GenesysCloud(self.clock, chance, limit)
        self.table = Table(self.clock)
        self._slots = slots
        self._number = seed * 100
        self.workers: list[Worker] = []
        for _ in range(workers):
            self.add_worker()

    def start(self, interactions: int) -> None:
        """Start so many executions at once."""
        for number in range(interactions):
            self.machine.start(f"id-{number}")

    def feed(self, *, per_second: float) -> None:
        """Start executions evenly, until `stop_feeding`."""

        async def feed() -> None:
            for number in itertools.count():
                self.machine.start(f"fed-{number}")
                await self.clock.sleep(1 / per_second)

        self._feeding = asyncio.create_task(feed())

    def stop_feeding(self) -> None:
        self._feeding.cancel()

    @property
    def closures(self) -> list[str]:
        """The dependencies that a worker held back for, once for each time."""
        calls = [call for worker in self.workers for call in worker.metrics.calls if call[0] == "dependency_up"]
        return [name for _, name, up in calls if not up]

    def add_worker(self) -> None:
        self._number += 1
        self.workers.append(Worker(self, self._number, slots=self._slots))

    async def replace_workers(self) -> list[float]:
        """A rollout, one by one; how long each old worker took to end."""
        took = []
        for _ in range(len(self.workers)):
            self.add_worker()
            took.append(await self.workers.pop(0).drain())
        return took

    async def until_done(self, *, seconds: float = 86_400) -> None:
        """Until every execution has ended."""
        async with asyncio.timeout(seconds):
            while not all(execution.end for execution in self.machine.executions):
                await self.clock.sleep(5)

    async def stop(self) -> None:
        for worker in self.workers:
            await worker.drain()
