"""The calls that one details request carries, and how a failed batch is bisected to find the id at fault."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.errors import AttemptError, Invalid, Unavailable
from worker.genesys.answer import Suspect
from worker.ports import Details

MOST_FAILURES = 7
"""Failures in a row after which a batch is not bisected further: it, its halves and its quarters.

Up to three ids that make any request fail are found in a batch; in an outage a batch costs no more requests than this.
"""


@dataclass(slots=True, eq=False)
class Call:
    """One interaction that is waited for, by one caller or several."""

    interaction_id: str
    since: float
    """When it began to wait (seconds since the epoch)."""
    waiters: list["asyncio.Future[Details | AttemptError]"] = field(default_factory=list)
    """Empty once the call has its result, or when all its callers gave up."""

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
    failures: int = 0
    """In a row: what tells an id at fault from an outage."""
    token_refused: bool = False
    """Whether these calls were refused for their token once already."""

    def all_calls(self) -> Iterator[Call]:
        """Those of the next request and of the parts after it."""
        yield from self.calls
        for part in self.rest:
            yield from part

    def resolve_all(self, error: AttemptError) -> None:
        """End all that is left of the batch."""
        for call in self.all_calls():
            call.resolve(error)

    def drop_unawaited(self) -> bool:
        """Leave out the calls that nobody waits for, and go on to the next part when none is left; whether any is."""
        self.calls = [call for call in self.calls if call.waiters]
        while not self.calls and self.rest:
            self.calls = [call for call in self.rest.popleft() if call.waiters]
            self.token_refused = False
        return bool(self.calls)

    def bisect(self, suspect: Suspect) -> None:
        """After a failed request: resolve the id at fault, or put off the halves of what failed."""
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            # Not the fault of every single id, so none may be rejected for good.
            error = suspect.error
            self.resolve_all(Unavailable(str(error)) if isinstance(error, Invalid) else error)
        elif len(self.calls) == 1:
            self.calls[0].resolve(suspect.error)
        else:
            middle = len(self.calls) // 2
            self.rest.extend((self.calls[:middle], self.calls[middle:]))
            self.calls = []
