"""Checks of the Genesys Cloud login and API, with a token of `doctor`'s own."""

from functools import partial
from http import HTTPStatus

from worker.commands.doctor.checks import Clock, Finding, failed, ok, skipped
from worker.errors import NotReady, RateLimited, Unauthorized
from worker.events import NOBODY
from worker.fleet.token import LoginFailed, Token
from worker.genesys.answer import Answer, Answered, Refused, Suspect, Throttled, TokenRefused, Unreachable
from worker.settings import Settings
from worker.wiring import DirectGenesys, open_direct_genesys

_ANSWERS = "answers, and lets the client read details; in which divisions is not checked"
"""No request tells: an interaction of a division that the role does not cover is as unknown as one that never was."""


async def check_genesys(clock: Clock, settings: Settings) -> list[Finding]:
    """A login, and one request for the details of an interaction that does not exist."""
    if "activity" not in settings.roles:
        return [skipped("Genesys login", "not needed: ROLES has no activity")]
    async with open_direct_genesys(settings, partial(clock.sample, "Genesys Cloud")) as genesys:
        login, token = await _login(genesys)
        if token is None:
            return [login, skipped("Genesys API", "not checked: see Genesys login")]
        answer = await genesys.ask(NOBODY, token)
        return [login, _api(genesys.api_url, answer, alone=settings.genesys_details_path is not None)]


async def _login(genesys: DirectGenesys) -> tuple[Finding, Token | None]:
    name = "Genesys login"
    match await genesys.log_in():
        case Token(minted_at=minted_at, expires_at=expires_at) as token:
            return ok(name, f"{genesys.login_url}, token for {expires_at - minted_at:.0f} s"), token
        case LoginFailed(error=RateLimited() as error):
            return skipped(name, f"not checked: {error}"), None
        case LoginFailed(error=Unauthorized() as error):
            fix = (
                "set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET to those of an OAuth client with the grant type "
                "client credentials, and GENESYS_REGION to its region"
            )
        case LoginFailed(error=error):
            fix = (
                "check GENESYS_REGION (or GENESYS_LOGIN_URL), the name server and that the network lets the worker out"
            )
    return failed(name, str(error), fix), None


def _api(base: str, answer: Answer, *, alone: bool) -> Finding:
    """`alone`: each interaction has a request of its own, so that an unknown one is answered with 404."""
    name = "Genesys API"
    match answer:
        case Answered():
            return ok(name, f"{base} {_ANSWERS}")
        case Suspect(error=NotReady()) if alone:
            return ok(name, f"{base} {_ANSWERS}")
        case Throttled(detail=detail):
            return skipped(name, f"not checked: {detail}; somebody uses up the client's rate limit")
        case TokenRefused(detail=detail):
            return failed(name, f"{base}: {detail}", _api_fix(HTTPStatus.UNAUTHORIZED))
        case Refused(error=error, status=status) | Suspect(error=error, status=int() as status):
            return failed(name, f"{base}: {error}", _api_fix(status))
        case Suspect(error=error) | Unreachable(error=error):
            fix = "check GENESYS_REGION (or GENESYS_API_URL), the name server and that the network lets the worker out"
            return failed(name, f"no answer from {base}: {error}", fix)


def _api_fix(status: int) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            "name the API of the same region as the login; with ip.not.authorized, add the worker's public address to "
            "the organisation's allowed ones"
        )
    if status == HTTPStatus.FORBIDDEN:
        return (
            "give the OAuth client a role with analytics:conversationDetail:view, or for /api/v2/conversations with "
            "conversation:communication:view, in every division whose interactions it has to read"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Genesys Cloud has a fault: see its status page and try again"
    return "check GENESYS_API_URL and GENESYS_DETAILS_PATH"
