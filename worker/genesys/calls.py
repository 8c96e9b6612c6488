"""Calls that wait for a request: which of them the next request takes, and which have waited for too long."""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from worker.errors import AttemptError, RateLimited
from worker.fleet.allowance import Demand
from worker.genesys.batch import Batch, Call


class Calls:
    """In lines: for a first request with others, for one of their own, in batches to be asked again, and probes.

    Times are seconds since the epoch.
    """

    def __init__(self, size: int, longest_wait: float) -> None:
        """`size` is how many ids a request carries at most, `longest_wait` how long a call waits (seconds)."""
        self._size = size
        self._longest_wait = longest_wait
        self._waiting: dict[str, Call] = {}
        """The oldest first."""
        self._alone: dict[str, Call] = {}
        self._again: deque[Batch] = deque()
        self._probes: deque[Batch] = deque()
        self._alone_is_next = False

    def __bool__(self) -> bool:
        return bool(self._waiting or self._alone or self._again or self._probes)

    @property
    def has_probe(self) -> bool:
        """Whether a probe waits, which may be sent while nothing else may."""
        return bool(self._probes)

    @property
    def has_new_batch(self) -> bool:
        """Whether the call added last was the first of a batch, or filled one."""
        return len(self._waiting) % self._size in {0, 1}

    def join(self, interaction_id: str, now: float, *, alone: bool) -> Call:
        """The call for this interaction: one that waits for its first request already, or a new one.

        `alone` is for what failed before: it shares no request with what did not.
        """
        line = self._alone if alone and self._size > 1 else self._waiting
        return line.setdefault(interaction_id, Call(interaction_id, now, alone))

    def add_probe(self, call: Call) -> None:
        """Let a call for a made-up id wait."""
        self._probes.append(Batch([call], is_probe=True))

    def ask_again(self, batch: Batch, now: float) -> None:
        """Let what is left of a batch wait, before all that was not asked for yet."""
        if batch.drop_unawaited():
            for call in batch.all_calls():
                call.since = now
            (self._probes if batch.is_probe else self._again).append(batch)

    def leave(self, call: Call) -> None:
        """Nobody waits for the call any more."""
        for line in (self._waiting, self._alone):
            if line.get(call.interaction_id) is call:
                del line[call.interaction_id]

    def demand(self, now: float, gather_seconds: float, *, probes_only: bool) -> Demand:
        """What waits for permits. A request may wait for `gather_seconds` to become full."""
        self._probes = deque(batch for batch in self._probes if batch.drop_unawaited())
        self._again = deque(batch for batch in self._again if batch.drop_unawaited())
        urgent = [*self._probes] if probes_only else [*self._probes, *self._again]
        waiting, alone = (0, 0) if probes_only else (len(self._waiting), len(self._alone))
        firsts = [] if probes_only else [*self._firsts()]
        calls = [*(call for batch in self._probes for call in batch.all_calls()), *firsts]
        if not calls:
            return Demand(0, False, 0.0, now, now)
        since = min(call.since for call in calls)
        # Probes wait for as long as it takes, so they have no deadline to wake up for.
        until = min([now + self._longest_wait, *(call.deadline(self._longest_wait) for call in firsts)])
        full = bool(urgent) or alone > 0 or waiting >= self._size or now - since >= gather_seconds
        requests = len(urgent) + alone + waiting // self._size
        return Demand(max(1, requests), full, 1.0 if urgent or alone else waiting / self._size, since, until)

    def take(self, now: float, *, probes_only: bool) -> Batch | None:
        """What the next request asks for; None when nothing waits."""
        batch = self._take(probes_only=probes_only)
        for call in batch.calls if batch is not None else ():
            call.stop_waiting(now)
        return batch

    def give_up(self, now: float) -> None:
        """End the calls that have waited for permits for as long as is allowed."""
        for call in [call for call in self._all() if call.deadline(self._longest_wait) <= now]:
            self.leave(call)
            call.resolve(call.error or RateLimited(f"no request allowance within {self._longest_wait:g} s"))

    def hold(self, now: float) -> None:
        """Nobody may ask: stop counting how long calls wait, and end those of failed batches, which gather anew."""
        for batch in self._again:
            batch.end_in_doubt()
        for call in self._all():
            call.stop_waiting(now)
            call.since = now

    def go_on(self, now: float) -> None:
        """Count again."""
        for call in self._all():
            call.since = now

    def fail(self, error: AttemptError) -> None:
        """End everything that waits."""
        for call in self.drain():
            call.resolve(error)

    def drain(self) -> list[Call]:
        """Everything that waits, which does so no longer."""
        calls = [*self._all(), *(call for batch in self._probes for call in batch.all_calls())]
        for line in (self._waiting, self._alone, self._again, self._probes):
            line.clear()
        return calls

    def _firsts(self) -> Iterator[Call]:
        """Among them the one that gives up first, probes left out."""
        yield from islice(self._waiting.values(), 1)
        yield from islice(self._alone.values(), 1)
        for batch in self._again:
            yield from batch.all_calls()

    def _take(self, *, probes_only: bool) -> Batch | None:
        for line in [self._probes] if probes_only else [self._probes, self._again]:
            while line:
                if (batch := line.popleft()).drop_unawaited():
                    return batch
        if probes_only or not (self._waiting or self._alone):
            return None
        # In turns, so that many suspects do not stop the rest.
        alone = bool(self._alone) and (self._alone_is_next or not self._waiting)
        self._alone_is_next = not alone
        line_of_calls, most = (self._alone, 1) if alone else (self._waiting, self._size)
        calls = list(islice(line_of_calls.values(), most))
        for call in calls:
            del line_of_calls[call.interaction_id]
        return Batch(calls)

    def _all(self) -> Iterator[Call]:
        """All but probes, which wait for as long as it takes."""
        yield from self._waiting.values()
        yield from self._alone.values()
        for batch in self._again:
            yield from batch.all_calls()
