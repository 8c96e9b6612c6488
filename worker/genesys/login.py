"""The OAuth login of Genesys Cloud: client credentials in, access token out."""

import base64
from http import HTTPStatus
from typing import Any

import aiohttp

from worker.clock import Clock
from worker.errors import RateLimited, Unauthorized, Unavailable
from worker.fleet.token import LoginAnswer, LoginFailed, Token
from worker.fleet.token_record import LONGEST_LIFE_SECONDS
from worker.genesys.responses import correlation_id, login_code, read_json, retry_after
from worker.ports import Metrics

TIMEOUT_SECONDS = 10.0

_REFUSED = frozenset({400, 401, 403})
"""400: client not found; 401: wrong secret; 403: the client may not log in from here."""

_SHORTEST_SECONDS = 1.0
"""What an absurd `expires_in` counts as, so that nothing divides by it or spins on it."""


async def log_in(
    session: aiohttp.ClientSession,
    base_url: str,
    client_id: str,
    secret: str,
    clock: Clock,
    *,
    metrics: Metrics | None = None,
) -> LoginAnswer:
    """A new access token, by one request; or why there is none.

    The error is Unauthorized when the credentials are refused, RateLimited (with a pause) for a 429, and Unavailable
    without a usable answer.
    """
    sent_at = clock.time()
    credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    status: int | None = None
    try:
        async with session.post(
            f"{base_url}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {credentials}"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            allow_redirects=False,
        ) as response:
            status = response.status
            answer = await read_json(response)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return _unusable(f"the login at {base_url} gave no usable answer ({type(error).__name__})")
    finally:
        if metrics is not None:
            metrics.genesys_request("login", status)
    return _token(answer, sent_at) if status == HTTPStatus.OK else _refusal(response, answer)


def _token(answer: Any, sent_at: float) -> LoginAnswer:
    """The token's life is counted from before the request, as the server may have counted from any time after it."""
    text = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        return _unusable("the login answered without a usable access_token")
    seconds = answer.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not _SHORTEST_SECONDS <= seconds < 1e9:  # noqa: PLR2004
        seconds = _SHORTEST_SECONDS
    return Token(text, sent_at, sent_at + min(seconds, LONGEST_LIFE_SECONDS))


def _refusal(response: aiohttp.ClientResponse, answer: Any) -> LoginFailed:
    code = login_code(answer)
    what = f"login answered {response.status}{f' ({code})' if code else ''}{correlation_id(response)}"
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        return LoginFailed(RateLimited(what), retry_after(response.headers.get("Retry-After")))
    if response.status in _REFUSED:
        fix = "check GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_REGION"
        return LoginFailed(Unauthorized(f"{what}; {fix}"), None)
    return _unusable(what)


def _unusable(what: str) -> LoginFailed:
    return LoginFailed(Unavailable(what), None)
