"""What RECORD=standard adds to an item: queues, agents, outcomes and times out of an analytics conversation.

Pure, and it never fails: what is missing, or is not as the API documents it, is left out of the record. An odd document
is worth a record with fewer attributes, not a failed attempt.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from worker.events import parse_time

Value = str | bool | int | Decimal | list[str]

_AGENTS = ("agent", "user")
"""Purposes of participants that are staff: `agent` when a queue chose them, `user` when they were called directly. Also
those who were alerted and did not answer: the API has them as participants like any other."""

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
"""Ids (UUIDs, `ININ-WRAP-UP-TIMEOUT`) and the API's enumerated words (`inbound`, `noAnswerTransfer`), and no more:
no blank, no `@` and no `+`, so that a name, an address or a number in an unexpected place does not get into an item."""

_MOST_IDS = 100
"""Of one kind. A real conversation has a few; DynamoDB bills by the kilobyte and refuses items over 400 KB, so that an
endless document costs a bounded item (4 lists of 100 ids are 30 KB at most) instead of a failed write."""

_LARGEST = 10 * 366 * 24 * 3600 * 1000
"""Ten years in milliseconds. No conversation lasts as long, so that a larger number is not one of its times."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_OPEN = datetime.max.replace(tzinfo=UTC)


def read_standard_record(document: Mapping[str, Any]) -> dict[str, Value]:
    """The attributes of an analytics conversation by their names in the item; times are seconds, exact to 1 ms.

    `abandoned` and `transfers` are always there, because a conversation without the metric was not abandoned and not
    transferred. Everything else is absent where the document does not have it.
    """
    participants = list(_objects(document.get("participants")))
    found = {
        "direction": _id(document.get("originatingDirection")),
        "queueIds": _distinct(segment.get("queueId") for segment in _segments(participants)),
        "agentIds": _distinct(agent.get("userId") for agent in _with_purpose(participants, *_AGENTS)),
        "wrapUpCodes": _distinct(segment.get("wrapUpCode") for segment in _segments(participants)),
        "divisionIds": _distinct(_list(document.get("divisionIds"))),
        "disconnectType": _disconnect_type(participants),
        **_measured(participants),
        "durationSeconds": _duration(document),
    }
    return {name: value for name, value in found.items() if value is not None and value != []}


def _measured(participants: list[Mapping[str, Any]]) -> dict[str, Value | None]:
    """What the metrics say. Those that begin with `t` are milliseconds, those with `n` counts."""
    sessions = list(_sessions(participants))
    agents = list(_sessions(_with_purpose(participants, *_AGENTS)))
    return {
        "abandoned": any(metric.get("name") == "tAbandon" for session in sessions for metric in _metrics(session)),
        "transfers": _total(_sum(session, "nTransferred") for session in sessions) or 0,
        "waitSeconds": _seconds(_total(_sum(session, "tAcd") for session in sessions)),
        "talkSeconds": _seconds(_total(_agent_sum(session, "tTalk") for session in agents)),
        "holdSeconds": _seconds(_total(_agent_sum(session, "tHeld") for session in agents)),
        "afterCallSeconds": _seconds(_total(_agent_sum(session, "tAcw") for session in agents)),
    }


def _agent_sum(session: Mapping[str, Any], name: str) -> int | None:
    """The session's sum of a metric or, without one, of its `…Complete` form.

    Decided for each session: the complete form is the total of the session's single ones, so that both together would
    count the same time twice, and one session of a conversation may have only the total, another only single ones.
    """
    amount = _sum(session, name)
    return _sum(session, f"{name}Complete") if amount is None else amount


def _sum(session: Mapping[str, Any], name: str) -> int | None:
    return _total(_amount(metric.get("value")) for metric in _metrics(session) if metric.get("name") == name)


def _total(amounts: Iterable[int | None]) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _amount(value: Any) -> int | None:
    """A count or a whole number of milliseconds; None for what is neither (also NaN, true and negative numbers)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        return None
    return round(value)


def _seconds(milliseconds: int | None) -> Decimal | None:
    """Decimal, because DynamoDB's numbers are decimal too: 12,345 ms are 12.345 and nothing beside it."""
    return None if milliseconds is None else Decimal(milliseconds) / 1000


def _duration(document: Mapping[str, Any]) -> Decimal | None:
    start, end = _time(document.get("conversationStart")), _time(document.get("conversationEnd"))
    if start is None or end is None:
        return None
    return _seconds(_amount((end - start) // timedelta(milliseconds=1)))


def _disconnect_type(participants: list[Mapping[str, Any]]) -> str | None:
    """How the customer's last segment ended; None while it goes on.

    Without a queue the other side's purpose is `external`. Third parties of a consultation or conference have that
    purpose too, so it counts only where nobody is the `customer`.
    """
    customers = _with_purpose(participants, "customer") or _with_purpose(participants, "external")
    segments = list(_segments(customers))
    if not segments:
        return None
    # max() keeps the first of several that are equally late; the last one in the document is meant.
    return _id(max(reversed(segments), key=_when).get("disconnectType"))


def _when(segment: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Orders segments by their end, those that go on last, then by their start."""
    return _time(segment.get("segmentEnd")) or _OPEN, _time(segment.get("segmentStart")) or _EARLIEST


def _with_purpose(participants: Iterable[Mapping[str, Any]], *purposes: str) -> list[Mapping[str, Any]]:
    return [participant for participant in participants if participant.get("purpose") in purposes]


def _sessions(participants: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for participant in participants:
        yield from _objects(participant.get("sessions"))


def _segments(participants: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for session in _sessions(participants):
        yield from _objects(session.get("segments"))


def _metrics(session: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return _objects(session.get("metrics"))


def _distinct(values: Iterable[Any]) -> list[str]:
    """The ids among `values`, each once, in order of appearance."""
    ids = (_id(value) for value in values)
    return list(dict.fromkeys(one for one in ids if one is not None))[:_MOST_IDS]


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and _ID.match(value) else None


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


def _objects(values: Any) -> Iterator[Mapping[str, Any]]:
    return (value for value in _list(values) if isinstance(value, dict))
