"""CPU per interaction and throughput, always as a ratio to the floor in the same run."""

import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from bench import catalog
from bench.catalog import Entry
from bench.rig import Burst, StalledError, Stub, Subject, burst

_LEVERS = {
    "constant user agent": ("--user-agent",),
    "no parameter validation": ("--no-validation",),
    "uvloop": ("--uvloop",),
    "all three": ("--user-agent", "--no-validation", "--uvloop"),
    "all three, batched": ("--user-agent", "--no-validation", "--uvloop", "--batched", "300"),
}


def quartiles(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles, to four digits."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4)}


def interleaved(stub: Stub, entries: Sequence[Entry], *, rounds: int, count: int) -> dict[str, list[Burst]]:
    """Bursts of every entry in turn, `rounds` times: what disturbs the machine disturbs all alike.

    A subject that stalls is left out, and said on stderr.
    """
    bursts: dict[str, list[Burst]] = {}
    with ExitStack() as stack:
        subjects: list[tuple[Entry, Subject]] = []
        for entry in entries:
            subject = stack.enter_context(entry.on(stub.account()))
            try:
                burst(subject, count, target=entry.target, until=entry.until)  # warms up
            except StalledError as error:
                sys.stderr.write(f"left out: {error}\n")
            else:
                subjects.append((entry, subject))
                bursts[entry.name] = []
        for number in range(rounds):
            # Back and forth, so that no one always follows the same one.
            for entry, subject in subjects if number % 2 else reversed(subjects):
                done = burst(subject, count, target=entry.target, until=entry.until)
                bursts[entry.name].append(done)
    return bursts


def compare(bursts: dict[str, list[Burst]], base: str) -> dict[str, Any]:
    """Each against `base`, burst by burst."""
    floor = bursts[base]
    return {
        name: {
            "cpu_ms": quartiles([each.cpu_ms for each in own]),
            "cpu_ratio": quartiles([each.cpu / under.cpu for each, under in zip(own, floor, strict=True)]),
            "per_second": quartiles([each.per_second for each in own]),
            "throughput_ratio": quartiles(
                [each.per_second / under.per_second for each, under in zip(own, floor, strict=True)]
            ),
        }
        for name, own in bursts.items()
    }


def against_floor(stub: Stub, *, rounds: int, count: int) -> dict[str, Any]:
    """The service with one request an interaction and batched, beside the floor.

    At 300 requests a minute batches carry at most 500 interactions a second, which a fast core can do more than; the
    last entry has a rate limit and slots that leave the core as the only limit.
    """
    entries = [
        catalog.floor("floor"),
        catalog.service("service, one request each"),
        catalog.service("service, batched", batched=True),
        catalog.service(
            "service, batched at 1,000 a minute", batched=True, slots=300, GENESYS_REQUESTS_PER_MINUTE="1000"
        ),
    ]
    return compare(interleaved(stub, entries, rounds=rounds, count=count), "floor")


def levers(stub: Stub, *, rounds: int, count: int) -> dict[str, Any]:
    """What each public client setting is worth to the bare loop."""
    entries = [catalog.floor("floor"), *(catalog.floor(name, *options) for name, options in _LEVERS.items())]
    return compare(interleaved(stub, entries, rounds=rounds, count=count), "floor")


def signer(stub: Stub, *, rounds: int, count: int) -> dict[str, Any]:
    """What the one-pass signer is worth: the service with it and with botocore's own."""
    own = catalog.service("service, one request each")
    plain = replace(catalog.service("service, botocore's signer"), command=catalog.subject("botocore_signer"))
    return compare(interleaved(stub, [catalog.floor("floor"), own, plain], rounds=rounds, count=count), "floor")


def lookup(stub: Stub, *, rounds: int, count: int) -> dict[str, Any]:
    """What the intake's lookup costs where it finds nothing: the service with it, against itself without."""
    own = catalog.service("service, one request each")
    without = replace(catalog.service("service, no lookup"), command=catalog.subject("no_lookup"))
    return compare(interleaved(stub, [own, without], rounds=rounds, count=count), without.name)


def peers(stub: Stub, *, rounds: int, count: int) -> dict[str, Any]:
    """What else one could pick, each against the floor of the half of the work that it does."""
    others, missing = catalog.peers()
    result: dict[str, Any] = {"missing": missing}
    for half in ("whole", "activity", "queue"):
        base = catalog.floor(f"floor, {half}", half=half)
        own = catalog.service(f"service, {half}", half=half)
        entries = [base, own, *(other for other in others if other.half == half)]
        result[half] = compare(interleaved(stub, entries, rounds=rounds, count=count), base.name)
    return result
