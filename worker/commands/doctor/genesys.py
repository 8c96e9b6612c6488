"""Checks of the Genesys Cloud login and API."""

import time
from http import HTTPStatus
from types import SimpleNamespace

import aiohttp

from worker.clock import SystemClock
from worker.commands.doctor.checks import Clock, Finding, failed, ok, skipped
from worker.errors import RateLimited, Unauthorized
from worker.fleet.token import LoginFailed, Token
from worker.genesys.client import BATCH_PATH
from worker.genesys.login import log_in
from worker.genesys.responses import correlation_id, error_code
from worker.regions import api_url, login_url
from worker.settings import Settings

_NOBODY = "00000000-0000-0000-0000-000000000000"
"""An interaction id that no interaction has."""

_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)


async def check_genesys(clock: Clock, settings: Settings) -> list[Finding]:
    """A login, and one request for the details of an interaction that does not exist."""
    if "activity" not in settings.roles:
        return [skipped("Genesys login", "not needed: ROLES has no activity")]
    async with aiohttp.ClientSession(trace_configs=[_watch(clock)], timeout=_TIMEOUT) as session:
        login, token = await _login(session, settings)
        if token is None:
            return [login, skipped("Genesys API", "not checked: see Genesys login")]
        return [login, await _api(session, settings, token)]


def _watch(clock: Clock) -> aiohttp.TraceConfig:
    """Takes the Date header of every answer."""
    trace = aiohttp.TraceConfig()

    async def start(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestStartParams) -> None:
        context.asked = time.time()

    async def end(_: aiohttp.ClientSession, context: SimpleNamespace, done: aiohttp.TraceRequestEndParams) -> None:
        clock.sample("Genesys Cloud", done.response.headers.get("Date"), context.asked, time.time())

    trace.on_request_start.append(start)
    trace.on_request_end.append(end)
    return trace


async def _login(session: aiohttp.ClientSession, settings: Settings) -> tuple[Finding, Token | None]:
    name = "Genesys login"
    url = settings.genesys_login_url or login_url(settings.genesys_region)
    secret = settings.genesys_client_secret.get_secret_value()
    token = await log_in(session, url, settings.genesys_client_id, secret, SystemClock())
    if not isinstance(token, LoginFailed):
        return ok(name, f"{url}, token for {token.expires_at - token.minted_at:.0f} s"), token
    error = token.error
    if isinstance(error, Unauthorized):
        what, fix = str(error).partition(";")[0], "check GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET and GENESYS_REGION"
        return failed(name, what, fix + "; the client needs the grant type client credentials"), None
    if isinstance(error, RateLimited):
        return skipped(name, f"not checked: {error}"), None
    fix = "check GENESYS_REGION (or GENESYS_LOGIN_URL), the name server and that the network lets the task out"
    return failed(name, str(error), fix), None


async def _api(session: aiohttp.ClientSession, settings: Settings, token: Token) -> Finding:
    name = "Genesys API"
    base = settings.genesys_api_url or api_url(settings.genesys_region)
    template = settings.genesys_details_path
    path = template.replace("{interactionId}", _NOBODY) if template else f"{BATCH_PATH}?id={_NOBODY}"
    headers = {"Authorization": f"Bearer {token.text}"}
    try:
        async with session.get(base + path, headers=headers, allow_redirects=False) as response:
            code = error_code(await response.content.read(65_536))
            what = f"{base} answered {response.status}{f' {code}' if code else ''}{correlation_id(response)}"
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        fix = "check GENESYS_REGION (or GENESYS_API_URL), the name server and that the network lets the task out"
        return failed(name, f"no answer from {base} ({type(error).__name__})", fix)
    if status == HTTPStatus.OK or (status == HTTPStatus.NOT_FOUND and template):
        return ok(name, f"{base} answers, and lets the client read details")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return skipped(name, f"not checked: {what}; somebody uses up the client's rate limit")
    return failed(name, what, _api_fix(status))


def _api_fix(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            "name the API of the same region as the login; with ip.not.authorized, add the task's public address to "
            "the organisation's allowed ones"
        )
    if status == HTTPStatus.FORBIDDEN:
        return (
            "give the OAuth client a role with analytics:conversationDetail:view, or for /api/v2/conversations with "
            "conversation:communication:view, in the division of the interactions"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Genesys Cloud has a fault: see its status page and try again"
    return "check GENESYS_API_URL and GENESYS_DETAILS_PATH"
