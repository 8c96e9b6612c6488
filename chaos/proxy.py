"""A proxy between the workers and AWS that knows the JSON protocol: it makes faults and tells what passed.

Published fault proxies draw from an unseeded source and do not tell whether a call was done before its answer was lost,
which is what the account at the end needs.
"""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from chaos.faults import Fault, FaultSource

_THROTTLES = {
    "AWSStepFunctions": "ThrottlingException",
    "AmazonSQS": "com.amazonaws.sqs#RequestThrottled",
    "DynamoDB_20120810": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
}
_SLOW_SECONDS = 1.5
_WRITES = frozenset({"PutItem", "UpdateItem"})
_HOP_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/")

Witness = Callable[["Call"], None]


class Call:
    """One call as it passed: what was asked, what AWS answered, and whether the worker got to see it."""

    def __init__(self, operation: str, worker: str, request: dict[str, Any]) -> None:
        self.operation = operation
        self.worker = worker
        self.request = request
        self.fault: Fault | None = None
        self.status = 0
        """HTTP status of AWS's answer; 0 when AWS was not asked."""
        self.answer: dict[str, Any] = {}

    @property
    def asked(self) -> bool:
        """AWS was asked."""
        return self.status != 0

    @property
    def done(self) -> bool:
        """AWS did it."""
        return self.status == web.HTTPOk.status_code

    @property
    def seen(self) -> bool:
        """The worker got AWS's answer."""
        return self.asked and self.fault != "answer lost"

    @property
    def table(self) -> str | None:
        """The DynamoDB table that is asked, where it is one."""
        table: str | None = next(iter(self.request.get("RequestItems", ())), self.request.get("TableName"))
        return table

    @property
    def error(self) -> str:
        return str(self.answer.get("__type", "")).rpartition("#")[2]


class Proxy:
    """Serves on a free loopback port; `url` is set then."""

    def __init__(self, *, queues: str, tables: str, faults: FaultSource, witness: Witness) -> None:
        self._queues = queues
        self._tables = tables
        self.faults = faults
        self._witness = witness
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._writing = asyncio.Lock()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=90), auto_decompress=False
        )
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_route("*", "/{rest:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        service, _, operation = request.headers.get("X-Amz-Target", "?").partition(".")
        body = await request.read()
        credential = _CREDENTIAL.search(request.headers.get("Authorization", ""))
        call = Call(operation, credential[1] if credential else "?", json.loads(body or b"{}"))
        call.fault = self.faults.draw(operation, call.table)
        if call.fault in {"throttled", "failed", "reset"}:
            self._witness(call)
            return _hang_up(request) if call.fault == "reset" else _refusal(service, call.fault)
        if call.fault == "slow":
            await asyncio.sleep(_SLOW_SECONDS)
        held_back: list[dict[str, Any]] = []
        if call.fault == "partly failed":
            entries = call.request["Entries"]
            call.request["Entries"], held_back = entries[: len(entries) // 2], entries[len(entries) // 2 :]
            body = json.dumps(call.request).encode()
        # One write after the other, so that the witness hears of them in the order in which they are done.
        async with self._writing if operation in _WRITES else nullcontext():
            if held_back and not call.request["Entries"]:
                status, answer = 200, b'{"Successful": []}'
            else:
                try:
                    status, answer = await self._forward(request, service, body)
                except (aiohttp.ClientError, TimeoutError):
                    return _hang_up(request)
            call.status, call.answer = status, json.loads(answer or b"{}")
            self._witness(call)
        if call.fault == "answer lost":
            return _hang_up(request)
        if held_back:
            failed = [{"Id": e["Id"], "Code": "InternalError", "SenderFault": False} for e in held_back]
            answer = json.dumps(call.answer | {"Failed": [*call.answer.get("Failed", ()), *failed]}).encode()
        return web.Response(status=status, body=answer, content_type="application/x-amz-json-1.0")

    async def _forward(self, request: web.Request, service: str, body: bytes) -> tuple[int, bytes]:
        assert self._session is not None
        upstream = self._tables if service.startswith("DynamoDB") else self._queues
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        async with self._session.request(
            request.method, upstream + request.path_qs, data=body, headers=headers
        ) as answer:
            return answer.status, await answer.read()


def _refusal(service: str, fault: Fault) -> web.Response:
    kind, status = (_THROTTLES.get(service, "ThrottlingException"), 400)
    if fault == "failed":
        kind, status = "InternalServerError", 500
    return web.json_response(
        {"__type": kind, "message": "a fault on purpose"}, status=status, content_type="application/x-amz-json-1.0"
    )


def _hang_up(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
