"""Checks of the Genesys Cloud login and API, with a token of `doctor`'s own."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from worker.commands.doctor.checks import Clock, Finding, failed, ok, skipped
from worker.errors import AttemptError, NotReady, RateLimited, Unauthorized, Unavailable
from worker.genesys.client import BlameError
from worker.genesys.login import Token
from worker.settings import Settings
from worker.wiring import DirectGenesys, open_direct_genesys

_NOBODY = "00000000-0000-0000-0000-000000000000"
"""An interaction id that no interaction has."""

_TIMEOUT_SECONDS = 15.0


@dataclass(slots=True)
class _Watch:
    """Sees every answer: its clock, and the status of the last one."""

    clock: Clock
    status: int | None = None

    def __call__(self, status: int, date: str | None, asked: float, answered: float) -> None:
        self.status = status
        self.clock.sample("Genesys Cloud", date, asked, answered)


async def check_genesys(clock: Clock, settings: Settings) -> list[Finding]:
    """A login, and one request for the details of an interaction that does not exist."""
    if "activity" not in settings.roles:
        return [skipped("Genesys login", "not needed: ROLES has no activity")]
    watch = _Watch(clock)
    async with open_direct_genesys(settings, watch) as genesys:
        login, token = await _login(genesys)
        if token is None:
            return [login, skipped("Genesys API", "not checked: see Genesys login")]
        watch.status = None
        problem = await _ask(genesys, token)
        return [login, _api(genesys.api_url, problem, watch.status, alone=settings.genesys_details_path is not None)]


async def _login(genesys: DirectGenesys) -> tuple[Finding, Token | None]:
    name = "Genesys login"
    try:
        token = await genesys.log_in()
    except Unauthorized as error:
        fix = (
            "set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET to those of an OAuth client with the grant type client "
            "credentials, and GENESYS_REGION to its region"
        )
        return failed(name, str(error), fix), None
    except RateLimited as error:
        return skipped(name, f"not checked: {error}"), None
    except Unavailable as error:
        fix = "check GENESYS_REGION (or GENESYS_LOGIN_URL), the name server and that the network lets the worker out"
        return failed(name, str(error), fix), None
    return ok(name, f"{genesys.login_url}, token for {token.expires_at - token.minted_at:.0f} s"), token


async def _ask(genesys: DirectGenesys, token: Token) -> AttemptError | None:
    """What is wrong with the answer; None when nothing is."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await genesys.details(_NOBODY, token)
    except BlameError as error:
        return error.error
    except AttemptError as error:
        return error
    except TimeoutError:
        return Unavailable(f"not within {_TIMEOUT_SECONDS:g} s")
    return None


def _api(base: str, problem: AttemptError | None, status: int | None, *, alone: bool) -> Finding:
    """`alone`: each interaction has a request of its own, so that an unknown one is answered with 404."""
    name = "Genesys API"
    if problem is None or (isinstance(problem, NotReady) and alone):
        return ok(name, f"{base} answers, and lets the client read details")
    if isinstance(problem, RateLimited):
        return skipped(name, f"not checked: {problem}; somebody uses up the client's rate limit")
    if status is None:
        fix = "check GENESYS_REGION (or GENESYS_API_URL), the name server and that the network lets the worker out"
        return failed(name, f"no answer from {base}: {problem}", fix)
    return failed(name, f"{base}: {problem}", _api_fix(status))


def _api_fix(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            "name the API of the same region as the login; with ip.not.authorized, add the worker's public address to "
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
