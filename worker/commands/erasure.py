"""Removes everything kept of some conversations, in an order in which nothing of it comes back.

First the tombstone: from then on no attempt stores anything, and one that archived its document meanwhile removes it.
Then the objects, the letters, and the objects once more: a worker of 0.1.0 knows no tombstones, and one that is killed
cannot remove what it wrote. Nothing is stopped: an execution that is stopped writes a new letter.
"""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from worker.aws.tombstones import Replaced
from worker.commands.dlq.removal import Removal
from worker.commands.dlq.wording import number_of
from worker.errors import NotConfirmedError
from worker.letter import UNKNOWN, Letter
from worker.wiring import Places

_HOLD_SECONDS = 120
"""For how long a killed run leaves letters hidden."""

_AT_ONCE = 32

_SHORTEST_TO_SEARCH = 16
"""Characters of an id that is searched for in bodies. A shorter one, such as `1`, may be a word of any body."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
"""What an id may consist of, as long as it goes: an id inside of a longer word is not named."""


@dataclass(slots=True)
class Erased:
    """What became of one conversation."""

    interaction_id: str
    replaced: Replaced | None = None
    """What the tombstone replaced; None: it could not be written, so nothing else was tried."""
    days: Sequence[date] = ()
    """Whose part of the archive was looked at."""
    versions: int = 0
    """Archived ones that were removed."""
    letters: int = 0
    archive_problem: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def wholly(self) -> bool:
        """Nothing is left that could be found."""
        return self.replaced is not None and not self.archive_problem and not self.problems

    def text(self, today: date) -> str:
        """The same in words, with nothing personal."""
        done = []
        if self.replaced is not None:
            item = "an item" if self.replaced.item else "no item"
            done = ["erased before" if self.replaced.tombstone else item]
            done += [number_of(self.versions, "archived version"), number_of(self.letters, "dead letter")]
        known = self.replaced is not None and self.replaced.start is not None
        if self.days and not known:
            done.append(f"its day is unknown: the archive was searched back to {self.days[0]}")
        problems = [*self.problems]
        if self.archive_problem:
            again = f"; repeat it with --archive-days {(today - self.days[0]).days}" if known else ""
            problems.append(f"the archive: {self.archive_problem}{again}")
        return "; ".join([", ".join(done), *problems] if done else problems)


class Erasure:
    """One run for some ids."""

    def __init__(self, places: Places, ids: Collection[str], *, archive_days: int, today: date) -> None:
        """`archive_days`: how far back an object is looked for whose day is unknown. `today`: in UTC."""
        self._places = places
        self._any_day = [today - timedelta(days) for days in range(archive_days, -1, -1)]
        self._found = {one: Erased(one) for one in ids}
        self._budget = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> list[Erased]:
        """Erase them all; what became of each, in their order. Whatever AWS refuses is in the answers."""
        await asyncio.gather(*map(self._bury, self._found.values()))
        buried = [one for one in self._found.values() if one.replaced is not None]
        await self._remove_objects(buried)
        if buried:
            await self._remove_letters({one.interaction_id: one for one in buried})
        await self._remove_objects(buried)
        return list(self._found.values())

    async def _bury(self, one: Erased) -> None:
        async with self._budget:
            try:
                one.replaced = await self._places.tombstones.put(one.interaction_id)
            except NotConfirmedError as error:
                one.problems.append(f"DynamoDB did not confirm the tombstone: {error.code}")
                return
        if self._places.archive is not None:
            start = one.replaced.start
            one.days = [start.date()] if start else self._any_day

    async def _remove_objects(self, buried: Sequence[Erased]) -> None:
        archive = self._places.archive
        if archive is None:
            return
        # One id after the other: without its day an id takes hundreds of calls, which are made at the same time.
        for one in buried:
            removed = await archive.remove(one.interaction_id, one.days)
            one.versions += removed.versions
            one.archive_problem = removed.problem  # the last look decides

    async def _remove_letters(self, buried: Mapping[str, Erased]) -> None:
        named: dict[str, set[str]] = {}
        searched = {one for one in buried if len(one) >= _SHORTEST_TO_SEARCH}

        def select(letter: Letter) -> bool:
            named[letter.message_id] = _named(letter, buried, searched)
            return bool(named[letter.message_id])

        kept, problem = await self._walk(select)
        for message_id, ids in named.items():
            for one in ids:
                if message_id in kept:
                    buried[one].problems.append(f"SQS did not confirm that letter {message_id} is gone")
                else:
                    buried[one].letters += 1
        if problem:
            for erased in buried.values():
                erased.problems.append(problem)

    async def _walk(self, select: Callable[[Letter], bool]) -> tuple[set[str], str]:
        """Remove the selected letters; which of them are still there, and why some were not seen."""
        letters, problem = self._places.letters, ""
        removal = Removal(letters, hold_seconds=_HOLD_SECONDS, select=select)
        try:
            if hidden := (await letters.counts()).hidden:
                problem = f"another run has hidden {number_of(hidden, 'dead letter')}: repeat it when that one is over"
            if (await removal.run()).full:
                problem = "one pass cannot read so many dead letters: redrive or delete some, and repeat it"
        except NotConfirmedError as error:
            problem = f"not all dead letters could be read: {error.code}"
        return {letter.message_id for letter in removal.tally.failed}, problem


def _named(letter: Letter, ids: Collection[str], searched: Collection[str]) -> set[str]:
    """Which of `ids` the letter is about: its own, or of a body without one those of `searched` that it names."""
    if letter.interaction_id != UNKNOWN:
        return {letter.interaction_id} & set(ids)
    return set(_TOKEN.findall(letter.body)) & set(searched)
