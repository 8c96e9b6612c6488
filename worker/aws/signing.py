"""Signature Version 4 for the one form of request that the clients of the running service send.

The one exception to the rule that AWS is the SDK's business; ADR 0031 has its terms. botocore's signer serves every
form of request: it goes through the headers five times and derives the day's key for each call. This one signs a POST
to `/` in one pass and keeps the key for as long as credentials and day are the same, as the newer AWS SDKs do. Anything
else it leaves to botocore's, and everything where the two do not agree at the start of the process.
"""

import functools
import hmac
import time
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import structlog
from botocore.auth import AUTH_TYPE_MAPS, SIGNED_HEADERS_BLACKLIST, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

_NAME = "v4-one-pass"

_ALGORITHM = "AWS4-HMAC-SHA256"

_NEVER_SIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)

_NOT_PLAIN = frozenset(
    {
        "authorization",
        "date",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-trailer",
    }
)
"""A request that has one of these headers already is left to botocore."""

log = structlog.get_logger()


class _Key(NamedTuple):
    secret: str | None
    day: str
    key: bytes


_keys: dict[str, _Key] = {}
"""By region and service: the key in use. New credentials and a new day take the place of the old ones."""


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
        request.headers["X-Amz-Date"] = now
        headers |= {"host": host, "x-amz-date": now}
        if token := self.credentials.token:
            request.headers["X-Amz-Security-Token"] = headers["x-amz-security-token"] = token
        names = sorted(headers.keys() - _NEVER_SIGNED)
        signed = ";".join(names)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        canonical = f"POST\n/\n\n{lines}\n{signed}\n{sha256(request.data).hexdigest()}"
        day = now[:8]
        scope = f"{day}/{self._place}/aws4_request"
        to_sign = f"{_ALGORITHM}\n{now}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = _key(self.credentials.secret_key, day, self._place)
        request.headers["Authorization"] = (
            f"{_ALGORITHM} Credential={self.credentials.access_key}/{scope}, SignedHeaders={signed}, "
            f"Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"
        )


def _is_plain(request: Any, headers: dict[str, Any]) -> bool:
    return (
        request.method == "POST"
        and isinstance(request.data, bytes)
        and not request.params
        and headers.keys().isdisjoint(_NOT_PLAIN)
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


def _key(secret: str | None, day: str, place: str) -> bytes:
    kept = _keys.get(place)
    if kept is None or kept.secret != secret or kept.day != day:
        parts = (day, *place.split("/"), "aws4_request")
        derived = functools.reduce(
            lambda key, part: hmac.digest(key, part.encode(), "sha256"), parts, f"AWS4{secret}".encode()
        )
        kept = _keys[place] = _Key(secret, day, derived)
    return kept.key


def sign_in_one_pass(client: Any) -> None:
    """Have `client` sign its calls that way wherever botocore would choose Signature Version 4.

    Where the two signers do not agree, all stays as it is, which is logged once in the life of the process.
    """
    if _agrees_with_botocore():
        AUTH_TYPE_MAPS[_NAME] = OnePassSigV4
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"choose-signer.{service}", _choose)


def _choose(signature_version: Any, **_: Any) -> str | None:
    return _NAME if signature_version == "v4" else None


_SAMPLE_SECRET = "made up, and never sent"  # noqa: S105

_SAMPLES: tuple[tuple[str, str | None, str, dict[str, str], bytes], ...] = (
    (
        "dynamodb",
        None,
        "https://dynamodb.us-east-1.amazonaws.com/",
        {
            "X-Amz-Target": "DynamoDB_20120810.PutItem",
            "Content-Type": "application/x-amz-json-1.0",
            "User-Agent": "a/1",
        },
        '{"Item": "é"}'.encode(),
    ),
    (
        "sqs",
        "made-up/token+==",
        "https://sqs.us-east-1.amazonaws.com",
        {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "X-Amzn-Query-Mode": "true", "X-Amzn-Trace-Id": "Root=1"},
        b"{}",
    ),
    (
        "states",
        "made-up/token+==",
        "http://127.0.0.1:4566/",
        {"X-Amz-Target": " AWSStepFunctions.GetActivityTask  ", "amz-sdk-request": "attempt=1;  max=3", "Expect": "x"},
        b"",
    ),
)
"""Requests as the three services get them, by service: session token, URL, headers and body."""

_TRIES = 10
"""A sample is signed again when the second changed between the two signers."""


@functools.cache
def _agrees_with_botocore() -> bool:
    """Whether both signers leave every sample alike; asked once, as later answers would be the same."""
    try:
        agrees = all(_signs_alike(*sample) for sample in _SAMPLES)
    except Exception:  # noqa: BLE001 -- however a later botocore differs, its own signer stays
        agrees = False
    _keys.clear()
    if not agrees:
        detail = "the signer of this service and botocore's do not agree, so botocore's signs, for more CPU"
        log.warning("signer_not_used", detail=detail)
    return agrees


def _signs_alike(service: str, token: str | None, url: str, headers: dict[str, str], body: bytes) -> bool:
    credentials: Any = ReadOnlyCredentials("made-up", _SAMPLE_SECRET, token)
    for _ in range(_TRIES):
        ours, theirs = [AWSRequest(method="POST", url=url, headers=dict(headers), data=body) for _ in range(2)]
        OnePassSigV4(credentials, service, "us-east-1").add_auth(ours)
        SigV4Auth(credentials, service, "us-east-1").add_auth(theirs)
        if ours.headers["X-Amz-Date"] == theirs.headers["X-Amz-Date"]:
            return _left(ours) == _left(theirs)
    return False


def _left(request: Any) -> tuple[Any, ...]:
    return request.method, request.url, request.data, request.params, sorted(request.headers.items())
