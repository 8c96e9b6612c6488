"""What one measured process talks to: its queue, its activity, its table and its Genesys Cloud organisation."""

import asyncio
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.stub import documents
from bench.stub.http import Request

_BATCH = 10


@dataclass(slots=True)
class Options:
    """How the stub behaves; all times in seconds."""

    aws_delay: float = 0.0
    genesys_delay: float = 0.0
    poll_hold: float = 60.0
    expires_in: int = 86_400


@dataclass(slots=True)
class Account:
    """State and counts of one measured process."""

    options: Options
    counts: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds from an event's publication to its item stored, in the order of storing."""
    _messages: deque[str] = field(default_factory=deque)
    _receivers: deque[Request] = field(default_factory=deque)
    _tasks: deque[str] = field(default_factory=deque)
    _pollers: deque[Request] = field(default_factory=deque)
    _executions: dict[str, float] = field(default_factory=dict)
    _unanswered: dict[str, str] = field(default_factory=dict)
    _published: dict[str, float] = field(default_factory=dict)
    _events: int = 0
    _undeleted: dict[str, str] = field(default_factory=dict)
    _publisher: asyncio.Task[None] | None = None

    # Publishing

    def publish(self, count: int, *, target: str, rate: float) -> None:
        """`count` events into the event queue, or tasks into the activity; all at once, or `rate` a second."""
        put = self._put_new_task if target == "activity" else partial(self._put_message, target)
        if rate > 0:
            self._publisher = asyncio.get_running_loop().create_task(self._publish_slowly(count, rate, put))
            return
        for _ in range(count):
            put()

    async def _publish_slowly(self, count: int, rate: float, put: Any) -> None:
        started = time.perf_counter()
        for number in range(count):
            wait = started + number / rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            put()

    def stop_publishing(self) -> None:
        if self._publisher is not None:
            self._publisher.cancel()

    def _new_event(self) -> str:
        self._events += 1
        interaction_id = f"00000000-0000-4000-8000-{self._events:012d}"
        self._published[interaction_id] = time.perf_counter()
        self.counts["published"] += 1
        return interaction_id

    def _put_message(self, form: str) -> None:
        body = documents.envelope(self._new_event(), self._events)
        self._messages.append(documents.taskiq_message(body, self._events) if form == "taskiq" else body)
        self._serve_receivers()

    def _put_new_task(self) -> None:
        interaction_id = self._new_event()
        self._put_task(documents.task_input(interaction_id, self._events), interaction_id)

    # The event queue

    def receive(self, request: Request, call: dict[str, Any]) -> None:
        self._receivers.append(request)
        self._hold(request, float(call.get("WaitTimeSeconds", 0)), self._receivers, "receives")
        self._serve_receivers()

    def _serve_receivers(self) -> None:
        while self._messages and self._receivers:
            request = self._release(self._receivers)
            taken = [self._messages.popleft() for _ in range(min(_BATCH, len(self._messages)))]
            self.counts["received"] += len(taken)
            self._answer(request, {"Messages": [self._message(body) for body in taken]})

    def _message(self, body: str) -> dict[str, Any]:
        number = f"m{self.counts['messages_handed_out']}"
        self.counts["messages_handed_out"] += 1
        self._undeleted[number] = body
        return {
            "MessageId": number,
            "ReceiptHandle": number,
            "Body": body,
            "MD5OfBody": md5(body.encode(), usedforsecurity=False).hexdigest(),
            "Attributes": {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"},
        }

    def delete(self, receipts: list[str]) -> None:
        for receipt in receipts:
            self._undeleted.pop(receipt, None)
            self.counts["deleted"] += 1

    def hide(self, receipt: str, seconds: int) -> None:
        """0 gives the message back at once; visibility time-outs do not run out here."""
        if seconds == 0 and (body := self._undeleted.pop(receipt, None)) is not None:
            self.counts["given_back"] += 1
            self._messages.append(body)
            self._serve_receivers()

    # Step Functions

    def start(self, name: str, task_input: str) -> float:
        """The execution's start time; a name that is known already starts nothing."""
        if name in self._executions:
            self.counts["duplicate_starts"] += 1
            return self._executions[name]
        started = self._executions[name] = time.time()
        self.counts["started"] += 1
        self._put_task(documents.activity_input(task_input, name, started), name)
        return started

    def _put_task(self, task_input: str, name: str) -> None:
        token = f"{name}-{self.counts['tasks']}"
        self.counts["tasks"] += 1
        self._tasks.append(json.dumps({"taskToken": token, "input": task_input}))
        self._unanswered[token] = "waiting"
        self._serve_pollers()

    def poll(self, request: Request) -> None:
        self._pollers.append(request)
        self._hold(request, self.options.poll_hold, self._pollers, "polls")
        self._serve_pollers()

    def _serve_pollers(self) -> None:
        while self._tasks and self._pollers:
            request = self._release(self._pollers)
            answer = self._tasks.popleft()
            token = json.loads(answer)["taskToken"]
            self.counts["handed_out"] += 1
            in_hand = self.counts["handed_out"] - self.counts["answered"]
            self.counts["most_in_hand"] = max(in_hand, self.counts["most_in_hand"])
            # Step Functions does not see at once that a client is gone, and a task is handed out only once.
            self.counts["handed_to_cancelled_polls"] += not request.connection.open
            self._unanswered[token] = "handed out"
            request.reply(answer.encode(), delay=self.options.aws_delay)

    def end(self, token: str, outcome: str) -> bool:
        """Whether the task was open; `outcome` is `succeeded`, or the error name of a failure."""
        if self._unanswered.pop(token, None) is None:
            self.counts["answered_twice"] += 1
            return False
        self.counts["answered"] += 1
        self.counts[outcome] += 1
        return True

    # The table

    def store(self, interaction_id: str) -> None:
        self.counts["stored"] += 1
        if (published := self._published.pop(interaction_id, None)) is not None:
            self.latencies.append(time.perf_counter() - published)

    # Genesys Cloud

    def genesys(self, request: Request) -> None:
        if request.method == "POST":
            self.calls["login"] += 1
            body = {"access_token": "stub-token", "token_type": "bearer", "expires_in": self.options.expires_in}
            request.reply(json.dumps(body).encode(), delay=self.options.genesys_delay)
            return
        self.calls["details"] += 1
        url = urlsplit(request.target)
        if url.query:
            ids = parse_qs(url.query).get("id", [])
            self.counts["ids_asked_for"] += len(ids)
            answer = documents.conversations(ids)
        else:
            self.counts["ids_asked_for"] += 1
            answer = documents.interaction(url.path.rpartition("/")[2])
        request.reply(answer, delay=self.options.genesys_delay)

    # Long polls

    def _answer(self, request: Request, body: dict[str, Any]) -> None:
        request.reply(json.dumps(body).encode(), delay=self.options.aws_delay)

    def _release(self, line: deque[Request]) -> Request:
        request = line.popleft()
        request.connection.when_lost = None
        if request.timer is not None:
            request.timer.cancel()
        return request

    def _hold(self, request: Request, seconds: float, line: deque[Request], name: str) -> None:
        def expire() -> None:
            line.remove(request)
            request.connection.when_lost = None
            request.reply(b"{}")

        def cancelled() -> None:
            self.counts[f"{name}_cancelled"] += 1
            if line is self._receivers:
                self._receivers.remove(request)
                timer.cancel()

        timer = request.timer = asyncio.get_running_loop().call_later(seconds, expire)
        request.connection.when_lost = cancelled

    def summary(self) -> dict[str, Any]:
        """All counts; `never_answered` are tasks that a client was given and has not ended."""
        return {
            **self.counts,
            "calls": dict(self.calls),
            "never_answered": sum(state == "handed out" for state in self._unanswered.values()),
            "never_handed_out": sum(state == "waiting" for state in self._unanswered.values()),
            "in_queue": len(self._messages),
            "received_not_deleted": len(self._undeleted),
            "polling": sum(poller.connection.open for poller in self._pollers),
            "receiving": len(self._receivers),
        }
