"""The gate: whether this worker may ask, from what the whole fleet knows of outages and of a pause.

It is asked before a slot polls, before a request is sent, and before messages are received.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from worker.clock import Clock
from worker.errors import SharedCacheError
from worker.fleet.dependency import Dependency, DependencyName
from worker.fleet.document import Document
from worker.fleet.gate_record import GateRecord, Pause
from worker.fleet.outage_rule import Step, next_step
from worker.ports import Metrics, SharedCache

READ_SECONDS = 0.9
"""How old what is known of the fleet may be: a pause reaches every worker within 2 s, with the time of a read."""

TROUBLE_SECONDS = 0.25
"""Time between two looks at a dependency that is in doubt or closed."""

TELL_SECONDS = 60.0
"""Time between two log lines of a pause."""

_EARLY = 0.8
"""Rounds come earlier by up to a fifth, so that workers do not keep step."""

_NEW_SECONDS = 5.0
"""A pause that was not there so long ago is new, and lasts from now on, whatever the operator's clock says."""

_TRIES = 8
"""Writes that another worker gets ahead of, before the next round tries again."""

log = structlog.get_logger()


def gate_document(cache: SharedCache, client: str) -> Document[GateRecord]:
    """What the workers of one OAuth client (`keys.client_key`) know of outages and of a pause."""
    return Document(cache, f"gate#{client}", GateRecord)


async def change_gate(
    document: Document[GateRecord], clock: Clock, change: Callable[[GateRecord], GateRecord | None], *, tries: int
) -> tuple[GateRecord, GateRecord | None] | None:
    """Write what `change` makes of the document: what was there, and what is there now.

    The second one is None where `change` makes nothing of the first. None: others were faster, `tries` times. Raises
    errors.SharedCacheError.
    """
    for _ in range(tries):
        seen = await document.read()
        record = change(seen.value)
        if record is None or record == seen.value:
            return seen.value, record
        if await document.replace(seen, record, seconds=record.keep_seconds(clock.time())) is not None:
            return seen.value, record
    return None


