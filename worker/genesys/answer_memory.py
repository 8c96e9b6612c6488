"""The memory that answers may take together: while they are read, while they are parsed, while documents are held.

An answer is waited for, never refused, when others take the room. Nobody who holds room here waits for more of the same
kind, so that none waits for ever: an answer that is read goes on in turn, one that is parsed gets all its room at once,
and a document that is held waits only for the store.
"""

import asyncio
import contextlib
import sys
import weakref
from collections import deque
from types import TracebackType
from typing import Any, Self

FREE_BYTES = 256 * 1024
"""What each answer may take without asking, so that large ones hold up no small ones: 16 MiB for 64 requests."""

_READING_BYTES = 16 * 2**20
"""For what answers being read have beyond that; one more may grow to its own limit while this is used up."""

_PARSING_BYTES = 128 * 2**20
"""For what is parsed, and for the documents that attempts hold."""

LARGEST_WEIGHT = 80 * 2**20
"""Of one answer. Eight MiB of analytics conversations weigh about that much, and so do 1.6 MiB of brackets."""

_WEIGHTS = {"{": 128, "[": 96, '"': 32, ",": 48}
"""Bytes per character, measured as what the worst JSON of each kind takes in CPython 3.11 on 64 bits (ADR 0038)."""


class TooLargeError(ValueError):
    """The answer is larger than one may be."""


def weigh(text: str, start: int, end: int) -> int:
    """The most bytes that this part of a JSON text and its values take, or the values and what is packed of them."""
    characters = sys.getsizeof(text) * (end - start) // max(1, len(text))
    return 2 * characters + sum(weight * text.count(mark, start, end) for mark, weight in _WEIGHTS.items())


class HeldDocument(dict[str, Any]):
    """A document that counts until nobody refers to it: a dict that can be weakly referenced."""


class AnswerMemory:
    """What the answers of one process have left. Used on one event loop."""

    def __init__(self, *, reading: int = _READING_BYTES, parsing: int = _PARSING_BYTES) -> None:
        self.reading = _Budget(reading)
        self.reading_turn = asyncio.Lock()
        """Of the one answer that is read beyond the budget."""
        self.parsing = _Budget(parsing)
        self.parsing_turn = asyncio.Lock()
        """Of the one large answer that is parsed."""

    def share(self) -> "Share":
        """A part for one answer, to be used as a context."""
        return Share(self)


class Share:
    """What one answer takes; given back at the end, but for the documents that are held."""

    def __init__(self, memory: AnswerMemory) -> None:
        self._memory = memory
        self._size = 0
        self._charged = 0
        self._reserved = 0
        self._turns = contextlib.ExitStack()
        self._beyond_budget = False

    async def grow(self, size: int) -> None:
        """Take room for so many more bytes of the body."""
        self._size += size
        due = max(0, self._size - FREE_BYTES) - self._charged
        if self._beyond_budget or due <= 0:
            return
        if self._memory.reading.take_now(due):
            self._charged += due
            return
        await self._take(self._memory.reading_turn)
        self._beyond_budget = True

    async def reserve(self, text: str) -> None:
        """Take room to parse `text`, once no other large answer is parsed.

        Raises TooLargeError for what weighs too much to be parsed at all.
        """
        await self._take(self._memory.parsing_turn)
        weight = weigh(text, 0, len(text))
        if weight > LARGEST_WEIGHT:
            raise TooLargeError(f"the answer would take {weight} bytes of memory, more than {LARGEST_WEIGHT}")
        await self._memory.parsing.take(weight)
        self._reserved = weight

    def hold(self, document: HeldDocument, weight: int) -> None:
        """Let so much of what is reserved count for as long as `document` is referred to."""
        self._reserved -= weight
        give_back = self._memory.parsing.give_back_from_any_thread
        weakref.finalize(document, give_back, asyncio.get_running_loop(), weight).atexit = False

    async def _take(self, turn: asyncio.Lock) -> None:
        await turn.acquire()
        self._turns.callback(turn.release)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._memory.reading.give_back(self._charged)
        self._memory.parsing.give_back(self._reserved)
        self._turns.close()


class _Budget:
    """Bytes, given to those who wait for them in their order."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take_now(self, size: int) -> bool:
        """Take `size` bytes, unless they are not free."""
        enough = not self._waiting and size <= self.free
        if enough:
            self.free -= size
        return enough

    async def take(self, size: int) -> None:
        """Wait until `size` bytes are free, and take them."""
        if self.take_now(size):
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (size, given)
        self._waiting.append(entry)
        try:
            await given
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
                self.give_back(0)
            else:
                self.give_back(size)
            raise

    def give_back(self, size: int) -> None:
        """Give `size` bytes back, and those that are free to who waits for them."""
        self.free += size
        while self._waiting and self._waiting[0][0] <= self.free:
            taken, given = self._waiting.popleft()
            self.free -= taken
            if given.cancelled():
                self.free += taken
            else:
                given.set_result(None)

    def give_back_from_any_thread(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        """As `give_back`, soon: a document may be let go in the midst of anything. Nothing after the loop's end."""
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self.give_back, size)
