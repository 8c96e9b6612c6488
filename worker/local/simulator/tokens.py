"""Access tokens of the simulated login."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Token:
    client_id: str
    expires: float


class Tokens:
    """The tokens that are good now. Each client has at most `most`; minting one more invalidates its oldest."""

    def __init__(self, lifetime: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.lifetime = lifetime
        self._most = most
        self._clock = clock
        self._tokens: dict[str, _Token] = {}

    def mint(self, client_id: str) -> str:
        own = [text for text, token in self._tokens.items() if token.client_id == client_id]
        for oldest in own[: max(0, len(own) - self._most + 1)]:
            del self._tokens[oldest]
        text = secrets.token_urlsafe(48)
        self._tokens[text] = _Token(client_id, self._clock() + self.lifetime)
        return text

    def client_of(self, text: str) -> str | None:
        """The client a token was minted for, or None when it is unknown, revoked or expired."""
        token = self._tokens.get(text)
        if token is None:
            return None
        if token.expires <= self._clock():
            del self._tokens[text]
            return None
        return token.client_id

    def revoke(self, text: str) -> None:
        self._tokens.pop(text, None)

    def revoke_all(self) -> int:
        """How many were good until now."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    def __len__(self) -> int:
        return len(self._tokens)
