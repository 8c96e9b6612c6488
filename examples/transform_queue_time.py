"""Adds to each item how long the customer waited in queues, and which queues those were.

Use: DETAILS_TRANSFORM=examples.transform_queue_time:queue_time

`document` is an analytics conversation, as the batched endpoint answers it.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def queue_time(document: Mapping[str, Any]) -> dict[str, Any]:
    """`queueSeconds` (float, the sum of all `tAcd` metrics) and `queueIds` (distinct, in order of appearance)."""
    sessions = list(_sessions(document))
    milliseconds = sum(
        metric["value"] for session in sessions for metric in session.get("metrics", ()) if metric.get("name") == "tAcd"
    )
    queues = dict.fromkeys(
        segment["queueId"] for session in sessions for segment in session.get("segments", ()) if "queueId" in segment
    )
    return {"queueSeconds": milliseconds / 1000, "queueIds": list(queues)}


def _sessions(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for participant in document.get("participants", ()):
        yield from participant.get("sessions", ())
