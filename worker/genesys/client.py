"""One request for details, from its URL to its Answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from yarl import URL

from worker.clock import Clock
from worker.errors import AttemptError, InteractionUnavailable, Invalid, NotReady, Unavailable
from worker.genesys.answer import Answer, Answered, Suspect, Unreachable, asked_at, judge_failure
from worker.genesys.answer_memory import AnswerMemory, HeldDocument, Share, TooLargeError, weigh
from worker.genesys.large_json import WHOLE_BYTES, conversations_of, each_conversation, parse, parse_large
from worker.genesys.reading import Mapper, mapper_for
from worker.genesys.responses import correlation_id, error_code, read_body, read_small_body, retry_after
from worker.ports import Details, Metrics

BATCH_PATH = "/api/v2/analytics/conversations/details"

TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=5, sock_read=30)
"""A batch of many megabytes may take long as a whole, but not stand still."""

_SLOW_WEIGHT = 2 * 2**20
"""From here on a document is read beside the event loop: one of 80 MiB takes up to half a second."""

log = structlog.get_logger()


_IDS = ("conversationId", "id", "interactionId")
"""Where an answer of one interaction names it."""


class _AnotherInteractionError(ValueError):
    """The answer is for another id than the one asked for: something on the way mixes answers up."""


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
    documents: bool = True
    """Whether somebody needs the documents; without one, details have none, and take little memory."""
    memory: AnswerMemory = field(default_factory=AnswerMemory)

    async def ask(self, ids: list[str], token: str) -> Answer:
        """Ask for `ids` by one request. Ids are of `events.INTERACTION_ID`; with a template there is exactly one."""
        with self.memory.share() as share:
            return await self._ask(ids, token, share)

    async def _ask(self, ids: list[str], token: str, share: Share) -> Answer:
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
                good = status == HTTPStatus.OK
                body = await (read_body(response, share) if good else read_small_body(response))
        except TooLargeError as error:
            return Suspect(Invalid(str(error)), status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return self._no_answer(error)
        finally:
            if self.metrics is not None:
                self.metrics.genesys_request("details", status)
        if not good:
            return _failure(response, body, len(ids))
        try:
            results = await self._results(ids, body, asked_at(sent_at, response.headers.get("Date")), share)
        except TooLargeError as error:
            return Suspect(Invalid(str(error)), status)
        except ValueError as error:
            what = "for another interaction" if isinstance(error, _AnotherInteractionError) else "not the JSON expected"
            detail = f"Genesys Cloud's answer is {what}{correlation_id(response)}"
            log.warning("genesys_answer_unreadable", ids=len(ids), detail=detail)
            return Suspect(InteractionUnavailable(detail), status)
        return Answered(results)

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

    async def _results(
        self, ids: list[str], body: bytes, asked: datetime, share: Share
    ) -> dict[str, Details | AttemptError]:
        """Raises ValueError when the answer is malformed, TooLargeError when it would take too much memory."""
        read = mapper_for(self.template, standard=self.standard)
        results: dict[str, Details | AttemptError] = {}
        wanted = frozenset(ids)
        async for document, weight in self._documents(body, share):
            name = _name(document) if self.template is None else _checked(document, ids[0])
            if name in wanted and not isinstance(results.get(name), Details):
                slow = weight > _SLOW_WEIGHT
                found = await asyncio.to_thread(_read, read, document, asked) if slow else _read(read, document, asked)
                results[name] = self._keep(found, weight, share) if isinstance(found, Details) else found
        for missing in wanted - results.keys():
            results[missing] = NotReady("Genesys Cloud does not know the interaction yet")
        return results

    async def _documents(self, body: bytes, share: Share) -> AsyncIterator[tuple[Any, int]]:
        """Each document of an answer, with its weight where that matters."""
        small = len(body) <= WHOLE_BYTES
        if small and not self.documents:
            for document in conversations_of(body) if self.template is None else [parse(body)]:
                yield document, 0
            return
        text = body.decode()
        await share.reserve(text)
        if self.template is not None:
            yield parse(body) if small else parse_large(text), weigh(text, 0, len(text))
            return
        async for conversation in each_conversation(text):
            yield conversation

    def _keep(self, details: Details, weight: int, share: Share) -> Details:
        """The details with their document, for as long as they are needed, or without it when nobody needs it."""
        if not self.documents:
            return replace(details, document={})
        document = HeldDocument(details.document)
        share.hold(document, weight)
        return replace(details, document=document)


def _name(conversation: Any) -> str:
    """The id in a conversation; empty when it has none."""
    name = conversation.get("conversationId") if isinstance(conversation, dict) else None
    return name if isinstance(name, str) else ""


def _checked(document: Any, asked: str) -> str:
    """The id that was asked for alone. Raises _AnotherInteractionError when the answer names another one."""
    fields = document if isinstance(document, dict) else {}
    named = (fields[name] for name in _IDS if isinstance(fields.get(name), str | int))
    if any(str(name) != asked for name in named):
        raise _AnotherInteractionError
    return asked


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
