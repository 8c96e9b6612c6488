"""Signature Version 4 for the one form of request that the clients of the running service send.

botocore's signer serves every form: it prepares the request twice, goes through its headers five times and derives the
day's key for each call, which together were a sixth of an interaction's CPU. This one signs a POST to `/` in one pass
and keeps the key for as long as credentials and day are the same, as the newer AWS SDKs do. Anything else it leaves to
botocore's. It is handed out through botocore's own registry and its `choose-signer` event; see ADR 0030.
"""

import functools
import hmac
import time
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import AUTH_TYPE_MAPS, SIGNED_HEADERS_BLACKLIST, SigV4Auth

_NAME = "v4-one-pass"

_ALGORITHM = "AWS4-HMAC-SHA256"

_NEVER_SIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)

_SET_HERE = frozenset({"authorization", "date", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
"""A request that has one of them already is none of the plain ones."""


class OnePassSigV4(SigV4Auth):
    """botocore's SigV4Auth, with a short way for a POST to `/` with a body of bytes."""

    def __init__(self, credentials: Any, service_name: str, region_name: str) -> None:
        super().__init__(credentials, service_name, region_name)
        self._place = f"{region_name}/{service_name}"

    def add_auth(self, request: Any) -> None:
        """Sign `request`, an AWSRequest. Raises NoCredentialsError."""
        host = _host(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        if host is None or self.credentials is None or not _is_plain(request, headers):
            super().add_auth(request)
            return
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        request.context["timestamp"] = now
        request.headers["X-Amz-Date"] = now
        headers |= {"host": host, "x-amz-date": now}
        if token := self.credentials.token:
            request.headers["X-Amz-Security-Token"] = headers["x-amz-security-token"] = token
        names = sorted(headers.keys() - _NEVER_SIGNED)
        signed = ";".join(names)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        canonical = f"POST\n/\n\n{lines}\n{signed}\n{sha256(request.data).hexdigest()}"
        scope = f"{now[:8]}/{self._place}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{now}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = _key(self.credentials.secret_key, scope)
        request.headers["Authorization"] = (
            f"{_ALGORITHM} Credential={self.credentials.access_key}/{scope}, SignedHeaders={signed}, "
            f"Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"
        )


def _is_plain(request: Any, headers: dict[str, Any]) -> bool:
    context = request.context
    return (
        request.method == "POST"
        and isinstance(request.data, bytes)
        and not request.params
        and context.get("payload_signing_enabled", True)
        and not context.get("checksum", {}).get("request_algorithm")
        and headers.keys().isdisjoint(_SET_HERE)
        # No header twice, and each a text.
        and len(headers) == len(request.headers)
        and all(isinstance(value, str) for value in headers.values())
    )


@functools.lru_cache(maxsize=16)
def _host(url: str) -> str | None:
    """The Host header of a URL that is nothing but an endpoint; None for any other."""
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.hostname is None or ":" in parts.hostname:
        return None
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.hostname if parts.port in (None, usual) else f"{parts.hostname}:{parts.port}"


@functools.lru_cache(maxsize=16)
def _key(secret: str, scope: str) -> bytes:
    """The key of a scope, which is the day, the region, the service and a constant."""
    return functools.reduce(
        lambda key, part: hmac.digest(key, part.encode(), "sha256"), scope.split("/"), f"AWS4{secret}".encode()
    )


def sign_in_one_pass(client: Any) -> None:
    """Have `client` sign its calls that way wherever botocore would choose Signature Version 4."""
    AUTH_TYPE_MAPS[_NAME] = OnePassSigV4
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"choose-signer.{service}", _choose)


def _choose(signature_version: Any, **_: Any) -> str | None:
    return _NAME if signature_version == "v4" else None
