"""The report of one run as Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from chaos.functions import DEADLINE_SECONDS
from chaos.history import key
from chaos.run import ANALYTICS_LAG_SECONDS, DELAY_SECONDS, HEARTBEAT_SECONDS, LOOK_SECONDS, RULES, WORKERS, Result
from chaos.tables import table as _table

_STORIES = 5
_ENDINGS = ("covered", "put_off", "duplicate", "returned")
"""What the log line of a received batch counts."""
_FATAL = frozenset({"cancellation_ignored", "loop_died", "fatal"})


def verdict(result: Result) -> str:
    """The run in one line."""
    account = result.account
    return (
        f"seed {result.seed}: {len(account.fates)} events in {len(result.traffic.messages)} messages, "
        f"{account.count('stored', 'covered', 'misdated')} covered by {len(account.found.items)} items, "
        f"{account.count('dead-lettered')} dead-lettered, {account.count('LOST')} lost, "
        f"{len(account.found.executions)} executions: "
        f"{'all promises kept' if not result.wrong else f'{len(result.wrong)} PROMISES BROKEN'}"
    )


def markdown(result: Result) -> str:
    """Everything that a reader needs to believe it, or to find the fault."""
    clocks = result.clock_errors.values()
    parts = [
        f"# Chaos run, seed {result.seed}",
        _setting(result),
        f"**{verdict(result)}**",
        "## Promises broken",
        "\n".join(f"- {sentence}" for sentence in result.wrong) or "None.",
        "## Events",
        _table(("what", "number"), _events(result)),
        "## Dead letters by reason",
        _table(("reason", "letters"), sorted(result.account.found.reasons.items())),
        "## Faults of AWS calls",
        _table(("operation", "fault", "times"), ((*what, times) for what, times in sorted(result.injected.items()))),
        "## Steps",
        _table(
            ("at s", "what", "for s"),
            ((step.at, step.action, step.seconds or "") for step in result.steps),
        ),
        "## Workers",
        _table(("end", "times"), sorted(result.ended.items())),
        f"Their clocks were off by {min(clocks):+.3f} to {max(clocks):+.3f} s.",
        f"Longest drain: {max(result.drain_seconds, default=0):.1f} s, of 15 s and 10 s to hand back.",
        "## Outages as the workers saw them",
        _table(("what", "log lines"), _outages(result)),
        "## Genesys Cloud",
        _table(
            ("what", "number"),
            [
                ("requests", result.genesys["requests_total"]),
                ("most in any minute, of 300 allowed", result.peak_requests),
                ("answers 429 (all on purpose)", result.genesys["rate_limited"]),
                (
                    "requests a second or more after a 429, before its Retry-After ended",
                    result.genesys["during_throttle"],
                ),
                ("answers 401", result.genesys["unauthorized"]),
                ("logins", result.genesys["logins"]),
                ("endless answers", result.endless_answers),
            ],
        ),
        "## Some histories",
        "Seconds since the start, who, what: events that started two executions, and those that took the longest way.",
        *_stories(result),
    ]
    return "\n\n".join(parts) + "\n"


def _setting(result: Result) -> str:
    return (
        f'`make chaos ARGS="--seed {result.seed}"` repeats the plan of faults; which event meets which fault depends '
        f"on the machine. {WORKERS} workers, SQS and Step Functions on LocalStack (HeartbeatSeconds "
        f"{HEARTBEAT_SECONDS}, retry intervals 1 to 2 s, {LOOK_SECONDS} s for a missing end), DynamoDB on MiniStack, "
        "all their calls through the fault proxy, Genesys Cloud by the simulator, whose details are "
        f"{ANALYTICS_LAG_SECONDS:g} s late. Users' functions may take {DEADLINE_SECONDS:g} s. "
        f"The queue holds events back for {DELAY_SECONDS} s, DETAILS_LAG_SECONDS is "
        f"{RULES.lag.total_seconds():g}, FINAL_WAIT_SECONDS {RULES.final_wait.total_seconds():g}. Faults for "
        f"{result.seconds:g} s; the last event was settled {result.settle_seconds:.0f} s after them."
    )


def _events(result: Result) -> list[tuple[str, object]]:
    account, history = result.account, result.history
    kinds = Counter({key(message.body): message.kind for message in result.traffic.messages}.values())
    intake = Counter[str]()
    for line in result.log:
        if line["event"] == "intake_batch":
            intake.update({name: line[name] for name in _ENDINGS if name in line})
    reports = [line for line in result.log if line["event"] == "attempt"]
    return [
        ("messages sent", len(result.traffic.messages)),
        ("events in them", len(account.fates)),
        *((f"… {kind}", number) for kind, number in sorted(kinds.items())),
        ("stored: the item names the event", account.count("stored")),
        ("covered: the item names another event, and its details are fresh enough", account.count("covered")),
        ("misdated: stored by or after a worker whose clock was hours ahead", account.count("misdated")),
        ("dead-lettered", account.count("dead-lettered")),
        ("lost", account.count("LOST")),
        ("executions", len(account.found.executions)),
        ("events that started none", len(account.fates) - len(set(history.executions.values()))),
        ("events that started two, as their message came again", len(history.started_twice())),
        ("receives that ended covered", intake["covered"]),
        ("receives put off, as another event's execution was to cover theirs", intake["put_off"]),
        ("starts that found the event's own execution there (duplicates suppressed)", intake["duplicate"]),
        *((f"writes of the table: {what}", times) for what, times in sorted(history.writes.items())),
        (
            "quarantined bodies that came twice, as the answer was lost",
            sum(n - 1 for n in account.found.letters.values()),
        ),
        ("messages given back unstarted", intake["returned"]),
        ("attempts", len(reports)),
        ("… that wait for an end (Interaction.Incomplete)", _outcomes(reports, "Interaction.Incomplete")),
        ("… handed back as Worker.Draining", _outcomes(reports, "Worker.Draining")),
        ("… abandoned, as Step Functions no longer waited", _outcomes(reports, "abandoned")),
        ("… whose report came too late", sum(line["report"] == "too_late" for line in reports)),
        ("… whose report was given up", sum(line["report"] == "given_up" for line in reports)),
    ]


def _outages(result: Result) -> list[tuple[str, object]]:
    kinds = ("outage_began", "outage_lasts", "outage_ended")
    told = Counter((line["dependency"], line["event"]) for line in result.log if line["event"] in kinds)
    hung = Counter(line["function"] for line in result.log if line["event"] == "function_hangs")
    return [
        *(
            (f"{dependency}: {event}", told[dependency, event])
            for dependency in ("genesys", "store")
            for event in kinds
        ),
        *((f"{function} hangs (once per worker)", times) for function, times in sorted(hung.items())),
        ("cancellation_ignored, loop_died, fatal", sum(line["event"] in _FATAL for line in result.log)),
        ("interactions of a worker whose clock was hours ahead", len(result.misled)),
    ]


def _outcomes(reports: Sequence[Mapping[str, Any]], outcome: str) -> int:
    return sum(line["outcome"] == outcome for line in reports)


def _stories(result: Result) -> list[str]:
    fates, history = result.account.fates, result.history
    longest = sorted(fates, key=lambda event: -len(history.stories[event]))[:_STORIES]
    broken = [event for event, fate in fates.items() if fate == "LOST"]
    told = dict.fromkeys([*broken, *history.started_twice()[:_STORIES], *longest])
    return [f"{event}: {fates[event]}\n\n```\n" + "\n".join(history.stories[event]) + "\n```" for event in told]
