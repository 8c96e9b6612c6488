"""The OAuth login of Genesys Cloud: client credentials in, access token out."""

import base64
import time
from typing import Any

import aiohttp

from worker.errors import RateLimited, Unauthorized, Unavailable
from worker.fleet.token import LoginAnswer, LoginFailed, Token
from worker.genesys.responses import correlation_id, read_json, retry_after
from worker.ports import Metrics

TIMEOUT_SECONDS = 10.0

_REFUSED = frozenset({400, 401, 403})
"""400: client not found; 401: wrong secret; 403: the client may not log in from here."""

_SHORTEST_SECONDS = 1.0
"""What an absurd `expires_in` counts as, so that nothing divides by it or spins on it."""


async def log_in(
    session: aiohttp.ClientSession, base_url: str, client_id: str, secret: str, metrics: Metrics | None = None
) -> LoginAnswer:
    """A new access token, by one request.

    A failure is Unauthorized when the credentials are refused, Unavailable when there is no usable answer, and
    RateLimited with a pause for a 429.
    """
    asked_at = time.time()
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
            if response.status != 200:  # noqa: PLR2004
                return _refusal(response, answer)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return LoginFailed(Unavailable(f"the login at {base_url} gave no usable answer ({type(error).__name__})"))
    finally:
        if metrics is not None:
            metrics.genesys_request("login", status)
    return _token(answer, asked_at)


def _token(answer: Any, asked_at: float) -> LoginAnswer:
    """The token's life is counted from before the request, as the server may have counted from any time after it."""
    text = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        return LoginFailed(Unavailable("the login answered without a usable access_token"))
    seconds = answer.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not _SHORTEST_SECONDS <= seconds < 1e9:  # noqa: PLR2004
        seconds = _SHORTEST_SECONDS
    return Token(text, asked_at, asked_at + seconds)


def _refusal(response: aiohttp.ClientResponse, answer: Any) -> LoginFailed:
    fields = answer if isinstance(answer, dict) else {}
    known = [str(fields[name])[:80] for name in ("error", "description") if isinstance(fields.get(name), str)]
    what = f"login answered {response.status}" + (f" ({': '.join(known)})" if known else "") + correlation_id(response)
    if response.status == 429:  # noqa: PLR2004
        return LoginFailed(RateLimited(what), retry_after(response))
    if response.status in _REFUSED:
        return LoginFailed(Unauthorized(f"{what}; check GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_REGION"))
    return LoginFailed(Unavailable(what))
