"""One dependency as this worker sees it: whether it answers, and what the failure of a request to it means."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto
from typing import Literal

import structlog

from worker.cancellation import cancel_and_wait
from worker.clock import Clock
from worker.fleet.gate_record import LONGEST_INTERVAL_SECONDS, Closure, GateRecord
from worker.fleet.outage_rule import Alone, Row, View
from worker.ports import Metrics
from worker.trouble import Trouble

DependencyName = Literal["genesys", "store"]

Probe = Callable[[], Awaitable[object]]
"""Sends one request that changes nothing. What came of it the dependency is told as of every other request."""

SUSPECT_SECONDS = 120.0
"""How old the last answer may be when a suspect fails again: as long as an outage may last that it does not notice."""

log = structlog.get_logger()


class Verdict(Enum):
    """What a failed request means for the interaction that it was for."""

    ITS_OWN = auto()
    """Others have succeeded since."""
    ASK_AGAIN = auto()
    """There was an outage, and it is over."""
    HAND_BACK = auto()
    """Only this worker gets no answers: others do better with the task."""


class Dependency:
    """What its users tell it, and what they may ask. `gate.Gate` decides on the steps."""

    def __init__(
        self, name: DependencyName, key: str, metrics: Metrics, clock: Clock, poke: Callable[[], None]
    ) -> None:
        """`key` is of the settings that reach the dependency, so that workers with others decide for themselves."""
        self.name = name
        self.key = f"{name}#{key}"
        self.probe: Probe | None = None
        """None: this worker cannot ask the dependency, and only follows the fleet."""
        self.view = View()
        self._metrics = metrics
        self._clock = clock
        self._poke = poke
        self._answered_send = self._answered_at = float("-inf")
        self._reopened: float | None = None
        self._changed = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._trouble = Trouble(clock, begins="outage_began", ends="outage_ended", dependency=name)
        metrics.dependency_up(name, True)

    @property
    def closed(self) -> bool:
        """Whether this worker holds back because of it."""
        return self.view.closure is not None or self.view.alone is not None

    @property
    def others_work(self) -> bool:
        """Whether only this worker holds back: what waits here is better off with others."""
        return self.view.alone is not None and self.view.alone.others_work

    async def changed(self) -> None:
        """Until more is known of it."""
        await self._changed.wait()

    @property
    def owes_opening(self) -> bool:
        """It answered this worker, and the fleet's closure of it could not be removed yet."""
        return self._reopened is not None

    @property
    def is_doubtful(self) -> bool:
        """Whether so much failed that nothing but probes should be sent."""
        return self.view.row.is_enough(self._clock.monotonic())

    def answered(self, sent_at: float) -> None:
        """A request sent at this time of the monotonic clock was answered, if only to say what is wrong with it.

        An answer to what was sent before the first failure says nothing of the time after it.
        """
        self._answered_send = max(self._answered_send, sent_at)
        self._answered_at = self._clock.monotonic()
        view = self.view
        if (view.row.failures and sent_at >= view.row.since) or self.closed or view.doubt is not None:
            self.view = replace(view, row=Row(), answered_at=self._clock.monotonic())
            self._tell()

    def failed(self, error: str, detail: str, *, probe: bool = False, suspect: bool = False) -> None:
        """A request failed with the error of this name, and it may be the dependency's fault.

        A `suspect` has failed before while others succeeded: it raises no doubt where anything was answered lately.
        """
        if suspect and not self.view.row.failures and self._clock.monotonic() - self._answered_at < SUSPECT_SECONDS:
            return
        row = self.view.row.failed(self._clock.monotonic(), error, detail, probe=probe)
        self.view = replace(self.view, row=row)
        self._tell()

    async def judge(self) -> Verdict:
        """What the failure that was just reported means; waits for as long as that is not known, or an outage lasts."""
        failed_at, held = self._clock.monotonic(), False
        while True:
            if self.others_work:
                return Verdict.HAND_BACK
            if self.closed:
                held = True
            elif held:
                return Verdict.ASK_AGAIN
            elif self._answered_send > failed_at or not self.view.row.failures:
                return Verdict.ITS_OWN
            await self.changed()

    def start_probe(self) -> None:
        """Send a probe beside everything else; one at a time."""
        if self.probe is None or (self._probing is not None and not self._probing.done()):
            return
        self.view = replace(self.view, row=self.view.row.asked(self._clock.monotonic()))
        self._probing = asyncio.create_task(self._probe(self.probe), name=f"{self.name}-probe")

    async def _probe(self, probe: Probe) -> None:
        began = self._clock.monotonic()
        try:
            await probe()
        except Exception as error:
            log.exception("probe_failed", dependency=self.name)
            self.failed("Worker.Unexpected", type(error).__name__, probe=True)
        if self.closed and self._answered_send < began:
            log.warning("outage_lasts", dependency=self.name, error=self.view.row.error, detail=self.view.row.detail)

    def see(self, record: GateRecord) -> None:
        """Take over what the fleet knows."""
        now, view = self._clock.monotonic(), self.view
        closure, doubt = record.closed.get(self.key), record.doubts.get(self.key)
        if closure is None or closure.since != self._reopened:
            self._reopened = None
        else:
            return  # it was found to answer, which could not be written yet
        if closure != view.closure:
            closed_at = view.closed_at if view.closure is not None else now
            view = replace(view, closure=closure, closed_at=closed_at, renewed_at=now)
            if closure is not None:
                view = replace(view, alone=None)
            elif not view.alone:
                view = replace(view, row=Row())
        if doubt != view.doubt:
            view = replace(view, doubt=doubt, doubt_at=now)
        self._take(view)

    def stand_alone(self, *, others_work: bool) -> None:
        """Hold back without the fleet."""
        now = self._clock.monotonic()
        self._take(replace(self.view, alone=Alone(self.closure(), others_work), alone_at=now, alone_renewed_at=now))

    def go_on_alone(self) -> None:
        """Hold back as the fleet did, while its word is not to be had."""
        if (closure := self.view.closure) is not None:
            alone = Alone(closure, others_work=False)
            self._take(
                replace(
                    self.view,
                    closure=None,
                    alone=alone,
                    alone_at=self.view.closed_at,
                    alone_renewed_at=self.view.renewed_at,
                )
            )

    def renew_alone(self) -> None:
        """Count a probe that this worker sends for itself."""
        if (alone := self.view.alone) is not None:
            counted = replace(alone.closure, probes=alone.closure.probes + 1)
            alone = replace(alone, closure=counted)
            self._take(replace(self.view, alone=alone, alone_renewed_at=self._clock.monotonic()))

    def rest(self) -> None:
        """Nobody probes during a pause, and so a closure does not expire in it; the first probe comes right after."""
        if self.view.closure is not None:
            self.view = replace(self.view, renewed_at=self._clock.monotonic() - LONGEST_INTERVAL_SECONDS)

    def open_alone(self) -> None:
        """It answers, whatever the fleet knows of it."""
        closure = self.view.closure or (self.view.alone.closure if self.view.alone else None)
        if closure is not None:
            self._reopened = closure.since
        self._take(replace(self.view, closure=None, alone=None, row=Row()))

    def closure(self) -> Closure:
        """The closure that the failures seen here make."""
        return Closure(self.view.row.error, self.view.row.detail, since=self._clock.time())

    async def close(self) -> None:
        """Stop a probe under way."""
        if self._probing is not None:
            await cancel_and_wait(self._probing)

    def _take(self, view: View) -> None:
        was_closed = self.closed
        changed = view != self.view
        self.view = view
        if was_closed != self.closed:
            self._metrics.dependency_up(self.name, not self.closed)
            if self.closed:
                closure = view.closure or (view.alone.closure if view.alone else self.closure())
                self._trouble.failed(closure.error, closure.detail)
            else:
                self._trouble.succeeded()
        if changed:
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self._poke()
