"""Safeguards that keep an outage and a fault where they are, each taken away."""

from chaos.mutants import Mutant

MUTANTS = (
    Mutant(
        "slots poll while the gate is closed",
        "worker/runtime/slots.py",
        "            if not self._may_fetch():\n",
        "            if False:\n",
    ),
    Mutant(
        "messages are received while the gate is closed",
        "worker/runtime/intake.py",
        "            if not self._may_fetch():\n",
        "            if False:\n",
    ),
    Mutant(
        "requests are sent while the gate is closed",
        "worker/genesys/details.py",
        "        self._gate = gate\n",
        "        self._gate = __import__('types').SimpleNamespace(may_ask=True, opened=gate.opened)\n",
    ),
    Mutant(
        "an outage is declared without a made-up id's failure",
        "worker/fleet/outage_rule.py",
        "    if row.is_enough(now) and row.probes:\n",
        "    if row.is_enough(now):\n",
    ),
    Mutant(
        "a doubt stands though another worker had an answer",
        "worker/fleet/outage_rule.py",
        "    if view.doubt is not None and view.answered_at > view.doubt_at:\n",
        "    if False:\n",
    ),
    Mutant(
        "the gate is closed as soon as one worker doubts",
        "worker/fleet/outage_rule.py",
        "            if stands_for >= (HEARING_SECONDS if view.doubt == me else STALE_DOUBT_SECONDS):\n",
        "            if stands_for >= 0:\n",
    ),
    Mutant(
        "a closure lasts though nobody renews it",
        "worker/fleet/outage_rule.py",
        "    if now - view.renewed_at >= EXPIRY_SECONDS:\n",
        "    if False:\n",
    ),
    Mutant(
        "an answer to what was sent before the first failure ends the row",
        "worker/fleet/dependency.py",
        "(view.row.failures and sent_at >= view.row.since)",
        "view.row.failures",
    ),
    Mutant(
        "a suspect raises a doubt",
        "worker/fleet/dependency.py",
        "        if suspect and not self.view.row.failures and self._clock",
        "        if False and self._clock",
    ),
    Mutant(
        "a suspect shares a request",
        "worker/genesys/calls.py",
        "        line = self._alone if alone and self._size > 1 else self._waiting\n",
        "        line = self._waiting\n",
    ),
    Mutant(
        "time held counts as time waited for the allowance",
        "worker/genesys/calls.py",
        "            call.stop_waiting(now)\n            call.since = now\n",
        "            pass\n",
    ),
    Mutant(
        "what Genesys Cloud does not answer is reported and not held",
        "worker/runtime/holding.py",
        "            if not isinstance(result, InteractionUnavailable | Unavailable | Unauthorized):\n",
        "            if True:\n",
    ),
    Mutant(
        "what the store does not take is reported and not held",
        "worker/runtime/holding.py",
        "            verdict = await self._dependency.judge()\n",
        "            verdict = Verdict.HAND_BACK\n",
    ),
    Mutant(
        "lateness counts from before an outage",
        "worker/attempt.py",
        "        return max(entered, datetime.fromtimestamp(self._open_since(), UTC))\n",
        "        return entered\n",
    ),
    Mutant(
        "a drain does not hand back while the gate is closed",
        "worker/runtime/lifecycle.py",
        "            if slots is not None and self._holds():\n",
        "            if False:\n",
    ),
    Mutant(
        "a user's function runs on the event loop",
        "worker/extensions/threads.py",
        "                    result: R = await thread.begin(partial(function, argument))\n",
        "                    result: R = function(argument)\n",
    ),
    Mutant(
        "a user's function has no deadline",
        "worker/extensions/threads.py",
        "                async with self._clock.timeout(DEADLINE_SECONDS):\n",
        "                async with self._clock.timeout(1e9):\n",
    ),
    Mutant(
        "a worker in which many functions hang goes on",
        "worker/extensions/threads.py",
        " >= MOST_HUNG:\n",
        " >= 1e9:\n",
    ),
    Mutant(
        "what ends the interpreter leaves a user's function",
        "worker/extensions/transform.py",
        "        except BaseException as error:  # noqa: BLE001 - the function may raise anything, SystemExit too\n",
        "        except Exception as error:\n",
    ),
    Mutant(
        "a refused letter is tried until it is taken",
        "worker/runtime/intake.py",
        "                return PutOff(min(shortest * 2.0 ** min(message.receives - 1, 20), longest))\n",
        "                raise NotConfirmedError(refused.code) from refused\n",
    ),
    Mutant(
        "the log is written by those who log",
        "worker/telemetry/line_writer.py",
        '        line = text.encode(errors="backslashreplace")\n',
        '        line = text.encode(errors="backslashreplace")\n        self._write(line)\n        return len(text)\n',
    ),
    Mutant(
        "an answer may have any length",
        "worker/genesys/responses.py",
        'BODY_LIMIT = 8 * 2**20\n"""Bytes of one answer',
        'BODY_LIMIT = 2**40\n"""Bytes of one answer',
    ),
    Mutant(
        "an answer may take any memory",
        "worker/genesys/answer_memory.py",
        "        if weight > LARGEST_WEIGHT:\n",
        "        if False:\n",
    ),
)