class Gate:
    """All dependencies of one worker, and the document that it shares with the others."""

    def __init__(self, cache: SharedCache, key: str, metrics: Metrics, clock: Clock) -> None:
        """`key` is of the OAuth client: all that share its allowance share the gate."""
        self._document = gate_document(cache, key)
        self._metrics = metrics
        self._clock = clock
        self._me = f"{int(clock.uniform(0, 16**8)):08x}"
        self._dependencies: list[Dependency] = []
        self._doubted: set[str] = set()
        self._pause: Pause | None = None
        self._pause_ends = 0.0
        self._was_paused = False
        self._told_at = 0.0
        self._poked = asyncio.Event()
        self._read_at = float("-inf")
        self._looked = False
        self._was_open = True
        self._opened_at: float | None = None
        self._round_ended = asyncio.Event()
        self.rests: Callable[[], bool] = lambda: False
        """Whether the fleet was told to wait so long that polling for more is of no use."""

    def dependency(self, name: DependencyName, key: str) -> Dependency:
        """A dependency of this worker, from now on part of the gate."""
        found = Dependency(name, key, self._metrics, self._clock, self._poked.set)
        self._dependencies.append(found)
        return found

    @property
    def paused(self) -> bool:
        """Whether an operator's pause holds."""
        return self._pause is not None and self._clock.monotonic() < self._pause_ends

    @property
    def closed(self) -> bool:
        """Whether the fleet, or this worker, holds back: nothing is fetched, and what is in hand is held."""
        return self.paused or any(dependency.closed for dependency in self._dependencies)

    @property
    def open_since(self) -> float:
        """When this worker last saw the end of an outage or a pause (seconds since the epoch); 0: it saw none.

        Time before it was nobody's fault: it does not count as lateness.
        """
        if self._opened_at is None:
            return 0.0
        return self._clock.time() - (self._clock.monotonic() - self._opened_at)

    @property
    def may_ask(self) -> bool:
        """Whether a request may be sent now that is no probe."""
        return self._looked and not self.closed and not any(dependency.is_doubtful for dependency in self._dependencies)

    @property
    def may_fetch(self) -> bool:
        """Whether slots and receivers should ask for more to do."""
        return self.may_ask and not self.rests()

    async def changed(self) -> None:
        """Until any answer of the gate may be another one."""
        await self._round_ended.wait()

    async def run(self) -> None:
        """For as long as the worker lives: see what the fleet knows, and do what follows from it."""
        try:
            while True:
                await self._round()
                if not self._was_open and not self.closed:
                    self._opened_at = self._clock.monotonic()
                self._was_open = not self.closed
                self._round_ended.set()
                self._round_ended = asyncio.Event()
                troubled = any(d.closed or d.view.row.failures or d.view.doubt for d in self._dependencies)
                await self._sleep(TROUBLE_SECONDS if troubled else READ_SECONDS)
        finally:
            for dependency in self._dependencies:
                await dependency.close()

    async def look(self) -> None:
        """See what the fleet knows. While the shared cache does not answer, what was seen last holds."""
        with contextlib.suppress(SharedCacheError):
            seen = await self._document.read()
            if self.paused and not seen.exists:  # a pause ends by `resume` and by its time, not by a lost document
                record = GateRecord(pause=self._pause)
                await self._document.replace(seen, record, seconds=record.keep_seconds(self._clock.time()))
            else:
                self._see(seen.value)
        self._looked = True
        self._tell_of_pause()

    async def _round(self) -> None:
        if self._clock.monotonic() - self._read_at >= READ_SECONDS * _EARLY:
            await self.look()
        for dependency in self._dependencies:
            if self.paused and dependency.name == "genesys":
                dependency.rest()
                continue
            doubted = dependency.key in self._doubted
            step = next_step(dependency.view, self._me, self._clock.monotonic(), doubted=doubted)
            try:
                if dependency.owes_opening:
                    await self._act(dependency, Step.OPEN)
                await self._act(dependency, step)
            except SharedCacheError:
                _act_without_cache(dependency, step)
        self._tell_of_pause()

    def _tell_of_pause(self) -> None:
        self._metrics.paused(self.paused)
        if self._was_paused != self.paused:
            self._was_paused = self.paused
            self._told_at = self._clock.monotonic()
            log.info("paused" if self.paused else "resumed")
        elif self.paused and self._clock.monotonic() - self._told_at >= TELL_SECONDS:
            self._told_at = self._clock.monotonic()
            log.info("pause_lasts")  # what reads only the log has to know that the silence is meant

    def _see(self, record: GateRecord) -> None:
        now = self._clock.monotonic()
        if record.pause is not None and record.pause != self._pause:
            is_new = now - self._read_at < _NEW_SECONDS
            written_at = record.pause.since if is_new else self._clock.time()
            self._pause_ends = now + record.pause.remaining(written_at)
        self._pause = record.pause
        self._read_at = now
        for dependency in self._dependencies:
            dependency.see(record)
            if not dependency.view.row.failures:
                self._doubted.discard(dependency.key)

    async def _act(self, dependency: Dependency, step: Step) -> None:
        match step:
            case Step.PROBE:
                dependency.start_probe()
            case Step.PROBE_ALONE:
                dependency.renew_alone()
                dependency.start_probe()
            case Step.PROBE_FOR_ALL:
                await self._probe_for_all(dependency)
            case Step.STAND_ALONE:
                self._doubted.discard(dependency.key)
                dependency.stand_alone(others_work=True)
            case Step.OPEN | Step.EXPIRE:
                dependency.open_alone()
                await self._change(lambda record: record.opened(dependency.key))
            case Step.DOUBT | Step.CLEAR | Step.CLOSE:
                await self._argue(dependency, step)

    async def _argue(self, dependency: Dependency, step: Step) -> None:
        """Whether it is an outage, with the other workers."""
        key, doubted_by = dependency.key, dependency.view.doubt
        match step:
            case Step.DOUBT:
                if await self._change(lambda record: record.doubted(key, self._me)):
                    self._doubted.add(key)
            case Step.CLEAR:
                await self._change(lambda record: record.cleared(key))
            case Step.CLOSE:
                closure = dependency.closure()
                await self._change(
                    lambda record: record.shut(key, closure) if record.doubts.get(key) == doubted_by else None
                )

    async def _probe_for_all(self, dependency: Dependency) -> None:
        closure = dependency.view.closure
        if closure is None or dependency.probe is None:
            return
        if await self._change(lambda record: record.probing(dependency.key, closure.probes)):
            dependency.start_probe()

    async def _change(self, change: Callable[[GateRecord], GateRecord | None]) -> bool:
        """Write what `change` makes of the document; False when it makes nothing of it, or others were faster."""
        changed = await change_gate(self._document, self._clock, change, tries=_TRIES)
        if changed is None:
            return False
        before, after = changed
        self._see(before if after is None else after)
        return after is not None

    async def _sleep(self, seconds: float) -> None:
        self._poked.clear()
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(seconds * self._clock.uniform(_EARLY, 1)):
                await self._poked.wait()


def _act_without_cache(dependency: Dependency, step: Step) -> None:
    """What a worker decides for itself while the fleet's word is not to be had."""
    if step in {Step.DOUBT, Step.CLOSE}:
        dependency.stand_alone(others_work=False)
    elif step is Step.PROBE_FOR_ALL:
        dependency.go_on_alone()
