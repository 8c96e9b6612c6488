"""The calls that one details request carries, and how a failed batch is bisected to find the id at fault."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.errors import AttemptError, Unavailable
from worker.genesys.answer import Suspect
from worker.ports import Details


@dataclass(slots=True, eq=False)
class Call:
    """One interaction that is waited for, by one caller or several."""

    interaction_id: str
    since: float
    """When it began to wait for a permit (seconds since the epoch)."""
    alone: bool = False
    """It failed before, and shares no request with what did not."""
    waited: float = 0.0
    """Seconds for which it waited for permits before that. Requests under way, and time held, do not count."""
    error: AttemptError | None = None
    """What its last request failed with, if it is asked for again after that."""
    waiters: list["asyncio.Future[Details | AttemptError]"] = field(default_factory=list)
    """Empty once the call has its result, or when all its callers gave up."""

    def deadline(self, longest_wait: float) -> float:
        """When it has waited for `longest_wait` seconds (seconds since the epoch)."""
        return self.since + longest_wait - self.waited

    def stop_waiting(self, now: float) -> None:
        """It is sent, or held."""
        self.waited += max(0.0, now - self.since)

    def resolve(self, result: Details | AttemptError) -> None:
        """Give the result to everybody who still waits."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(result)
        self.waiters.clear()

    def cancel(self) -> None:
        """Cancel everybody who still waits."""
        for waiter in self.waiters:
            waiter.cancel()
        self.waiters.clear()


@dataclass(slots=True, eq=False)
class Batch:
    """The calls of one request and, while a failed batch is bisected, its parts that are asked for after it."""

    calls: list[Call]
    """What the next request asks for, or the one in flight."""
    rest: deque[list[Call]] = field(default_factory=deque)
    is_probe: bool = False
    """Of a made-up id, to see whether Genesys Cloud answers: sent while nothing else is."""
    token_refused: bool = False
    """Whether these calls were refused for their token once already."""

    @property
    def is_suspect(self) -> bool:
        """Whether it is of a call that failed before."""
        return any(call.alone for call in self.calls)

    def all_calls(self) -> Iterator[Call]:
        """Those of the next request and of the parts after it."""
        yield from self.calls
        for part in self.rest:
            yield from part

    def end_in_doubt(self) -> None:
        """End the calls whose last request failed, where looking for the id at fault is of no use: nobody may ask."""
        for call in self.all_calls():
            if call.error is not None:
                call.resolve(Unavailable(str(call.error)))

    def drop_unawaited(self) -> bool:
        """Leave out the calls that nobody waits for, and go on to the next part when none is left; whether any is."""
        self.calls = [call for call in self.calls if call.waiters]
        while not self.calls and self.rest:
            self.calls = [call for call in self.rest.popleft() if call.waiters]
            self.token_refused = False
        return bool(self.calls)

    def bisect(self, suspect: Suspect) -> None:
        """After a failed request: resolve the id at fault, or put the halves of what failed first in line.

        Depth first, so that a part without an id at fault is soon asked for: its answer says that it is no outage.
        """
        if len(self.calls) == 1:
            self.calls[0].resolve(suspect.error)
        else:
            for call in self.calls:
                call.error = suspect.error
            middle = len(self.calls) // 2
            self.rest.extendleft((self.calls[middle:], self.calls[:middle]))
            self.calls = []
