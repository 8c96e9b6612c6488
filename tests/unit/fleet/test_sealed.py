"""The token at rest: who reads the shared cache and has not the client's secret learns no token."""

import base64
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.virtual_time import VirtualClock, run_virtually
from worker.fleet.keys import digest
from worker.fleet.memory import MemoryCache
from worker.fleet.sealed import Seal, TokenDocument, derive_key
from worker.fleet.token_record import Token, TokenRecord
from worker.genesys.login import _token

OLD = Path(__file__).parents[2] / "fixtures" / "shared_cache" / "0.1.0"
RECORD = TokenRecord(
    token=Token("made-up-token", 1764000000.25, 1764086400.25), failures=2, problem="login answered 503"
)
KEY = f"sealed-token#client#{digest('secret')}"
OLD_KEY = f"token#client#{digest('secret')}"


class Shared:
    """A cache, and a worker's view of the token in it."""

    def __init__(self) -> None:
        self.cache = MemoryCache(VirtualClock())
        self.document = TokenDocument(self.cache, client="client", client_id="id", secret="secret")

    async def content(self, key: str = KEY) -> str:
        entry = await self.cache.get(key)
        assert entry is not None
        return entry.content

    async def put(self, key: str, content: str) -> None:
        entry = await self.cache.get(key)
        await self.cache.put(key, content, expected=entry.version if entry else None, seconds=60)

    async def write(self, record: TokenRecord = RECORD) -> None:
        assert await self.document.replace(await self.document.read(), record, seconds=60)


def virtually(test: Callable[[Shared], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the test in virtual time with a cache of its own."""

    def run() -> None:
        async def main() -> None:
            await test(Shared())

        run_virtually(main())

    return run


@virtually
async def test_what_is_written_has_the_token_only_encrypted_and_the_rest_as_it_is(shared: Shared) -> None:
    await shared.write()
    content = await shared.content()
    assert "made-up-token" not in content
    fields = json.loads(content)
    assert b"made-up-token" not in base64.b64decode(fields["token"].pop("text"))
    plain = RECORD.to_fields()
    plain["token"].pop("text")
    assert fields == plain
    assert (await shared.document.read()).value == RECORD


@virtually
async def test_the_same_token_is_never_encrypted_to_the_same_text(shared: Shared) -> None:
    await shared.write()
    first = await shared.content()
    await shared.write()
    assert await shared.content() != first


@pytest.mark.parametrize(
    ("client", "client_id", "secret"),
    [("other", "id", "secret"), ("client", "other", "secret"), ("client", "id", "other")],
)
def test_a_token_copied_to_another_client_does_not_open(client: str, client_id: str, secret: str) -> None:
    async def main() -> None:
        shared = Shared()
        await shared.write()
        await shared.put(f"sealed-token#{client}#{digest(secret)}", await shared.content())
        other = TokenDocument(shared.cache, client=client, client_id=client_id, secret=secret)
        assert (await other.read()).value == replace(RECORD, token=None)

    run_virtually(main())


@pytest.mark.parametrize("text", ["", "made-up-token", "====", "ü", base64.b64encode(bytes(60)).decode()])
def test_a_token_that_does_not_open_counts_as_none_and_is_replaced(text: str) -> None:
    async def main() -> None:
        shared = Shared()
        await shared.write()
        fields = json.loads(await shared.content())
        fields["token"]["text"] = text
        await shared.put(KEY, json.dumps(fields))
        assert (await shared.document.read()).value == replace(RECORD, token=None)
        await shared.write()
        assert (await shared.document.read()).value == RECORD

    run_virtually(main())


@virtually
async def test_every_changed_byte_is_noticed(shared: Shared) -> None:
    del shared
    seal = Seal("secret", "key")
    sealed = bytearray(base64.b64decode(seal.close("token")))
    for place in range(len(sealed)):
        sealed[place] ^= 1
        with pytest.raises(ValueError, match="not encrypted with this secret"):
            seal.open(base64.b64encode(sealed).decode())
        sealed[place] ^= 1
    assert seal.open(base64.b64encode(sealed).decode()) == "token"


@virtually
async def test_a_plain_record_of_0_1_0_is_used_and_never_written(shared: Shared) -> None:
    content = (OLD / "token.json").read_text().rstrip("\n")
    await shared.put(OLD_KEY, content)
    seen = await shared.document.read()
    assert seen.value.token == Token("made-up-token", 1764000000.25, 1764086400.25)
    assert await shared.document.replace(seen, seen.value, seconds=60)
    assert await shared.content(OLD_KEY) == content
    assert "made-up-token" not in await shared.content()


@virtually
async def test_once_there_is_a_record_of_ours_that_of_0_1_0_is_not_read(shared: Shared) -> None:
    await shared.put(OLD_KEY, (OLD / "token.json").read_text())
    await shared.write(TokenRecord(failures=1))
    assert (await shared.document.read()).value == TokenRecord(failures=1)


@pytest.mark.parametrize(
    "content", ["", "{", '{"token": 5}', '{"token": {"text": 5, "minted_at": 1, "expires_at": 2}}']
)
def test_a_malformed_record_of_0_1_0_counts_as_none(content: str) -> None:
    async def main() -> None:
        shared = Shared()
        await shared.put(OLD_KEY, content)
        seen = await shared.document.read()
        assert (seen.value, seen.exists) == (TokenRecord(), False)

    run_virtually(main())


@virtually
async def test_fields_of_a_newer_version_are_kept(shared: Shared) -> None:
    await shared.write()
    await shared.put(KEY, json.dumps({**json.loads(await shared.content()), "newer": 1}))
    await shared.write()
    assert json.loads(await shared.content())["newer"] == 1


def test_the_key_is_derived_as_rfc_5869_says() -> None:
    # HKDF with SHA-256 and without salt, as in its test case 3; of the 42 bytes there the first 32.
    expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    assert derive_key(b"\x0b" * 22, b"").hex() == expected


def test_a_record_is_kept_for_no_longer_than_the_longest_life_of_a_token() -> None:
    assert TokenRecord(lease_until=1e300).keep_seconds(0.0) <= 48 * 3600 + 600


@pytest.mark.parametrize("seconds", [1, 86_400, 172_800, 172_801, 1e8])
def test_a_token_of_any_login_can_be_read_by_the_others(seconds: float) -> None:
    token = _token({"access_token": "made-up-token", "expires_in": seconds}, 1764000000.123)
    assert isinstance(token, Token)
    fields = json.loads(json.dumps(TokenRecord(token=token).to_fields()))
    assert TokenRecord.from_fields(fields).token == token
