"""Safeguards on an interaction's way from its events to its item, each taken away."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One safeguard taken away: `old` in `file` becomes `new`."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "a message is deleted before its execution is confirmed",
        "worker/runtime/intake.py",
        "        endings: Counter[str] = Counter()\n",
        "        endings: Counter[str] = Counter()\n        await self._queue.delete(messages)\n",
    ),
    Mutant(
        "no condition on the write",
        "worker/aws/records.py",
        "                Item=item,\n                ConditionExpression=condition,\n",
        "                Item=item,\n                ConditionExpression='attribute_exists(interactionId) OR '\n"
        "                'attribute_not_exists(interactionId) OR ' + condition,\n",
    ),
    Mutant(
        "what an item covers is asked without DETAILS_LAG_SECONDS",
        "worker/record.py",
        "known.details_at < event.time + fresh.lag:\n",
        "known.details_at < event.time:\n",
    ),
    Mutant(
        "a covered event is deleted though its write was refused",
        "worker/runtime/admission.py",
        "                if not write or await self._items.settle(arrival.event):\n",
        "                if not write or await self._items.settle(arrival.event) or True:\n",
    ),
    Mutant(
        "an event that follows is deleted at once",
        "worker/runtime/admission.py",
        "            return await self._follow(arrival, start.name)\n",
        '            return "duplicate"\n',
    ),
    Mutant(
        "an event follows a failed execution for ever",
        "worker/runtime/admission.py",
        "        if execution is not None and execution.running:\n",
        "        if True:\n",
    ),
    Mutant(
        "a name is shared before its details are late enough",
        "worker/runtime/plan.py",
        "        return start >= until + self.fresh.lag + CLOCK_SLACK\n",
        "        return start >= until\n",
    ),
    Mutant(
        "open polls are cancelled at the stop",
        "worker/runtime/slots.py",
        "                task = await self._activity.poll()\n",
        "                poll = asyncio.ensure_future(self._activity.poll())\n"
        "                stop = asyncio.ensure_future(self._stopping.wait())\n"
        "                await asyncio.wait({poll, stop}, return_when=asyncio.FIRST_COMPLETED)\n"
        "                stop.cancel()\n"
        "                if not poll.done():\n"
        "                    poll.cancel()\n"
        "                    return\n"
        "                task = poll.result()\n",
    ),
    Mutant(
        "no heartbeats",
        "worker/runtime/heartbeats.py",
        "call_later(seconds, self._start)\n",
        "call_later(1e9, self._start)\n",
    ),
    Mutant(
        "what a poll brings while draining is dropped",
        "worker/runtime/slots.py",
        "            if task is not None:\n                tick()\n",
        "            if task is not None and not self._stopping.requested:\n                tick()\n",
    ),
    Mutant(
        "work is not handed back at the drain's end",
        "worker/runtime/slots.py",
        "            work.interrupt(Interruption.DRAIN_OVER)\n",
        "            pass\n",
    ),
    Mutant(
        "a throttled start makes a dead letter",
        "worker/runtime/intake.py",
        "            except NotConfirmedError as error:\n                self._accepting.failed(error.code)\n",
        "            except NotConfirmedError as error:\n                self._accepting.failed(error.code)\n"
        '                call = self._quarantine(message, InvalidEventError("throttled", "throttled"))\n',
    ),
    Mutant(
        "the execution's name is not the same on a redelivery",
        "worker/events.py",
        "digest = hashlib.sha256(source.encode()).hexdigest()",
        "digest = hashlib.sha256(__import__('os').urandom(8)).hexdigest()",
    ),
    Mutant(
        "held messages do not stay hidden",
        "worker/runtime/intake.py",
        "                await hold.renew(list(running.values()))\n",
        "                    pass\n",
    ),
    Mutant(
        "a report is not retried",
        "worker/runtime/slots.py",
        "                if self._clock.monotonic() > deadline:\n",
        "                if True:\n",
    ),
    Mutant(
        "a call joins a request that was sent already",
        "worker/genesys/details.py",
        "        call = self._calls.join(interaction_id, self._clock.time(), alone=alone)\n",
        "        sent = (call for batch in self._in_flight.values() for call in batch.all_calls())\n"
        "        joined = next((call for call in sent if call.interaction_id == interaction_id), None)\n"
        "        call = joined or self._calls.join(interaction_id, self._clock.time(), alone=alone)\n",
    ),
    Mutant(
        "a covered event is settled whatever the details' age",
        "worker/aws/records.py",
        '"eventTime < :eventTime AND detailsAt >= :covers"',
        '"eventTime < :eventTime AND (detailsAt >= :covers OR detailsAt < :covers)"',
    ),
    Mutant(
        "a merge is put whatever is there by now",
        "worker/aws/records.py",
        "            stored = await self._write(merged, seen, seen_values)\n",
        '            stored = await self._write(merged, "attribute_not_exists(nobody)", {})\n',
    ),
    Mutant(
        "older details replace newer ones",
        "worker/record.py",
        "Newer(details=known.details_at is None or details_at > known.details_at, event",
        "Newer(details=True, event",
    ),
    Mutant(
        "an event that another one's execution will cover is deleted at once",
        "worker/runtime/admission.py",
        "            case Follow():\n                return PutOff(wait_seconds(arrival.receives, self._fresh))\n",
        '            case Follow():\n                return "covered"\n',
    ),
    Mutant(
        "an execution is named for a bucket that has not ended",
        "worker/runtime/plan.py",
        "        if not self._settles(first, datetime.fromtimestamp((bucket + 1) * seconds, UTC)):\n",
        "        if False:\n",
    ),
    Mutant(
        "an end event is covered by details without an end",
        "worker/record.py",
        "    if fresh.ends(event.event_type) and not known.complete and known.details_at",
        "    if False and known.details_at",
    ),
    Mutant(
        "an execution of 0.1.0's definition is told of a missing end",
        "worker/attempt.py",
        "        if task.entered is None or task.definition < _KNOWS_INCOMPLETE:\n",
        "        if task.entered is None:\n",
    ),
    Mutant(
        "details are dated by the worker's clock alone",
        "worker/genesys/answer.py",
        "min(sent_at, answered_at + _DATE_SECONDS)",
        "sent_at",
    ),
    Mutant(
        "an event of the future is let in",
        "worker/events.py",
        "    if now is not None and moment > now + LARGEST_CLOCK_ERROR:\n",
        "    if False:\n",
    ),
)
