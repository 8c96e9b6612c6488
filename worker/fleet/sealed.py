"""The fleet's access token at rest: in the shared cache it is encrypted, so that reading the cache is not enough."""

import base64
import hashlib
import hmac
from dataclasses import replace

from nacl.exceptions import CryptoError
from nacl.secret import Aead

from worker.fleet.document import Document, Snapshot
from worker.fleet.keys import digest
from worker.fleet.token_record import TokenRecord
from worker.ports import SharedCache

_KEY_IS_FOR = b"interaction-worker: the token in the shared cache, version 1"


def derive_key(secret: bytes, purpose: bytes) -> bytes:
    """32 bytes by HKDF (RFC 5869) with SHA-256, without salt: the client's secret is random, and long."""
    extracted = hmac.digest(bytes(32), secret, hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\1", hashlib.sha256)


class Seal:
    """Encrypts and opens texts for whoever has the client's secret, by XChaCha20-Poly1305 with random nonces."""

    def __init__(self, secret: str, *belongs_to: str) -> None:
        """`belongs_to` is authenticated with each text: what was written for something else does not open."""
        self._box = Aead(derive_key(secret.encode(), _KEY_IS_FOR))
        self._belongs_to = "\0".join(belongs_to).encode()

    def close(self, text: str) -> str:
        """The text, encrypted, as ASCII."""
        return base64.b64encode(self._box.encrypt(text.encode(), self._belongs_to)).decode()

    def open(self, sealed: str) -> str:
        """What was closed. Raises ValueError for anything else."""
        try:
            return self._box.decrypt(base64.b64decode(sealed, validate=True), self._belongs_to).decode()
        except CryptoError as error:
            raise ValueError("was not encrypted with this secret, or not for this place") from error


class TokenDocument:
    """The fleet's TokenRecord in the shared cache: as a Document, with the text of its token encrypted.

    0.1.0 has the token as it is, under another key. Its record is read while there is none of ours, so that a rollout
    needs no login of its own, and is never written.
    """

    def __init__(self, cache: SharedCache, *, client: str, client_id: str, secret: str) -> None:
        """`client` is keys.client_key()."""
        # A worker with a new secret must not be held up by what one with the old secret was told.
        name = f"{client}#{digest(secret)}"
        key = f"sealed-token#{name}"
        self._seal = Seal(secret, key, client_id)
        self._document = Document(cache, key, TokenRecord)
        self._of_0_1_0 = Document(cache, f"token#{name}", TokenRecord)

    async def read(self) -> Snapshot[TokenRecord]:
        """As Document.read; a token that cannot be opened counts as none."""
        seen = await self._document.read()
        if not seen.exists:
            return Snapshot((await self._of_0_1_0.read()).value)
        return replace(seen, value=self._opened(seen.value))

    async def replace(
        self, seen: Snapshot[TokenRecord], value: TokenRecord, *, seconds: float
    ) -> Snapshot[TokenRecord] | None:
        """As Document.replace."""
        written = await self._document.replace(seen, self._closed(value), seconds=seconds)
        return None if written is None else replace(written, value=value)

    def _opened(self, record: TokenRecord) -> TokenRecord:
        if record.token is None:
            return record
        try:
            return replace(record, token=replace(record.token, text=self._seal.open(record.token.text)))
        except ValueError:
            return replace(record, token=None)

    def _closed(self, record: TokenRecord) -> TokenRecord:
        if record.token is None:
            return record
        return replace(record, token=replace(record.token, text=self._seal.close(record.token.text)))
