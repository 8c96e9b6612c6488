"""Which events are accepted: a function of the user's reads further shapes of `detail`, or refuses some."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.errors import is_error_name
from worker.events import EventFields, InteractionEvent, InvalidEventError, parse_event, read_detail
from worker.extensions.loading import load_function, place_of, text_of
from worker.extensions.plain import copy_json, plain_text
from worker.extensions.threads import FunctionThreads

FAILED = "event_reader_failed"
TIMED_OUT = "event_reader_timed_out"

_LONGEST_EVENT_TYPE = 256

_REASON = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
"""What a reader may give as its reason: a code that SQS takes as an attribute."""

Reader = Callable[[Mapping[str, Any]], EventFields | None]
"""Gets the `detail` of an envelope. Returns what it says, or None to leave it to the shapes that are always accepted.

To refuse an event it raises InvalidEventError(reason, explanation): the untouched body goes to the dead-letter queue,
because nothing is dropped. Events that nobody wants are kept away by the EventBridge rule.
"""


@dataclass(frozen=True, slots=True)
class NamedReader:
    """A function and the name by which the setting knows it."""

    name: str
    function: Reader

    def parse(self, body: str, now: datetime) -> InteractionEvent | InvalidEventError:
        """As events.parse_event, with the function's shapes before the others. Raises nothing."""
        try:
            return parse_event(body, self._read, now=now)
        except InvalidEventError as error:
            return error
        except BaseException as error:  # noqa: BLE001 - the function may return anything
            return self._failed(place_of(error))

    def _read(self, detail: Mapping[str, Any]) -> EventFields:
        try:
            # A copy: a function that changes it changes nothing for the shapes that are always accepted.
            fields = self.function(copy_json(detail))
            own = None if fields is None else self._checked(fields)
        except InvalidEventError as error:
            raise self._refusal(error) from None
        except BaseException as error:  # noqa: BLE001 - the function may raise anything, SystemExit too
            raise self._failed(place_of(error)) from None
        return read_detail(detail) if own is None else own

    def _refusal(self, error: InvalidEventError) -> InvalidEventError:
        """What the function raised on purpose, unless its reason cannot be one."""
        try:
            reason = error.reason
            if isinstance(reason, str) and _REASON.match(reason):
                if is_error_name(reason):  # which would make the quarantined body look like a failed interaction
                    return self._failed("the reason it gives is an error name of an attempt")
                return InvalidEventError(plain_text(reason), text_of(error))
        except BaseException as another:  # noqa: BLE001 - a class of the function's own may raise here
            return self._failed(place_of(another))
        return self._failed("the reason it gives is not of [A-Za-z0-9_.-]{1,64}")

    def _checked(self, fields: Any) -> EventFields:
        """`fields` in the form that the rest of the service relies on: UTC, whole milliseconds, labels of text."""
        if not isinstance(fields, EventFields) or not isinstance(fields.interaction_id, str):
            raise self._failed("returned no EventFields")
        interaction_id, event_type, moment = fields.interaction_id, fields.event_type, fields.time
        if event_type is not None:
            if not isinstance(event_type, str) or not _is_label(plain_text(event_type)):
                raise self._failed("event_type is not 1 to 256 characters")
            event_type = plain_text(event_type)
        if moment is not None and not isinstance(moment, datetime):
            raise self._failed("time is not a datetime")
        return EventFields(plain_text(interaction_id), event_type, None if moment is None else _utc(moment))

    def _failed(self, detail: str) -> InvalidEventError:
        return InvalidEventError(FAILED, f"EVENT_READER {self.name}: {detail}")


def load_reader(name: str) -> NamedReader:
    """The function that EVENT_READER names. Raises SettingsError."""
    return NamedReader(name, load_function("EVENT_READER", name))


class EventReading:
    """An `events.EventParser` with a function of the user's, which runs beside the event loop."""

    def __init__(self, reader: NamedReader, threads: FunctionThreads) -> None:
        self._reader = reader
        self._threads = threads

    async def __call__(self, body: str, now: datetime) -> InteractionEvent:
        def parse(body: str) -> InteractionEvent | InvalidEventError:
            return self._reader.parse(body, now)

        name = f"EVENT_READER {self._reader.name}"
        try:
            event = await self._threads.call(name, parse, body)
        except TimeoutError as error:
            raise InvalidEventError(TIMED_OUT, f"{name}: {error}") from None
        if isinstance(event, InvalidEventError):
            raise event
        return event


def _is_label(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return 0 < len(text) <= _LONGEST_EVENT_TYPE


def _utc(moment: datetime) -> datetime:
    """In UTC, cut to whole milliseconds, and a plain datetime whatever class it was of."""
    try:
        at = datetime.astimezone(moment, UTC) if moment.tzinfo else moment
    except OverflowError:
        raise InvalidEventError("invalid_time", "the time lies outside the years 1 to 9999") from None
    milliseconds = at.microsecond // 1000 * 1000
    return datetime(at.year, at.month, at.day, at.hour, at.minute, at.second, milliseconds, UTC)
