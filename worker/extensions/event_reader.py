"""Which events are accepted: a function of the user's reads further shapes of `detail`, or refuses some."""

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from worker.events import DetailReader, EventFields, InvalidEventError, read_detail
from worker.extensions.loading import load_function, place_of

_LONGEST_EVENT_TYPE = 256

Reader = Callable[[Mapping[str, Any]], EventFields | None]
"""Gets the `detail` of an envelope. Returns what it says, or None to leave it to the shapes that are always accepted.

To refuse an event it raises InvalidEventError(reason, explanation): the untouched body goes to the dead-letter queue,
because nothing is dropped. Events that nobody wants are kept away by the EventBridge rule.
"""


def open_reader(name: str) -> DetailReader:
    """The built-in shapes, after the function that EVENT_READER names. Raises SettingsError."""
    read_own: Reader = load_function("EVENT_READER", name)

    def read(detail: Mapping[str, Any]) -> EventFields:
        try:
            fields = read_own(detail)
        except InvalidEventError:
            raise
        except Exception as error:
            raise InvalidEventError("event_reader_failed", f"EVENT_READER {name}: {place_of(error)}") from error
        return read_detail(detail) if fields is None else _checked(name, fields)

    return read


def _checked(name: str, fields: Any) -> EventFields:
    """`fields` in the form that the rest of the service relies on: UTC, whole milliseconds, labels of text."""
    if not isinstance(fields, EventFields) or not isinstance(fields.interaction_id, str):
        raise InvalidEventError("event_reader_failed", f"EVENT_READER {name}: returned no EventFields")
    moment, event_type = fields.time, fields.event_type
    if event_type is not None and not (isinstance(event_type, str) and 0 < len(event_type) <= _LONGEST_EVENT_TYPE):
        raise InvalidEventError("event_reader_failed", f"EVENT_READER {name}: event_type is not 1 to 256 characters")
    if moment is not None:
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return EventFields(fields.interaction_id, event_type, moment)
