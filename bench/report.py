"""docs/benchmarks/README.md and its plots, made from the figures alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import charts, measure_scale
from bench.report_text import HEAD, NOTES, TARGETS

Figures = dict[str, Any]


def write(kept: Figures, directory: Path) -> None:
    """README.md and the SVGs in `directory`, from the sections that there are."""
    parts = [HEAD.format(**kept["machine"])]
    for name, section in _SECTIONS.items():
        if name in kept:
            text = section(kept[name]["figures"], directory)
            others = kept[name]["cores_busy_with_other_work"]
            noted = f"`make bench ARGS={name}`; other work kept {others:.2f} of the machine's cores busy meanwhile."
            parts += [text.rstrip(), "", noted, ""]
    parts += [TARGETS_TITLE, _targets(kept), NOTES]
    (directory / "README.md").write_text("\n".join(parts))


TARGETS_TITLE = "## What was aimed at, and what came out\n"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines) + "\n"


def _spread(value: dict[str, float], digits: int = 2) -> str:
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def _bars(figures: Figures) -> list[charts.Bar]:
    return [
        charts.Bar(name, ratio["median"], ratio["low"], ratio["high"], name.startswith("service"))
        for name, ratio in ((name, row["cpu_ratio"]) for name, row in figures.items())
    ]


def _comparison(figures: Figures) -> str:
    head = ("", "CPU, of the floor", "CPU ms", "throughput, of the floor", "a second")
    return _table(
        head,
        [
            (
                name,
                _spread(row["cpu_ratio"]),
                _spread(row["cpu_ms"]),
                _spread(row["throughput_ratio"]),
                _spread(row["per_second"], 0),
            )
            for name, row in figures.items()
        ],
    )


def _floor(figures: Figures, directory: Path) -> str:
    (directory / "cpu.svg").write_text(charts.bars("CPU per interaction, floor = 1", _bars(figures)))
    return "## Against the floor\n\n![CPU per interaction](cpu.svg)\n\n" + _comparison(figures)


def _levers(figures: Figures, directory: Path) -> str:
    (directory / "settings.svg").write_text(charts.bars("The bare loop with other settings", _bars(figures)))
    text = "What the SDK's public settings are worth to the same bare loop, one by one.\n\n"
    return "## Client settings\n\n" + text + "![Client settings](settings.svg)\n\n" + _comparison(figures)


def _lookup(figures: Figures, _: Path) -> str:
    text = "Full receives and only new events: finding out what is covered costs one call per ten (ADR 0033).\n\n"
    return "## The lookup of covered events\n\n" + text + _comparison(figures)


def _signer(figures: Figures, _: Path) -> str:
    text = "What the one exception is worth: the service with its own signer and with botocore's (ADR 0031).\n\n"
    return "## The signer\n\n" + text + _comparison(figures)


def _peers(figures: Figures, directory: Path) -> str:
    text = "## What else one could pick\n\nEach against the floor of the half of the work that it does.\n\n"
    rows = []
    for half in ("whole", "activity", "queue"):
        rows += _bars({name: row for name, row in figures[half].items() if not name.startswith("floor")})
        text += f"{half} of it:\n\n{_comparison(figures[half])}\n" if half == "whole" else ""
        text += f"the {half} half:\n\n{_comparison(figures[half])}\n" if half != "whole" else ""
    (directory / "peers.svg").write_text(charts.bars("CPU, of the floor of the same work", rows))
    text += "![Peers](peers.svg)\n"
    for name, reason in figures["missing"].items():
        text += f"\nNot measured: {name}, because {reason}.\n"
    return text


def _latency(figures: Figures, _: Path) -> str:
    rows = [(name, row["p50_ms"], row["p99_ms"], row["max_ms"]) for name, row in figures.items()]
    text = "From an event in the queue to its item stored, against a stub that answers at once, in milliseconds.\n\n"
    return "## Latency\n\n" + text + _table(("load", "p50", "p99", "most"), rows)


def _memory(figures: Figures, _: Path) -> str:
    rows = [(slots, row["idle"], row["worked"], row["most"]) for slots, row in figures.items()]
    return "## Memory\n\nResident, MiB.\n\n" + _table(("slots", "all polls open", "after work", "most"), rows)


def _growth(figures: list[tuple[int, float]], directory: Path) -> str:
    line = charts.Line("resident MiB, 100 slots", [(done, mib) for done, mib in figures])
    (directory / "memory.svg").write_text(charts.lines("Memory while working", "interactions", [line]))
    first, last = figures[0], figures[-1]
    text = f"{first[1]:g} MiB after {first[0]:,} interactions, {last[1]:g} MiB after {last[0]:,}.\n\n"
    return "## Memory over time\n\n" + text + "![Memory](memory.svg)\n"


def _start(figures: Figures, _: Path) -> str:
    return f"## Cold start\n\nFrom exec to the first 200 of `/readyz`: {_spread(figures)} s.\n"


def _sigterm(figures: Figures, _: Path) -> str:
    head = (
        "subject, events a second",
        "in hand at the signal",
        "polls cancelled",
        "tasks never answered",
        "handed back",
        "messages left to time out",
        "exit status",
        "seconds",
        "most tasks in hand",
    )
    hidden = "of_these_handed_to_a_cancelled_poll"
    rows = [(name, *(value for key, value in row.items() if key != hidden)) for name, row in figures.items()]
    text = "SIGTERM while so many tasks or messages a second go on coming; polls are held for 5 s here.\n\n"
    return "## SIGTERM in the middle of work\n\n" + text + _table(head, rows)


def _slots(figures: list[dict[str, float]], directory: Path) -> str:
    done = charts.Line("measured", [(row["slots"], row["per_second"]) for row in figures])
    most = max(row["per_second"] for row in figures)
    allowed = [(row["slots"], min(row["slots_allow"], most * 1.15)) for row in figures]
    series = [done, charts.Line("what the slots allow, cut off", allowed, dashed=True)]
    (directory / "slots.svg").write_text(charts.lines("Interactions a second by slots", "slots", series, log_x=True))
    knee = most * measure_scale.SLOT_SECONDS
    head = ("slots", "a second", "slots allow", "CPU ms each", "MiB")
    rows = [
        (row["slots"], row["per_second"], row["slots_allow"], f"{row['cpu_ms']:.2f}", row["memory"]) for row in figures
    ]
    text = (
        f"AWS calls take {measure_scale.AWS_SECONDS * 1000:g} ms here and Genesys Cloud "
        f"{measure_scale.GENESYS_SECONDS * 1000:g} ms, so an interaction holds a slot for "
        f"{measure_scale.SLOT_SECONDS * 1000:g} ms. Below the knee the slots limit, above it the core does: it lies "
        f"at about {knee:.0f} slots, the {most:.0f} interactions a second of a full core times that time. Slots beyond "
        "the knee cost memory and bring nothing while Genesys Cloud answers as fast as this; they are what carries a "
        "slower day. Far below the knee an interaction costs more CPU, because hardly two answers share a turn of the "
        "loop.\n\n"
    )
    return "## Slots\n\n" + text + "![Slots](slots.svg)\n\n" + _table(head, rows)


def _workers(figures: list[dict[str, float]], _: Path) -> str:
    rows = [(row["workers"], row["per_second"], f"{row['cpu_ms']:.2f}") for row in figures]
    text = (
        "Several workers on one queue, all on the one core that is not the stub's: this shows what sharing costs, not "
        "how throughput grows with cores, for which the machine has too few. Workers have nothing to agree on but the "
        "allowance; what an interaction costs more is the core's caches, and fewer answers in each turn of a loop.\n\n"
    )
    return "## Workers\n\n" + text + _table(("workers", "a second together", "CPU ms each"), rows)


_SECTIONS: dict[str, Callable[[Any, Path], str]] = {
    "floor": _floor,
    "levers": _levers,
    "signer": _signer,
    "lookup": _lookup,
    "peers": _peers,
    "latency": _latency,
    "memory": _memory,
    "growth": _growth,
    "start": _start,
    "sigterm": _sigterm,
    "slots": _slots,
    "workers": _workers,
}


def _targets(kept: Figures) -> str:
    rows = []
    for needs, target in TARGETS:
        if needs in kept:
            what, bound, found, ok = target(kept[needs]["figures"])
            rows.append((what, bound, found, "reached" if ok else "missed"))
    return _table(("", "aim", "measured", ""), rows)
