"""What happened to each event, told by the calls that passed the proxy, and the promises that can be checked there."""

import hashlib
import json
import time
from collections import Counter, defaultdict

from chaos.proxy import Call


def key(body: str) -> str:
    """The event id in a message, or what stands for it when there is none."""
    try:
        document = json.loads(body)
        return str(document["eventId"] if "eventId" in document else document["id"])
    except (ValueError, KeyError, TypeError):
        return hashlib.sha256(body.encode()).hexdigest()[:12]


class History:
    """One story for each event: seconds since the start, who, what."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.stories: defaultdict[str, list[str]] = defaultdict(list)
        self.confirmed: set[str] = set()
        """Events whose execution or quarantine AWS has confirmed."""
        self.writes: Counter[str] = Counter()
        """How often an event changed the table."""
        self.starts: Counter[str] = Counter()
        self.violations: list[str] = []
        self._receipts: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def __call__(self, call: Call) -> None:
        handler = getattr(self, f"_{call.operation}", None)
        if handler is not None:
            handler(call)

    def _tell(self, event: str, call: Call, what: str) -> None:
        lost = "" if call.seen else " (answer lost)"
        self.stories[event].append(f"{self.seconds():6.1f} {call.worker} {what}{lost}")

    def _ReceiveMessage(self, call: Call) -> None:  # noqa: N802 -- operations have these names
        for message in call.answer.get("Messages", ()):
            event = key(message["Body"])
            self._receipts[message["ReceiptHandle"]] = event
            self._tell(event, call, "received")

    def _StartExecution(self, call: Call) -> None:  # noqa: N802
        event = key(call.request["input"])
        self._tell(event, call, f"start: {call.error or 'accepted'}")
        if call.done or call.error == "ExecutionAlreadyExists":
            self.confirmed.add(event)
            self.starts[event] += call.done

    def _SendMessage(self, call: Call) -> None:  # noqa: N802
        event = key(call.request["MessageBody"])
        self._tell(event, call, f"quarantine: {call.error or 'accepted'}")
        if call.done:
            self.confirmed.add(event)

    def _DeleteMessageBatch(self, call: Call) -> None:  # noqa: N802
        for entry in call.request["Entries"]:
            event = self._receipts.get(entry["ReceiptHandle"], "?")
            self._tell(event, call, "deleted")
            if event not in self.confirmed:
                self.violations.append(f"{event} was deleted before its execution or quarantine was confirmed")

    def _GetActivityTask(self, call: Call) -> None:  # noqa: N802
        if token := call.answer.get("taskToken"):
            task = json.loads(call.answer["input"])
            self._tokens[token] = task["eventId"]
            self._tell(task["eventId"], call, f"task taken, retry {task['retryCount']}")

    def _PutItem(self, call: Call) -> None:  # noqa: N802
        item = call.request["Item"]
        if "interactionId" not in item:
            return
        event = item["eventId"]["S"]
        self._tell(event, call, f"put: {call.error or 'written'}")
        if call.done:
            self.writes[event] += 1

    def _SendTaskSuccess(self, call: Call) -> None:  # noqa: N802
        self._report(call, "success")

    def _SendTaskFailure(self, call: Call) -> None:  # noqa: N802
        self._report(call, f"failure {call.request['error']}")

    def _report(self, call: Call, what: str) -> None:
        event = self._tokens.get(call.request["taskToken"], "?")
        self._tell(event, call, f"reports {what}: {call.error or 'taken'}")
