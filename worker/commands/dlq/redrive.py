"""Sends dead letters through again.

A letter is removed only after its way back is confirmed, and a failed execution has one successor, found by its name.
So whenever this is killed, the letters it did not get to are still there, and doing them again starts nothing twice.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker.aws.errors import Kind, kind_of
from worker.errors import NotConfirmedError
from worker.events import InvalidEventError
from worker.letter import FailedInteraction, Letter
from worker.wiring import Queues

_THROTTLE_WAITS = (1, 2, 4, 8)
"""Seconds before the next try of a throttled StartExecution; its bucket refills 300 (elsewhere 150) a second."""


@dataclass(slots=True)
class Tally:
    """What became of the letters."""

    redriven: int = 0
    matching: int = 0
    """Letters that the filter selects, up to the limit."""
    foreign: int = 0
    failed: list[tuple[Letter, str]] = field(default_factory=list)
    by_error: Counter[str] = field(default_factory=Counter)


class Redrive:
    """One pass that sends letters through again."""

    def __init__(
        self,
        aws: Queues,
        *,
        hold_seconds: int,
        select: Callable[[Letter], bool],
        limit: int | None,
        dry_run: bool,
        seen: Callable[[Tally], None],
    ) -> None:
        self._aws = aws
        self._hold_seconds = hold_seconds
        self._select = select
        self._limit = limit
        self._dry_run = dry_run
        self._seen = seen
        self.tally = Tally()

    async def run(self) -> Tally:
        """Redrive every selected letter that was there at the start, up to the limit.

        Raises errors.NotConfirmedError when the letters cannot be read.
        """
        await self._aws.letters.walk(
            self._visit, hold_seconds=self._hold_seconds, enough=self._enough, removes=not self._dry_run
        )
        return self.tally

    def _enough(self) -> bool:
        return self._limit is not None and self.tally.matching >= self._limit

    async def _visit(self, letters: Sequence[Letter]) -> set[str]:
        """Redrive the selected ones; the message ids of those that are gone from the dead-letter queue."""
        chosen = [letter for letter in letters if self._take(letter)]
        if self._dry_run or not chosen:
            self._seen(self.tally)
            return set()
        problems = await asyncio.gather(*(self._send(letter) for letter in chosen))
        confirmed = [letter for letter, problem in zip(chosen, problems, strict=True) if problem is None]
        self.tally.failed += [(letter, text) for letter, text in zip(chosen, problems, strict=True) if text is not None]
        kept = await self._aws.letters.remove(confirmed) if confirmed else set()
        self.tally.failed += [
            (letter, "sent through again, but its letter could not be removed; to repeat it is safe")
            for letter in confirmed
            if letter.message_id in kept
        ]
        removed = {letter.message_id for letter in confirmed} - kept
        self.tally.redriven += len(removed)
        self._seen(self.tally)
        return removed

    def _take(self, letter: Letter) -> bool:
        if letter.origin == "foreign":
            self.tally.foreign += 1
            return False
        if self._enough() or not self._select(letter):
            return False
        self.tally.matching += 1
        self.tally.by_error[letter.error] += 1
        return True

    async def _send(self, letter: Letter) -> str | None:
        """The letter's way back; None when it is confirmed, else what went wrong."""
        try:
            if letter.failure is not None:
                await self._start(letter.failure)
            else:
                await self._aws.queue.send(letter.body)
        except NotConfirmedError as error:
            return error.code
        except InvalidEventError as error:
            return error.reason
        return None

    async def _start(self, failure: FailedInteraction) -> None:
        """Raises NotConfirmedError, and InvalidEventError for an input that the intake would not have started."""
        execution_input = failure.event(datetime.now(UTC)).execution_input()
        for wait in (*_THROTTLE_WAITS, None):
            try:
                await self._aws.executions.start_as(failure.redrive_name, execution_input)
            except NotConfirmedError as error:
                if kind_of(error.code) is not Kind.THROTTLED or wait is None:
                    raise
                await asyncio.sleep(wait)
            else:
                return
