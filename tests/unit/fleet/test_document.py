"""Two versions of the service share the documents: each understands the other's and loses nothing of it.

The files in tests/fixtures/shared_cache were written by the version they are named after, with made-up values.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.virtual_time import VirtualClock, run_virtually
from worker.errors import RateLimited, Unauthorized
from worker.fleet.document import Content, Document, Snapshot
from worker.fleet.ledger import Ledger
from worker.fleet.memory import MemoryCache
from worker.fleet.token import LoginFailed, Token
from worker.fleet.token_record import TokenRecord

OLD = Path(__file__).parents[2] / "fixtures" / "shared_cache" / "0.1.0"
DOCUMENTS: dict[str, type[Content]] = {
    "token.json": TokenRecord,
    "token_paused.json": TokenRecord,
    "token_refused.json": TokenRecord,
    "ledger.json": Ledger,
}
TOKEN = Token("made-up-token", 1764000000.25, 1764086400.25)

MALFORMED = ["", "null", "[]", "5", '"text"', "{}", "{", "[" * 100_000]


def written(name: str) -> str:
    """A document as 0.1.0 wrote it."""
    return (OLD / name).read_text().rstrip("\n")


def read(content: str, kind: type[Any]) -> Snapshot[Any]:
    """What a document with this content is read as."""

    async def main() -> Snapshot[Any]:
        cache = MemoryCache(VirtualClock())
        await cache.put("key", content, expected=None, seconds=60)
        return await Document(cache, "key", kind).read()

    return run_virtually(main())


def rewritten(content: str, kind: type[Any]) -> str:
    """The content after it was read and written again."""

    async def main() -> str:
        cache = MemoryCache(VirtualClock())
        await cache.put("key", content, expected=None, seconds=60)
        document = Document(cache, "key", kind)
        seen = await document.read()
        first = await document.replace(seen, seen.value, seconds=60)
        assert first is not None
        assert await document.replace(first, seen.value, seconds=60)
        entry = await cache.get("key")
        assert entry is not None
        return entry.content

    return run_virtually(main())


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_of_0_1_0_is_written_back_as_it_was(name: str) -> None:
    assert rewritten(written(name), DOCUMENTS[name]) == written(name)


def test_the_token_record_of_0_1_0_says_what_it_said_there() -> None:
    assert read(written("token.json"), TokenRecord).value == TokenRecord(TOKEN, stillborn=1)


def test_a_429_at_the_login_of_0_1_0_pauses_this_version_too() -> None:
    failure = read(written("token_paused.json"), TokenRecord).value.failure_at(1764086360.0)
    assert isinstance(failure, LoginFailed)
    assert isinstance(failure.error, RateLimited)
    assert (str(failure.error), failure.pause_seconds) == ("login answered 429", 37.5)


def test_a_login_refused_in_0_1_0_is_refused_here_until_its_backoff_is_over() -> None:
    record = read(written("token_refused.json"), TokenRecord).value
    failure = record.failure_at(1764000000.5)
    assert failure is not None
    assert isinstance(failure.error, Unauthorized)
    assert failure.pause_seconds is None
    assert record.failure_at(1764000001.0) is None


def test_a_failed_login_is_written_as_0_1_0_writes_it() -> None:
    old = json.loads(written("token_paused.json"))
    paused = TokenRecord(TOKEN, stillborn=1).failed(
        LoginFailed(RateLimited("login answered 429"), 42.0), 1764086355.5, jitter=0
    )
    assert paused.to_fields() == old
    refused = TokenRecord().failed(LoginFailed(Unauthorized("login answered 401")), 1764000000.0, jitter=0)
    assert refused.to_fields()["failure"] == json.loads(written("token_refused.json"))["failure"]


def test_the_ledger_of_0_1_0_says_what_it_said_there() -> None:
    assert read(written("ledger.json"), Ledger).value == Ledger(
        next_free=1764000032.783898,
        paused_until=1764000031.75,
        members={"0a1b2c3d": 1764000000, "4e5f6a7b": 1764000002},
        taken_by="4e5f6a7b",
        taken_at=1764000002.123,
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_fields_of_a_newer_version_neither_disturb_nor_get_lost(name: str) -> None:
    kind = DOCUMENTS[name]
    content = {**json.loads(written(name)), "newer": {"list": [1, 2.5, None]}, "other": "ü"}
    assert read(json.dumps(content), kind).value == read(written(name), kind).value
    assert json.loads(rewritten(json.dumps(content), kind)) == content


def test_a_field_of_a_newer_version_in_the_token_itself_does_not_disturb() -> None:
    content = json.loads(written("token.json"))
    content["token"]["newer"] = "text"
    assert read(json.dumps(content), TokenRecord).value.token == TOKEN


@pytest.mark.parametrize(
    "content",
    [
        *MALFORMED,
        '{"token": 5}',
        '{"token": {"text": "t"}}',
        '{"token": {"text": null, "minted_at": 1, "expires_at": 2}}',
        '{"token": {"text": "t", "minted_at": 1, "expires_at": Infinity}}',
        '{"token": null, "lease_until": Infinity}',
        '{"token": null, "retry_at": [], "newer": 1}',
        '{"token": null, "failures": Infinity}',
        '{"token": null, "failures": "1"}',
        '{"token": null, "failures": 1.5}',
        '{"token": null, "failures": -1}',
        '{"token": null, "failures": true}',
        '{"token": null, "stillborn": [1]}',
        '{"token": null, "failure": 5}',
        '{"token": null, "problem": {"text": "x"}}',
        '{"token": null, "lease_until": "1764000000"}',
        '{"token": null, "lease_until": true}',
        '{"token": {"text": "t", "minted_at": "1", "expires_at": 2}}',
        '{"token": {"text": "t", "minted_at": 1764000000, "expires_at": 1e300}}',
        '{"token": {"text": "t", "minted_at": 1764000000, "expires_at": 1764172900}}',
        '{"token": {"text": "t", "minted_at": 2, "expires_at": 1}}',
    ],
)
def test_malformed_content_yields_an_empty_token_record(content: str) -> None:
    seen = read(content, TokenRecord)
    assert seen.value == TokenRecord()
    assert seen.exists
    assert not seen.unknown


@pytest.mark.parametrize(
    "content",
    [
        *MALFORMED,
        '{"next": "x", "paused": 0, "by": "", "at": 0, "members": {}}',
        '{"next": NaN, "paused": 0, "by": "", "at": 0, "members": {}}',
        '{"next": 0, "paused": 0, "by": "", "at": 0, "members": []}',
        '{"next": 0, "paused": 0, "by": "", "at": 0, "members": {"a": -Infinity}}',
        '{"next": 1' + "0" * 400 + ', "paused": 0, "by": "", "at": 0, "members": {}}',
    ],
)
def test_malformed_content_yields_an_empty_ledger(content: str) -> None:
    assert read(content, Ledger).value == Ledger()


def test_malformed_content_is_replaced_by_the_next_write() -> None:
    assert json.loads(rewritten('{"token": 5}', TokenRecord)) == TokenRecord().to_fields()


def test_of_two_that_saw_the_same_only_one_replaces_it() -> None:
    async def main() -> None:
        document = Document(MemoryCache(VirtualClock()), "key", Ledger)
        seen = await document.read()
        assert not seen.exists
        first = await document.replace(seen, Ledger(next_free=1.0), seconds=60)
        assert first is not None
        assert await document.replace(seen, Ledger(next_free=2.0), seconds=60) is None
        assert await document.read() == first

    run_virtually(main())


def test_the_token_is_in_no_text_but_the_document() -> None:
    record = TokenRecord(Token("secret-text", 1.0, 2.0))
    seen = read(json.dumps({**record.to_fields(), "newer": "secret-text"}), TokenRecord)
    assert seen.value == record
    assert "secret-text" not in repr(seen)
