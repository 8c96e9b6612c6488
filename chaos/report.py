"""The report of one run as Markdown."""

from collections import Counter
from collections.abc import Iterable, Sequence

from chaos.history import key
from chaos.run import HEARTBEAT_SECONDS, WORKERS, Result
from chaos.tables import table as _table

_STORIES = 5


def verdict(result: Result) -> str:
    """The run in one line."""
    account = result.account
    return (
        f"seed {result.seed}: {len(account.fates)} events in {len(result.sent)} messages, "
        f"{account.count('stored', 'superseded')} stored, {account.count('dead-lettered')} dead-lettered, "
        f"{account.count('LOST')} lost, {_double(result)} double effects: "
        f"{'all promises kept' if not result.wrong else f'{len(result.wrong)} PROMISES BROKEN'}"
    )


def markdown(result: Result) -> str:
    """Everything that a reader needs to believe it, or to find the fault."""
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
        f"Longest drain: {max(result.drain_seconds, default=0):.1f} s, of 15 s and 10 s to hand back.",
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
            ],
        ),
        "## Some histories",
        "Seconds since the start, who, what; those that took the longest way.",
        *_stories(result),
    ]
    return "\n\n".join(parts) + "\n"


def _setting(result: Result) -> str:
    return (
        f'`make chaos ARGS="--seed {result.seed}"` repeats the plan of faults; which event meets which fault depends '
        f"on the machine. {WORKERS} workers, SQS and Step Functions on LocalStack (HeartbeatSeconds "
        f"{HEARTBEAT_SECONDS}, retry intervals 1 to 2 s), DynamoDB on MiniStack, all their calls through the fault "
        f"proxy, Genesys Cloud by the simulator. Faults for {result.seconds:g} s; the last event was settled "
        f"{result.settle_seconds:.0f} s after them."
    )


def _double(result: Result) -> int:
    return sum(times > 1 for times in result.history.writes.values())


def _events(result: Result) -> list[tuple[str, object]]:
    account, history = result.account, result.history
    kinds = Counter(message.kind for message in {key(message.body): message for message in result.sent}.values())
    fields = Counter[str]()
    for line in result.log:
        if line["event"] == "intake_batch":
            fields.update({name: line[name] for name in ("started", "duplicate", "returned") if name in line})
    reports = [line for line in result.log if line["event"] == "attempt"]
    return [
        ("messages sent", len(result.sent)),
        ("events in them", len(account.fates)),
        *((f"… {kind}", number) for kind, number in sorted(kinds.items())),
        ("stored", account.count("stored")),
        ("processed, the item is of a newer event", account.count("superseded")),
        ("dead-lettered", account.count("dead-lettered")),
        ("lost", account.count("LOST")),
        ("events that changed the table twice", _double(result)),
        ("starts that found the execution there (duplicates suppressed)", fields["duplicate"]),
        (
            "writes refused, as the same or a newer event was stored",
            _told(history.stories.values(), "ConditionalCheck"),
        ),
        (
            "quarantined bodies that came twice, as the answer was lost",
            sum(n - 1 for n in account.found.letters.values()),
        ),
        ("messages given back unstarted", fields["returned"]),
        ("attempts", len(reports)),
        ("… handed back as Worker.Draining", sum(line["outcome"] == "Worker.Draining" for line in reports)),
        ("… abandoned, as Step Functions no longer waited", sum(line["outcome"] == "abandoned" for line in reports)),
        ("… whose report came too late", sum(line["report"] == "too_late" for line in reports)),
        ("… whose report was given up", sum(line["report"] == "given_up" for line in reports)),
    ]


def _told(stories: Iterable[Sequence[str]], what: str) -> int:
    return sum(what in line for story in stories for line in story)


def _stories(result: Result) -> list[str]:
    longest = sorted(result.account.fates, key=lambda event: -len(result.history.stories[event]))[:_STORIES]
    broken = [event for event, fate in result.account.fates.items() if fate == "LOST"]
    return [
        f"{event}: {result.account.fates[event]}\n\n```\n" + "\n".join(result.history.stories[event]) + "\n```"
        for event in [*broken, *longest]
    ]
