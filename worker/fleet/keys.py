"""The keys under which the workers of one OAuth client share what they know."""

import hashlib


def digest(*parts: str) -> str:
    """A key that says nothing of its parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def client_key(login_url: str, client_id: str) -> str:
    """Of the OAuth client, whatever its secret: its allowance and its pause are for all that use it."""
    return digest(login_url, client_id)
