"""Throughput and CPU against slots and against workers, with calls that take as long as real ones do."""

from contextlib import ExitStack

from bench import catalog
from bench.rig import Stub, burst

AWS_SECONDS = 0.01
GENESYS_SECONDS = 0.1
"""Typical times of an answer within a region, and of Genesys Cloud: they decide how many slots keep a core busy."""

SLOT_SECONDS = 3 * AWS_SECONDS + GENESYS_SECONDS
"""How long one interaction holds a slot: poll, details, put, success."""


def slots(stub: Stub, *, numbers: tuple[int, ...], seconds: float) -> list[dict[str, float]]:
    """One worker with more and more slots; what its slots could do at most, beside what it did."""
    rows = []
    for number in numbers:
        account = stub.account(aws_delay=AWS_SECONDS, genesys_delay=GENESYS_SECONDS)
        ceiling = number / SLOT_SECONDS
        with catalog.service("service", slots=number, INTAKE_CONCURRENCY="20").on(account) as service:
            burst(service, 2 * number if number > 1 else 5)
            done = burst(service, max(10, int(min(ceiling, 400) * seconds)))
            rows.append(
                {
                    "slots": number,
                    "slots_allow": round(ceiling, 1),
                    "per_second": round(done.per_second, 1),
                    "cpu_ms": round(done.cpu_ms, 3),
                    "memory": round(service.memory(), 1),
                }
            )
    return rows


def workers(stub: Stub, *, numbers: tuple[int, ...], count: int) -> list[dict[str, float]]:
    """Several workers on one queue; they share the one core that a subject has here."""
    rows = []
    for number in numbers:
        account = stub.account(aws_delay=AWS_SECONDS, genesys_delay=GENESYS_SECONDS)
        with ExitStack() as stack:
            fleet = [stack.enter_context(catalog.service(f"worker {n}").on(account)) for n in range(number)]
            burst(fleet[0], 100 * number)
            before = [worker.cpu_seconds() for worker in fleet]
            done = burst(fleet[0], count)
            spent = sum(worker.cpu_seconds() for worker in fleet) - sum(before)
        rows.append(
            {
                "workers": number,
                "per_second": round(done.per_second, 1),
                "cpu_ms": round(spent / count * 1000, 3),
            }
        )
    return rows
