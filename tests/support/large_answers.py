"""Large answers of the batched details endpoint, those among them that grow most when they are parsed."""

import json

SEGMENT = {
    "segmentStart": "2026-01-02T03:04:05.678Z",
    "segmentEnd": "2026-01-02T03:04:15.678Z",
    "queueId": "3c5b1f7e-5b1f-4b1f-8b1f-3c5b1f7e5b1f",
    "segmentType": "interact",
    "conference": False,
}


PARTICIPANT = json.dumps({"purpose": "agent", "sessions": [{"mediaType": "voice", "segments": [SEGMENT] * 4}]})


def filled(unit: str, size: float) -> bytes:
    """The answer with one conversation of so many bytes, whose participants are such units."""
    units = ",".join([unit] * int(size / (len(unit) + 1)))
    times = '"conversationStart":"2026-01-02T03:04:05.678Z","conversationEnd":"2026-01-02T03:05:05.678Z"'
    return f'{{"conversations":[{{"conversationId":"ID",{times},"participants":[{units}]}}]}}'.encode()


LISTS = "[" * 150 + "]" * 150

ANSWERS = {
    "large": filled(PARTICIPANT, 7 * 2**20),
    "objects": filled("{}", 7.9 * 2**20),
    "lists": filled(LISTS, 7.9 * 2**20),
    "few_objects": filled("{}", 1.25 * 2**20),
    "few_lists": filled(LISTS, 1.55 * 2**20),
}
"""The answer with one conversation, whose id is ID. The few are just small enough to be parsed."""
