"""Hosts that the guard of the emulator lets through, without an emulator behind it."""

from typing import Any

import pytest

from worker.local.emulator_guard import Message, Receive, Send, guarded


async def _answers(scope: Message, _: Receive, send: Send) -> None:
    headers = [(b"Access-Control-Allow-Origin", b"*"), (b"x-amzn-requestid", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def _ask(*headers: tuple[bytes, bytes], hosts: tuple[str, ...] = ()) -> dict[str, Any]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing of the request's body is needed")

    scope = {"type": "http", "path": "/", "headers": list(headers)}
    await guarded(_answers, hosts)(scope, receive, send)
    return dict(sent[0])


async def test_the_name_in_a_network_of_containers_is_allowed_where_it_is_given() -> None:
    assert (await _ask((b"host", b"aws:4566"), hosts=("aws",)))["status"] == 200
    assert (await _ask((b"host", b"aws:4566")))["status"] == 403
    assert (await _ask((b"host", b"aws.example.com:4566"), hosts=("aws",)))["status"] == 403


@pytest.mark.parametrize(
    "headers", [[], [(b"host", b"localhost"), (b"Host", b"example.com")], [(b"host", b"localhost:4566:example.com")]]
)
async def test_a_request_without_one_clear_host_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert (await _ask(*headers))["status"] == 403


async def test_the_permission_to_read_across_origins_is_taken_off_the_answer() -> None:
    assert (await _ask((b"host", b"localhost")))["headers"] == [(b"x-amzn-requestid", b"1")]
