"""One request for details, from its URL to its Answer."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from yarl import URL

from worker.clock import Clock
from worker.errors import AttemptError, InteractionUnavailable, Invalid, NotReady, Unavailable
from worker.genesys.answer import Answer, Answered, Suspect, Unreachable, asked_at, judge_failure
from worker.genesys.large_json import parse, read_conversations
from worker.genesys.reading import Mapper, mapper_for
from worker.genesys.responses import TooLargeError, correlation_id, error_code, read_body, retry_after
from worker.ports import Details, Metrics

BATCH_PATH = "/api/v2/analytics/conversations/details"

TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=5, sock_read=30)
"""A batch of many megabytes may take long as a whole, but not stand still."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Client:
    """The details endpoint: the batched one, or with a path template one that takes one interaction per request."""

    session: aiohttp.ClientSession
    base_url: str
    template: str | None
    clock: Clock
    metrics: Metrics | None = None
    """What counts the requests; None outside the service."""
    timeout: aiohttp.ClientTimeout = TIMEOUT
    standard: bool = False
    """Whether details get the attributes of the standard record."""

    async def ask(self, ids: list[str], token: str) -> Answer:
        """Ask for `ids` by one request. Ids are of `events.INTERACTION_ID`; with a template there is exactly one."""
        status: int | None = None
        sent_at = self.clock.time()
        try:
            async with self.session.get(
                self._url(ids),
                headers={"Authorization": f"Bearer {token}"},
                timeout=self.timeout,
                allow_redirects=False,
            ) as response:
                status = response.status
                body = await read_body(response)
        except TooLargeError as error:
            return Suspect(Invalid(str(error)), status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return self._no_answer(error)
        finally:
            if self.metrics is not None:
                self.metrics.genesys_request("details", status)
        if status != HTTPStatus.OK:
            return _failure(response, body, len(ids))
        try:
            return Answered(await self._results(ids, body, asked_at(sent_at, response.headers.get("Date"))))
        except ValueError:
            detail = f"Genesys Cloud's answer is not the JSON expected{correlation_id(response)}"
            log.warning("genesys_answer_unreadable", ids=len(ids), detail=detail)
            return Suspect(InteractionUnavailable(detail), status)

    def _url(self, ids: list[str]) -> URL:
        """Nothing in an id needs quoting."""
        if self.template is None:
            return URL(f"{self.base_url}{BATCH_PATH}?id={'&id='.join(ids)}", encoded=True)
        return URL(self.base_url + self.template.replace("{interactionId}", ids[0]))

    def _no_answer(self, error: Exception) -> Answer:
        connected = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        what = "no whole answer from" if connected else "no connection to"
        detail = f"{what} {self.base_url} ({type(error).__name__})"
        log.warning("genesys_request_failed", error=type(error).__name__, detail=detail)
        return Suspect(InteractionUnavailable(detail), None) if connected else Unreachable(Unavailable(detail))

    async def _results(self, ids: list[str], body: bytes, asked: datetime) -> dict[str, Details | AttemptError]:
        read = mapper_for(self.template, standard=self.standard)
        if self.template is not None:
            return {ids[0]: _read(read, parse(body), asked)}
        results: dict[str, Details | AttemptError] = {}
        wanted = frozenset(ids)
        for conversation in await read_conversations(body):
            name = conversation.get("conversationId") if isinstance(conversation, dict) else None
            if isinstance(name, str) and name in wanted and not isinstance(results.get(name), Details):
                results[name] = _read(read, conversation, asked)
        for missing in wanted - results.keys():
            results[missing] = NotReady("Genesys Cloud does not know the interaction yet")
        return results


def _failure(response: aiohttp.ClientResponse, body: bytes, ids: int) -> Answer:
    code = error_code(body)
    detail = f"Genesys Cloud answered {response.status}{f' {code}' if code else ''}{correlation_id(response)}"
    log.warning("genesys_request_failed", status=response.status, code=code, ids=ids, detail=detail)
    return judge_failure(response.status, code, detail, retry_after(response.headers.get("Retry-After")))


def _read(read: Mapper, document: Any, asked: datetime) -> Details | AttemptError:
    try:
        return read(document, asked)
    except Invalid as error:
        return error
