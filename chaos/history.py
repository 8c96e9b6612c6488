"""What happened to each event, told by the calls that passed the proxy, and the promises that can be checked there."""

import hashlib
import json
import time
from collections import Counter, defaultdict

from chaos.orders import Orders, Rules, read_state
from chaos.proxy import Call
from worker.events import InteractionEvent, InvalidEventError, parse_event, parse_time


def key(body: str) -> str:
    """The event id in a message, or what stands for it when there is none."""
    try:
        document = json.loads(body)
        return str(document["eventId"] if "eventId" in document else document["id"])
    except (ValueError, KeyError, TypeError):
        return hashlib.sha256(body.encode()).hexdigest()[:12]


class History:
    """One story for each event: seconds since the start, who, what."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.began = time.monotonic()
        self.stories: defaultdict[str, list[str]] = defaultdict(list)
        self.confirmed: set[str] = set()
        """Events whose execution or quarantine AWS has confirmed."""
        self.orders = Orders()
        self.writes: Counter[str] = Counter()
        """How many puts and updates there were, by what came of them."""
        self.executions: dict[str, str] = {}
        """Execution name → the event that started it."""
        self.violations: list[str] = []
        self.misled_workers: set[str] = set()
        """Those whose clock is hours wrong now."""
        self.misled: set[str] = set()
        """Interactions with which they had to do."""
        self._rules = rules or Rules()
        self._events: dict[str, InteractionEvent] = {}
        self._receives: Counter[str] = Counter()
        self._receipts: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._not_looked: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """Worker and interaction → events received whose item the worker has not looked up yet."""
        self._found_covered: set[tuple[str, str]] = set()
        """Worker and event: the item covered the event when the worker looked."""

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def started_twice(self) -> list[str]:
        """Events that started more than one execution."""
        return [event for event, times in Counter(self.executions.values()).items() if times > 1]

    def __call__(self, call: Call) -> None:
        handler = getattr(self, f"_{call.operation}", None)
        if handler is not None and (call.asked or call.operation == "BatchGetItem"):
            handler(call)

    def _tell(self, event: str, call: Call, what: str) -> None:
        if call.worker in self.misled_workers and (read := self._events.get(event)) is not None:
            self.misled.add(read.interaction_id)
        lost = "" if call.seen else " (answer lost)"
        self.stories[event].append(f"{self.seconds():6.1f} {call.worker} {what}{lost}")

    def _ReceiveMessage(self, call: Call) -> None:  # noqa: N802 -- operations have these names
        for message in call.answer.get("Messages", ()):
            event = key(message["Body"])
            self._receipts[message["ReceiptHandle"]] = event
            self._receives[event] += 1
            self._tell(event, call, "received")
            try:
                self._events[event] = read = parse_event(message["Body"])
            except InvalidEventError:
                continue
            self._found_covered.discard((call.worker, event))
            self._not_looked[call.worker, read.interaction_id].add(event)

    def _BatchGetItem(self, call: Call) -> None:  # noqa: N802
        answered = call.answer.get("Responses", {}) if call.done and call.seen else {}
        found = {item["interactionId"]["S"]: item for items in answered.values() for item in items}
        for asked in call.request["RequestItems"].values():
            for interaction_id in (one["interactionId"]["S"] for one in asked["Keys"]):
                # After a failed lookup the events count as not covered, whatever another one finds later.
                events = self._not_looked.pop((call.worker, interaction_id), set())
                if item := found.get(interaction_id):
                    state = read_state(item)
                    covered = (event for event in events if self._rules.covers(state, self._events[event]))
                    self._found_covered.update((call.worker, event) for event in covered)
                elif not answered:
                    # It may be the lookup of another receiver of the worker, and the one before of this one.
                    self._forget(call.worker, interaction_id)

    def froze(self, worker: str) -> None:
        """The worker stood still, and may have given up lookups whose answers it got."""
        self._forget(worker)
        for looked_by, interaction_id in list(self._not_looked):
            if looked_by == worker:
                del self._not_looked[looked_by, interaction_id]

    def _forget(self, worker: str, interaction_id: str | None = None) -> None:
        """What the worker found covered, of one interaction or of all."""
        self._found_covered = {
            (found_by, event)
            for found_by, event in self._found_covered
            if found_by != worker or interaction_id not in {None, self._events[event].interaction_id}
        }

    def _StartExecution(self, call: Call) -> None:  # noqa: N802
        name, event = call.request["name"], key(call.request["input"])
        self._tell(event, call, f"start: {call.error or 'accepted'}")
        if call.done and name not in self.executions:
            self.executions[name] = event
            if list(self.executions.values()).count(event) > self._receives[event]:
                self.violations.append(f"{event} started more executions than its message was received")
            # A message that came again while its first start was still under way proves nothing.
            if self._receives[event] == 1 and (call.worker, event) in self._found_covered:
                self.violations.append(f"{event} was covered, and started an execution")
        if self.executions.get(name) == event:
            self.confirmed.add(event)

    def _SendMessage(self, call: Call) -> None:  # noqa: N802
        event = key(call.request["MessageBody"])
        self._tell(event, call, f"quarantine: {call.error or 'accepted'}")
        if call.done:
            self.confirmed.add(event)

    def _DeleteMessageBatch(self, call: Call) -> None:  # noqa: N802
        for entry in call.request["Entries"]:
            event = self._receipts.get(entry["ReceiptHandle"], "?")
            self._tell(event, call, "deleted")
            if event not in self.confirmed and not self._covered(event):
                self.violations.append(
                    f"{event} was deleted before its execution or quarantine was confirmed, or its item covered it"
                )

    def _covered(self, event: str) -> bool:
        read = self._events.get(event)
        return read is not None and self._rules.covers(self.orders.states.get(read.interaction_id), read)

    def _ChangeMessageVisibilityBatch(self, call: Call) -> None:  # noqa: N802
        for entry in call.request["Entries"]:
            event = self._receipts.get(entry["ReceiptHandle"], "?")
            self._tell(event, call, f"hidden for {entry['VisibilityTimeout']} s")

    def _GetActivityTask(self, call: Call) -> None:  # noqa: N802
        if token := call.answer.get("taskToken"):
            task = json.loads(call.answer["input"])
            self._tokens[token] = task["eventId"]
            self._tell(task["eventId"], call, f"task taken, retry {task['retryCount']}")

    def _PutItem(self, call: Call) -> None:  # noqa: N802
        item = call.request["Item"]
        if "interactionId" not in item:
            return
        if "eventId" not in item:
            self.writes[f"probe {call.error or 'WRITTEN'}"] += 1
            if call.done:
                self.violations.append(f"a probe of the table wrote the item {item['interactionId']['S']}")
            return
        self._tell(item["eventId"]["S"], call, f"put: {call.error or 'written'}")
        self.writes[f"put {call.error or 'written'}"] += 1
        if call.done:
            self.violations.extend(self.orders.write(item["interactionId"]["S"], read_state(item)))

    def _UpdateItem(self, call: Call) -> None:  # noqa: N802
        if "interactionId" not in call.request["Key"]:
            return
        values = call.request["ExpressionAttributeValues"]
        self._tell(values[":eventId"]["S"], call, f"update: {call.error or 'written'}")
        self.writes[f"update {call.error or 'written'}"] += 1
        if call.done:
            interaction_id = call.request["Key"]["interactionId"]["S"]
            changes = self.orders.set_event_time(interaction_id, parse_time(values[":eventTime"]["S"]))
            self.violations.extend(changes)

    def _SendTaskSuccess(self, call: Call) -> None:  # noqa: N802
        self._report(call, "success")

    def _SendTaskFailure(self, call: Call) -> None:  # noqa: N802
        self._report(call, f"failure {call.request['error']}")

    def _report(self, call: Call, what: str) -> None:
        event = self._tokens.get(call.request["taskToken"], "?")
        self._tell(event, call, f"reports {what}: {call.error or 'accepted'}")
