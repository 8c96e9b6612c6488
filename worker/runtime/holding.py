"""Holds an attempt through an outage: what fails for everybody is nobody's attempt.

The slot waits here, with its heartbeats, until the dependency answers again. Only what fails while others succeed, and
what this worker alone cannot do, is reported.
"""

from worker.clock import Clock
from worker.errors import (
    AttemptError,
    InteractionUnavailable,
    Invalid,
    RateLimited,
    StoreRefused,
    StoreThrottled,
    StoreUnavailable,
    Unauthorized,
    Unavailable,
)
from worker.events import InteractionEvent
from worker.fleet.dependency import Dependency, Verdict
from worker.ports import Details, DetailsSource, Kept, ProbedStore, Store
from worker.runtime.stopping import Backoff

_TRIES = 3
"""How often something is tried that fails while others succeed, and is not the interaction's fault."""

_THROTTLED_TRIES = 8
"""About half a minute: a table that grows with the load does so within minutes."""


class HeldDetails:
    """A ports.DetailsSource that waits for as long as Genesys Cloud itself does not answer."""

    def __init__(self, source: DetailsSource, genesys: Dependency, clock: Clock) -> None:
        self._source = source
        self._genesys = genesys
        self._clock = clock

    async def fetch(self, interaction_id: str, *, alone: bool = False) -> Details | AttemptError:
        """As ports.DetailsSource.fetch."""
        backoff, tries = Backoff(self._clock, 1.0), 0
        failure: AttemptError | None = None
        while True:
            result = await self._source.fetch(interaction_id, alone=alone)
            if failure is not None and isinstance(result, RateLimited):
                return failure
            if not isinstance(result, InteractionUnavailable | Unavailable | Unauthorized):
                return result
            match await self._genesys.judge():
                case Verdict.ASK_AGAIN:
                    failure, tries = None, 0
                case Verdict.HAND_BACK:
                    return Unavailable(str(result)) if isinstance(result, InteractionUnavailable) else result
                case Verdict.ITS_OWN:
                    failure, tries = result, tries + 1
                    if isinstance(result, InteractionUnavailable) or tries == _TRIES:
                        return result
                    await self._clock.sleep(backoff.delay())


class HeldStore:
    """A ports.Store that waits for as long as the store itself does not answer."""

    def __init__(self, store: Store, dependency: Dependency, clock: Clock) -> None:
        self._store = store
        self._dependency = dependency
        self._clock = clock

    async def put(self, event: InteractionEvent, details: Details) -> Kept:
        """As ports.Store.put."""
        backoff, tries = Backoff(self._clock, 0.5, 8.0), 0
        while True:
            if self._dependency.closed:
                await self._dependency.judge()
            sent_at = self._clock.monotonic()
            try:
                kept = await self._store.put(event, details)
            except StoreUnavailable as error:
                tries = await self._judge(error, sent_at, tries)
            else:
                self._dependency.answered(sent_at)
                return kept
            await self._clock.sleep(backoff.delay())

    async def _judge(self, error: StoreUnavailable, sent_at: float, tries: int) -> int:
        """How many tries count now. Raises `error`, or Invalid, when there is to be no other."""
        if isinstance(error, StoreThrottled):
            self._dependency.answered(sent_at)
            most = _THROTTLED_TRIES
        else:
            self._dependency.failed(error.name, str(error))
            verdict = await self._dependency.judge()
            if verdict is Verdict.ASK_AGAIN:
                return 0
            if verdict is Verdict.ITS_OWN and isinstance(error, StoreRefused):
                raise Invalid(str(error)) from error
            most = 0 if verdict is Verdict.HAND_BACK else _TRIES
        if tries + 1 >= most:
            raise error
        return tries + 1


async def probe_store(store: ProbedStore, dependency: Dependency, clock: Clock) -> None:
    """One write that changes nothing; tells the dependency what came of it."""
    sent_at = clock.monotonic()
    try:
        await store.probe_write()
    except StoreThrottled:
        dependency.answered(sent_at)
    except StoreUnavailable as error:
        dependency.failed(error.name, str(error), probe=True)
    else:
        dependency.answered(sent_at)
