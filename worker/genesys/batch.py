"""Calls for details, and the groups of them that one request asks for."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from worker.errors import AttemptError, Invalid, Unavailable
from worker.genesys.client import BlameError
from worker.ports import Details

MOST_FAILURES = 7
"""Failures in a row after which a batch is not split further: it, its halves and its quarters.

Up to three ids that make any request fail are found in a batch; in an outage a batch costs no more requests than this.
"""


@dataclass(slots=True, eq=False)
class Call:
    """One interaction that is waited for, by one caller or several."""

    interaction_id: str
    since: float
    """Seconds since the epoch."""
    waiters: list["asyncio.Future[Details]"] = field(default_factory=list)

    def resolve(self, result: Details | AttemptError) -> None:
        """Give everybody who still waits the result; an error to each as one of its own."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if isinstance(result, AttemptError):
                waiter.set_exception(type(result)(*result.args))
            else:
                waiter.set_result(result)
        self.waiters.clear()


@dataclass(slots=True)
class Splitting:
    """The parts of one failed batch, asked for one after the other to tell an id at fault from an outage."""

    failures: int = 0
    """In a row."""
    parts: "deque[Group]" = field(default_factory=deque)
    """Not asked for yet."""


@dataclass(slots=True)
class Group:
    """The calls of one request."""

    calls: list[Call]
    splitting: Splitting = field(default_factory=Splitting)
    token_refused: bool = False

    def blamed(self, blame: BlameError) -> "list[tuple[Group, AttemptError]]":
        """After a failed request: which groups end here and how; what is to be asked for instead is in `parts`."""
        splitting = self.splitting
        splitting.failures += 1
        if splitting.failures >= MOST_FAILURES:
            # Not the fault of every single id, so none may be rejected for good.
            error = Unavailable(str(blame)) if isinstance(blame.error, Invalid) else blame.error
            ended = [self, *splitting.parts]
            splitting.parts.clear()
            return [(group, error) for group in ended]
        if len(self.calls) == 1:
            return [(self, blame.error)]
        middle = len(self.calls) // 2
        splitting.parts.extend(Group(half, splitting) for half in (self.calls[:middle], self.calls[middle:]))
        return []
