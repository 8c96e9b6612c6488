"""Removes dead letters for good."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worker.aws.letters import MAX_HELD, SqsDeadLetters
from worker.letter import Letter


@dataclass(slots=True)
class Tally:
    """What became of the letters."""

    removed: int = 0
    matching: int = 0
    """Letters that the filter selects, up to the limit."""
    read: int = 0
    failed: list[Letter] = field(default_factory=list)
    """What SQS did not confirm to be removed."""
    by_error: Counter[str] = field(default_factory=Counter)

    @property
    def full(self) -> bool:
        """One pass held as many letters as it may, so it may not have seen them all."""
        return self.read - self.removed >= MAX_HELD


class Removal:
    """One pass that removes letters."""

    def __init__(
        self,
        letters: SqsDeadLetters,
        *,
        hold_seconds: int,
        select: Callable[[Letter], bool],
        limit: int | None = None,
        dry_run: bool = False,
        seen: Callable[[Tally], None] = lambda _: None,
    ) -> None:
        self._letters = letters
        self._hold_seconds = hold_seconds
        self._select = select
        self._limit = limit
        self._dry_run = dry_run
        self._seen = seen
        self.tally = Tally()

    async def run(self) -> Tally:
        """Remove every selected letter that was there at the start, up to the limit.

        Raises errors.NotConfirmedError when the letters cannot be read.
        """
        await self._letters.walk(self._visit, hold_seconds=self._hold_seconds, enough=self._enough, removes=False)
        return self.tally

    def _enough(self) -> bool:
        return self._limit is not None and self.tally.matching >= self._limit

    async def _visit(self, letters: Sequence[Letter]) -> set[str]:
        chosen = [letter for letter in letters if self._take(letter)]
        kept = await self._letters.remove(chosen) if chosen and not self._dry_run else set()
        removed = set() if self._dry_run else {letter.message_id for letter in chosen} - kept
        self.tally.failed += [letter for letter in chosen if letter.message_id in kept]
        self.tally.removed += len(removed)
        self._seen(self.tally)
        return removed

    def _take(self, letter: Letter) -> bool:
        self.tally.read += 1
        if self._enough() or not self._select(letter):
            return False
        self.tally.matching += 1
        self.tally.by_error[letter.error] += 1
        return True
