"""One request for details: URL, token, answer, and what an answer that is none means."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from yarl import URL

from worker.errors import AttemptError, Invalid, NotReady, Unauthorized, Unavailable
from worker.genesys.large_json import parse, read_conversations
from worker.genesys.reading import Mapper, mapper_for
from worker.genesys.responses import PausedError, TooLargeError, correlation_id, error_code, read_body, retry_after
from worker.ports import Details, Metrics

BATCH_PATH = "/api/v2/analytics/conversations/details"

TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=5, sock_read=30)
"""A batch of many megabytes may take long as a whole, but not stand still."""

_ADDRESS_REFUSED = "ip.not.authorized"
"""The 401 that no new token cures."""

log = structlog.get_logger()

Result = Details | AttemptError


class TokenRefusedError(Unauthorized):
    """A 401 that a new token may cure."""


class BlameError(Exception):
    """The request failed in a way that one of several ids may be the reason for: splitting it finds out.

    `error` is what it means for an id that was asked for alone.
    """

    def __init__(self, error: AttemptError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Api:
    """The details endpoint: the batched one, or one interaction a request when there is a path template."""

    session: aiohttp.ClientSession
    base_url: str
    template: str | None
    metrics: Metrics

    async def details(self, ids: list[str], token: str) -> dict[str, Result]:
        """The details, or what is wrong with them, of each of `ids`; one request.

        Raises http.PausedError (429), TokenRefusedError, errors.Unauthorized, errors.Unavailable (no connection), and
        BlameError for everything else.
        """
        status: int | None = None
        try:
            async with self.session.get(
                self._url(ids), headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                status = response.status
                body = await read_body(response)
        except TooLargeError as error:
            raise BlameError(Invalid(str(error))) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._no_answer(error) from None
        finally:
            self.metrics.genesys_request("details", status)
        if response.status != HTTPStatus.OK:
            raise self._failure(response, body, len(ids))
        try:
            return await self._results(ids, body)
        except ValueError:
            what = f"Genesys Cloud's answer is not the JSON expected{correlation_id(response)}"
            log.warning("genesys_answer_unreadable", ids=len(ids), problem=what)
            raise BlameError(Unavailable(what)) from None

    def _url(self, ids: list[str]) -> URL:
        """Ids are of `events.INTERACTION_ID`, so that nothing in them needs quoting."""
        if self.template is None:
            return URL(f"{self.base_url}{BATCH_PATH}?id={'&id='.join(ids)}", encoded=True)
        return URL(self.base_url + self.template.replace("{interactionId}", ids[0]))

    def _no_answer(self, error: Exception) -> Exception:
        connected = not isinstance(error, aiohttp.ClientConnectorError)
        what = f"{'no whole answer from' if connected else 'no connection to'} {self.base_url} ({type(error).__name__})"
        log.warning("genesys_request_failed", problem=what)
        return BlameError(Unavailable(what)) if connected else Unavailable(what)

    async def _results(self, ids: list[str], body: bytes) -> dict[str, Result]:
        read = mapper_for(self.template)
        if self.template is not None:
            return {ids[0]: _map(read, parse(body))}
        results: dict[str, Result] = {}
        asked = frozenset(ids)
        for conversation in await read_conversations(body):
            name = conversation.get("conversationId") if isinstance(conversation, dict) else None
            if isinstance(name, str) and name in asked and not isinstance(results.get(name), Details):
                results[name] = _map(read, conversation)
        for missing in asked - results.keys():
            results[missing] = NotReady("Genesys Cloud does not know the interaction yet")
        return results

    def _failure(self, response: aiohttp.ClientResponse, body: bytes, size: int) -> Exception:
        status = response.status
        code = error_code(body)
        what = f"Genesys Cloud answered {status}{f' {code}' if code else ''}{correlation_id(response)}"
        log.warning("genesys_request_failed", status=status, code=code, ids=size, problem=what)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return PausedError(what, retry_after(response))
        if status == HTTPStatus.UNAUTHORIZED and code != _ADDRESS_REFUSED:
            return TokenRefusedError(what)
        return _FAILURES.get(status, _class_of(status))(what)


def _unauthorized(what: str) -> Exception:
    return Unauthorized(f"{what}: check the OAuth client's roles, and the organisation's list of allowed addresses")


_FAILURES: dict[int, Callable[[str], Exception]] = {
    HTTPStatus.UNAUTHORIZED: _unauthorized,
    HTTPStatus.FORBIDDEN: _unauthorized,
    HTTPStatus.NOT_FOUND: lambda what: BlameError(NotReady(what)),
    HTTPStatus.REQUEST_TIMEOUT: lambda what: BlameError(Unavailable(what)),
}


def _class_of(status: int) -> Callable[[str], Exception]:
    """What a status means that has no entry of its own."""
    if HTTPStatus(400) <= status < HTTPStatus(500):
        return lambda what: BlameError(Invalid(what))
    return lambda what: BlameError(Unavailable(what))


def _map(read: Mapper, document: Any) -> Result:
    try:
        return read(document)
    except Invalid as error:
        return error
