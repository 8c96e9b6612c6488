"""HTTP responses of Genesys Cloud: bounded reading, `Retry-After`, the correlation id for their support."""

import base64
import re
from typing import Any

import aiohttp
import pydantic_core

from worker.genesys.answer_memory import Share, TooLargeError

BODY_LIMIT = 8 * 2**20
"""Bytes of one answer after decompression. A larger batch is bisected, so only one interaction can be too large."""

SMALL_BODY_LIMIT = 64 * 1024
"""Bytes of a login or of an error. Real ones have less than one kilobyte, and a proxy's page a few."""

DEFAULT_PAUSE_SECONDS = 15.0
"""The pause without a readable `Retry-After`. A sliding window of 60 s frees up little by little."""
LONGEST_PAUSE_SECONDS = 3600.0
"""Daily limits answer with hours; asking once an hour does no harm and finds out that a limit was lifted."""

ANOTHER_CODE = "another code"
"""What is said of a code that is not of the list: its text is whatever a server or a proxy put there."""

_CODES = frozenset(
    {
        "authentication.request.timeout",
        "authentication.required",
        "bad.credentials",
        "bad.request",
        "credentials.expired",
        "internal.server.error",
        "invalid.date",
        "invalid.value",
        "ip.not.authorized",
        "missing.any.permissions",
        "missing.permissions",
        "not.authorized",
        "not.found",
        "request.timeout",
        "service.unavailable",
        "too.many.requests",
        "too.many.requests.retry.after",
        "unsupported.media.type",
    }
)
"""Codes of the API that client libraries of Genesys Cloud know, and those of its 401 and 429 answers."""

_LOGIN_CODES = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""Codes of a login that is refused (RFC 6749, 4.1.2.1 and 5.2)."""

_CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


def retry_after(header: str | None) -> float:
    """Seconds to pause after a 429, from its `Retry-After`; a missing or absurd header gives a sensible number."""
    text = (header or "").strip()
    if not text.isascii() or not text.isdigit():
        return DEFAULT_PAUSE_SECONDS
    return float(min(max(int(text[:9]), 1), LONGEST_PAUSE_SECONDS))


def correlation_id(response: aiohttp.ClientResponse) -> str:
    """`, ININ-Correlation-Id …` for the end of an error text; empty when there is none, or it echoes a credential."""
    text = response.headers.get("ININ-Correlation-Id", "")
    if not _CORRELATION_ID.match(text) or any(text in sent or sent in text for sent in _sent_credentials(response)):
        return ""
    return f", ININ-Correlation-Id {text}"


def _sent_credentials(response: aiohttp.ClientResponse) -> list[str]:
    """The token, or the client's secret, that the request carried, in each form in which an answer could echo it."""
    scheme, _, value = response.request_info.headers.get("Authorization", "").partition(" ")
    secret = base64.b64decode(value).decode().partition(":")[2] if scheme == "Basic" else ""
    return [text for text in (value, secret) if text]


async def read_body(response: aiohttp.ClientResponse, share: Share) -> bytes:
    """The whole body of details. Raises TooLargeError above BODY_LIMIT, aiohttp.ClientError when it is cut off."""
    return bytes(await _read(response, BODY_LIMIT, share))


async def read_small_body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body of something else; empty above SMALL_BODY_LIMIT. Raises aiohttp.ClientError when it is cut off."""
    try:
        return bytes(await _read(response, SMALL_BODY_LIMIT))
    except TooLargeError:
        return b""


async def _read(response: aiohttp.ClientResponse, limit: int, share: Share | None = None) -> bytearray:
    body = bytearray()
    async for chunk in response.content.iter_any():
        if len(body) + len(chunk) > limit:
            response.close()
            raise TooLargeError(f"the answer is larger than {limit} bytes")
        if share is not None:
            await share.grow(len(chunk))
        body += chunk
    return body


def parse_json(body: bytes) -> Any:
    """One JSON document. Raises ValueError."""
    # Values hardly ever come twice, so only names are worth a place in the parser's cache.
    return pydantic_core.from_json(body, cache_strings="keys")


async def read_json(response: aiohttp.ClientResponse) -> Any:
    """The body of a small answer as JSON; None when it is not JSON, or not small."""
    body = await read_small_body(response)
    try:
        return parse_json(body)
    except ValueError:
        return None


def error_code(body: bytes) -> str:
    """The `code` of an API error: one of the known ones, ANOTHER_CODE, or empty when there is none."""
    try:
        answer = parse_json(body)
    except ValueError:
        return ""
    code = answer.get("code") if isinstance(answer, dict) else None
    return _quotable(code, _CODES)


def login_code(answer: Any) -> str:
    """The `error` of a refused login, as error_code; its description may hold anything and is not read."""
    return _quotable(answer.get("error") if isinstance(answer, dict) else None, _LOGIN_CODES)


def _quotable(code: Any, known: frozenset[str]) -> str:
    if not isinstance(code, str) or not code:
        return ""
    return code if code in known else ANOTHER_CODE
