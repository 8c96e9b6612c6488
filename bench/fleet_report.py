"""docs/benchmarks/fleet.md, made from the figures in docs/benchmarks/fleet.json."""

from collections.abc import Callable, Sequence
from typing import Any

Figures = dict[str, Any]

_HEAD = """# The fleet and its request allowance

Made by `python -m bench.fleet` (about 45 minutes; single scenarios by name). Workers are processes of the service
(`python -m worker run`); the AWS emulator, the Genesys Cloud simulator and Redis are processes too, all on one machine
with two cores that others used as well. The simulator refuses the request after the 300th in any 60 s, counted exactly.
Read the counts and shares; the seconds are those of the emulator as much as ours.
"""


def report(figures: Figures) -> str:
    """The page, with a section for each scenario that there are figures of."""
    sections = [make(figures[name]) for name, make in _SECTIONS.items() if name in figures]
    return "\n".join([_HEAD, *sections])


def _policies(result: Figures) -> str:
    rows = [
        (
            name,
            f"{run['seconds']:g} s",
            f"{run['requests']:,}",
            f"{run['refused']:,}",
            f"{run['stored']:,}",
            f"{run['dead_lettered']:,}",
        )
        for name, run in (
            ("this service: 4 tasks, batches, shared allowance", result["paced"]),
            ("one by one, 3 attempts, 2 s doubled", result["recipe_3"]),
            ("one by one, 5 attempts, 2 s doubled", result["recipe_5"]),
        )
    ]
    return (
        "## 10,000 interactions within 50 s, 300 requests a minute, by two policies\n\n"
        "Only the requests to Genesys Cloud, without Step Functions, so that nothing else limits. The second policy\n"
        "is that of the Lambda recipe: every attempt is one request for one interaction, and who is refused waits\n"
        "2 s, then 4 s, 8 s …, until the attempts are used up.\n\n"
        + _table(("policy", "until all is decided", "requests", "refused (429)", "stored", "dead letters"), rows)
    )


def _backlog(result: Figures) -> str:
    rows = [
        (
            cache,
            f"{run['minutes']:g} min",
            f"{run['requests']:,}",
            run["refused"],
            run["most_in_60_s"],
            f"{100 * run['share_of_allowance']:.1f} %",
            run["logins"],
        )
        for cache, run in result.items()
    ]
    return "## A backlog one by one: 4 workers, template mode, 300 requests a minute\n\n" + _table(
        ("shared cache", "time", "requests", "refused", "most in any 60 s", "of the allowance", "logins"), rows
    )


def _burst(result: Figures) -> str:
    return (
        f"## 10,000 interactions that wait already: 4 workers, batches, {result['limit']} requests a minute\n\n"
        "The allowance is this small because the emulator would else be what limits.\n\n"
        + _table(
            ("requests", "mean batch", "refused", "most in any 60 s", "logins", "attempts", "dead letters", "time"),
            [
                (
                    result["requests"],
                    result["mean_batch"],
                    result["refused"],
                    result["most_in_60_s"],
                    result["logins"],
                    _attempts(result),
                    result["dead_lettered"],
                    f"{result['seconds']:g} s",
                )
            ],
        )
    )


def _idle(result: Figures) -> str:
    rows = [
        (name.replace("_", " "), result["median_ms"][name], result["p95_ms"][name]) for name in sorted(result["p95_ms"])
    ]
    return (
        f"## One interaction on an idle system ({result['samples_each']} each, in turn; allowance in Redis)\n\n"
        "From the call to the details, over HTTP to the simulator.\n\n"
        + _table(("endpoint", "median ms", "95 % within ms"), rows)
    )


def _disturbed(title: str, note: str, columns: Sequence[tuple[str, str]]) -> Callable[[Figures], str]:
    def make(result: Figures) -> str:
        row = [_attempts(result) if key == "attempts" else f"{result[key]:,}" for _, key in columns]
        return f"## {title}\n\n{note}\n\n" + _table([name for name, _ in columns], [row])

    return make


def _attempts(result: Figures) -> str:
    return ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(result["attempts"].items()))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


_SECTIONS: dict[str, Callable[[Figures], str]] = {
    "policies": _policies,
    "backlog": _backlog,
    "burst": _burst,
    "idle": _idle,
    "revoked": _disturbed(
        "All tokens revoked under load",
        "4 workers, 450 interactions one by one; the tokens end in the middle.",
        (("logins", "logins"), ("answers 401", "refused_401"), ("attempts", "attempts"), ("refused", "refused_429")),
    ),
    "pause": _disturbed(
        "A 429 with `Retry-After: 30`",
        "4 workers, 450 interactions one by one; in the middle the simulator answers every request with 429 for 30 s.\n"
        "The second column counts requests that came between 1 s after that began and its end.",
        (
            ("429s", "refused_429"),
            ("requests during the pause", "requests_during_pause"),
            ("heartbeats sent", "heartbeats"),
            ("attempts", "attempts"),
        ),
    ),
    "cache_away": _disturbed(
        "The shared cache is killed for 30 s and comes back empty",
        "4 workers, Redis, 450 interactions one by one. 300 requests a minute are 150 in 30 s.",
        (
            ("requests without the cache", "requests_without_cache"),
            ("most in any 60 s", "most_in_60_s"),
            ("refused", "refused_429"),
            ("warnings of the 4 workers", "warnings_cache_away"),
            ("logins", "logins"),
            ("attempts", "attempts"),
        ),
    ),
}
