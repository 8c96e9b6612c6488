"""`python -m bench.stub`: prints its control port; everything else is asked for over it.

Each measured process gets an account, and a port, of its own.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from functools import partial
from typing import Any

import uvloop

from bench.stub import aws
from bench.stub.account import Account, Options
from bench.stub.http import Connection, Handler, Request


def serve_account(account: Account, request: Request) -> None:
    """AWS and Genesys Cloud behind one port: only AWS calls name an operation."""
    if request.operation:
        aws.handle(account, request)
    else:
        account.genesys(request)


class Control:
    """Makes accounts, publishes into them and tells their counts."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._servers: list[asyncio.Server] = []

    def handle(self, request: Request) -> None:
        """One control request: `POST /{action}` with a JSON object."""
        task = asyncio.get_running_loop().create_task(self._answer(request))
        task.add_done_callback(lambda done: done.result())

    async def _answer(self, request: Request) -> None:
        asked = json.loads(request.body)
        if request.target == "/account":
            answer: dict[str, Any] = {"port": await self._new_account(Options(**asked))}
        else:
            answer = self._act(self._accounts[asked.pop("port")], request.target[1:], asked)
        request.reply(json.dumps(answer).encode())

    async def _new_account(self, options: Options) -> int:
        account = Account(options)
        server, port = await listen(partial(serve_account, account))
        self._servers.append(server)
        self._accounts[port] = account
        return port

    def _act(self, account: Account, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        match action:
            case "publish":
                account.publish(**asked)
            case "stop":
                account.stop_publishing()
            case "options":
                account.options = Options(**{**asdict(account.options), **asked})
            case "latencies":
                taken, account.latencies = account.latencies, []
                return {"seconds": taken}
            case "counts":
                return account.summary()
        return {}


async def listen(handler: Handler) -> tuple[asyncio.Server, int]:
    """A server on a free loopback port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(handler), "127.0.0.1", 0, backlog=4096)
    return server, int(server.sockets[0].getsockname()[1])


async def _main() -> None:
    _, port = await listen(Control().handle)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # lives as long as the one who started it


if __name__ == "__main__":
    uvloop.run(_main())
