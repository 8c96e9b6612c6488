"""The state machine file with other numbers, for emulators that do not shorten waits themselves.

Only how long is waited changes. What is retried, how often, and where it ends stays as it is in the file.
"""

import json


def shortened(
    definition: str,
    *,
    heartbeat_seconds: int,
    interval_seconds: int = 1,
    longest_seconds: int = 2,
    look_seconds: int | None = None,
) -> str:
    """`definition` with a heartbeat time-out of `heartbeat_seconds`, waits and retries from `interval_seconds` on.

    `look_seconds` is the first wait for a missing end, which is doubled each time as in the file; None: as the others.
    """
    document = json.loads(definition)
    for state in document["States"].values():
        if "HeartbeatSeconds" in state:
            state["HeartbeatSeconds"] = heartbeat_seconds
        if state["Type"] == "Wait":
            state["Seconds"] = min(interval_seconds, state["Seconds"])
        for retrier in state.get("Retry", ()):
            if look_seconds and "Interaction.Incomplete" in retrier["ErrorEquals"]:
                retrier["IntervalSeconds"] = look_seconds
            elif "IntervalSeconds" in retrier:
                retrier["IntervalSeconds"] = min(interval_seconds, retrier["IntervalSeconds"])
                retrier["MaxDelaySeconds"] = min(longest_seconds, retrier["MaxDelaySeconds"])
    return json.dumps(document)
