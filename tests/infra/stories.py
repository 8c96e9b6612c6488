"""What metrics tell of the alarms in some minutes, and at which of them an alarm has to go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from tests.infra.cloudwatch import Samples

Runs = Sequence[tuple[int, float | None]]
"""How many minutes, and the value of each."""


def samples(runs: Runs) -> Samples:
    """Minute by minute."""
    return [None if value is None else float(value) for minutes, value in runs for _ in range(minutes)]


@dataclass(frozen=True, slots=True)
class Story:
    """What the metrics of one alarm, by their ids, tell in some minutes."""

    alarm: str
    metrics: Mapping[str, Runs]
    fires_at: Sequence[int] = ()
    """In which minutes it may begin to be on, at the earliest; for each it has to, within `within` minutes."""
    within: int = 25
    until: int | None = None
    """The last minute to look at."""
    step: int = 1
    normal: int = 30
    """From when on it is looked at: before, there is no past."""
    what: str = field(default="", kw_only=True)


CLOSED = (3, 3, 2, 3)
"""Lines of a closed gate in four minutes."""


def lines(minutes: int) -> Runs:
    """What the log has of a gate that is closed for so long."""
    return [(1, CLOSED[minute % len(CLOSED)]) for minute in range(minutes)]


NONE: Runs = [(400, None)]

FIRES = [
    Story("oldest-event", {"age": [(60, 100), (60, 900)]}, (60,), what="events wait"),
    Story("waiting-for-a-slot", {"waited": [(60, 2000), (60, 400_000)]}, (60,), what="activity tasks wait"),
    *(
        Story("failed-executions", {metric: [(60, None), (1, 1), (60, None)]}, (60,), what=metric)
        for metric in ("failed", "timed_out", "aborted")
    ),
    Story("throttled-executions", {"throttled": [(60, None), (30, 5)]}, (60,), what="a quota is reached"),
    Story("broken-attempts", {"attempts": [(120, 100)], "broken": [(60, 1), (60, 50)]}, (60,), what="half fail"),
    Story("broken-attempts", {"attempts": [(120, 2)], "broken": [(60, None), (60, 2)]}, (60,), what="a quiet shop"),
    Story("crashes", {"crashes": [(60, None), *[(1, 1), (2, None)] * 15]}, (60,), what="tasks end again and again"),
    Story(
        "crashes",
        {"crashes": [(60, None), *[(1, 2), (3, None)] * 10], "held": [*lines(20), (90, None)]},
        (60,),
        what="an outage that is over is forgotten",
    ),
    *(
        Story(name, {"lines": [(60, None), *lines(60)]}, (60,), within=12, what="it does not answer")
        for name in ("genesys-down", "store-down")
    ),
    Story("silent-intake", {"received": [(60, 40), (60, 0)], "empty": [(60, 3), (60, 0)]}, (60,), what="told so"),
    Story("silent-intake", {"received": [(60, 40)], "empty": [(60, 3)]}, (60,), until=110, what="told nothing"),
    Story("no-running-tasks", {"tasks": [(60, 2)]}, (60,), until=90, what="none"),
    Story("too-few-tasks", {"tasks": [(60, 2), (40, 1)]}, (60,), within=25, what="one of two"),
    Story("too-few-tasks", {"tasks": [(60, 2)]}, (60,), until=100, what="none"),
    Story("failed-deployment", {"failed": [(60, None), (1, 1), (60, None)]}, (60,), what="once"),
    *(
        Story(
            "no-events",
            {"sent": [(600, 4), (6000, nothing)], "asked": [(6600, 6)]},
            (600,),
            within=75 * 60,
            step=30,
            normal=200,
            what=f"three days of {nothing}",
        )
        for nothing in (None, 0)
    ),
    *chain.from_iterable(
        (
            Story(queue, {"visible": [(60, 0), (60, 1)], "hidden": [(120, 0)]}, (60,), what="one"),
            Story(queue, {"visible": [(60, None), (60, 1)]}, (60,), what="the first one of all"),
            Story(
                f"new-{queue}",
                {"sent": [(60, None), (1, 1), (59, None), (1, 1), (59, None)]},
                (60, 120),
                what="one, and an hour later another one",
            ),
        )
        for queue in ("dead-letters", "undelivered-events")
    ),
    *(
        Story(f"undeliverable-{rule}", {metric: [(60, None), (1, 1), (60, None)]}, (60,), what=metric)
        for rule in ("custom", "partner", "unfinished", "broken", "deployment")
        for metric in ("failed", "lost")
    ),
]

QUIET = [
    Story("oldest-event", {"age": [(120, 160)]}, what="as usual"),
    Story(
        "oldest-event",
        {"age": [(60, 160), *[(1, 160 + 60 * minute) for minute in range(90)]], "held": [(60, None), *lines(90)]},
        what="the gate is closed",
    ),
    Story("oldest-event", {"age": NONE}, what="no event at all"),
    Story("waiting-for-a-slot", {"waited": [(120, 2000)]}, what="as usual"),
    Story(
        "waiting-for-a-slot",
        {"waited": [(60, 2000), (60, 400_000)], "held": [(60, None), *lines(60)]},
        what="the gate is closed",
    ),
    Story("failed-executions", {"failed": [(120, 0)], "aborted": [(120, 0)]}, what="none, and told so"),
    Story("failed-executions", {}, what="none, and told nothing"),
    Story("throttled-executions", {"throttled": [(60, None), (2, 5), (60, None)]}, what="a burst"),
    Story("broken-attempts", {"attempts": [(120, 100)], "broken": [(120, 5)]}, what="some, always"),
    Story("broken-attempts", {"attempts": [(120, 1)], "broken": [(60, None), (1, 1)]}, what="one bad id at night"),
    Story("broken-attempts", {}, what="nothing to do"),
    Story(
        "broken-attempts",
        {"attempts": [(120, 100)], "broken": [(60, 0), (60, 90)], "held": [(55, None), *lines(65)]},
        what="an outage",
    ),
    Story("crashes", {"crashes": [(60, None), (1, 1), (9, None), (1, 1), (60, None)]}, what="two"),
    Story("crashes", {"crashes": [(60, None), (60, 1)], "held": [(50, None), *lines(70)]}, what="an outage"),
    *(
        Story(name, {"lines": [(60, None), (2, 3), (60, None)]}, what="two minutes")
        for name in ("genesys-down", "store-down")
    ),
    Story("silent-intake", {"received": [(120, 0)], "empty": [(120, 3)]}, what="asks in vain"),
    Story("silent-intake", {"received": [(120, 300)], "empty": [(120, None)]}, what="never in vain"),
    Story(
        "silent-intake",
        {"received": [(60, 40), (60, 0)], "empty": [(60, 3), (60, 0)], "held": [(61, None), *lines(59)]},
        what="the gate is closed",
    ),
    Story("no-running-tasks", {"tasks": [(120, 1)]}, what="one"),
    Story("too-few-tasks", {"tasks": [(60, 2), (5, 1), (10, 3), (60, 2)]}, what="one is replaced"),
    Story("failed-deployment", {}, what="none"),
    Story(
        "no-events",
        {"sent": [(10, 1), (3000, None), (10, 1), (3000, None)], "asked": [(6600, 6)]},
        step=30,
        normal=100,
        what="closed for two days",
    ),
    Story("no-events", {}, step=30, until=6000, what="nobody asks: another alarm's matter"),
    *chain.from_iterable(
        (
            Story(queue, {"visible": [(120, 0)], "hidden": [(120, 0)]}, what="none"),
            Story(f"new-{queue}", {"sent": [(120, 0)]}, what="none, and told so"),
            Story(f"new-{queue}", {}, what="none, and told nothing"),
        )
        for queue in ("dead-letters", "undelivered-events")
    ),
    *(
        Story(f"undeliverable-{rule}", {}, what="all arrive")
        for rule in ("custom", "partner", "unfinished", "broken", "deployment")
    ),
]
