"""What is not CPU: latency, memory, cold start, and what SIGTERM in the middle of work leaves behind."""

import http.client
import statistics
import time
from typing import Any

from bench import catalog
from bench.catalog import Entry
from bench.measure_cpu import quartiles
from bench.rig import Stub, burst, free_port

_POLL_HOLD = 5.0
"""Seconds that the stub holds a poll where a drain is waited for; AWS holds it for up to 60."""


def latency(stub: Stub, *, seconds: float, rates: tuple[float, ...]) -> dict[str, Any]:
    """Milliseconds from an event published to its item stored, against a stub that answers at once."""
    result = {}
    for batched in (False, True):
        with catalog.service("service", batched=batched).on(stub.account()) as service:
            burst(service, 500)
            for rate in rates:
                service.account.latencies()
                done = service.account.counts()["succeeded"]
                count = int(rate * seconds)
                service.account.publish(count, rate=rate)
                service.wait_for("succeeded", done + count, seconds * 3 + 30)
                taken = sorted(service.account.latencies())
                name = f"{'batched' if batched else 'one request each'}, {rate:g} a second"
                result[name] = {
                    "p50_ms": round(statistics.median(taken) * 1000, 2),
                    "p99_ms": round(taken[int(len(taken) * 0.99)] * 1000, 2),
                    "max_ms": round(taken[-1] * 1000, 2),
                }
    return result


def memory(stub: Stub, *, slots: tuple[int, ...], count: int) -> dict[str, Any]:
    """Resident MiB idle with all polls open, and after `count` interactions."""
    result = {}
    for number in slots:
        with catalog.service("service", slots=number).on(stub.account()) as service:
            service.wait_for("polling", number)
            idle = service.memory()
            burst(service, count)
            result[str(number)] = {
                "idle": round(idle, 1),
                "worked": round(service.memory(), 1),
                "most": round(service.memory("VmHWM"), 1),
            }
    return result


def growth(stub: Stub, *, steps: int, count: int) -> list[tuple[int, float]]:
    """Interactions done and resident MiB, `steps` times."""
    points = []
    with catalog.service("service").on(stub.account()) as service:
        for step in range(steps):
            burst(service, count)
            points.append(((step + 1) * count, round(service.memory(), 1)))
    return points


def cold_start(stub: Stub, *, rounds: int) -> dict[str, float]:
    """Seconds from exec to the first 200 of /readyz."""
    taken = []
    for _ in range(rounds):
        port = free_port()
        with catalog.service("service", HTTP_PORT=str(port)).on(stub.account()) as service:
            while not _ready(port):
                if not service.running:
                    raise RuntimeError(service.errors())
                time.sleep(0.005)
            taken.append(time.perf_counter() - service.launched)
    return quartiles(taken)


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def sigterm(stub: Stub, *, rates: tuple[float, ...], seconds: float) -> dict[str, Any]:
    """SIGTERM in the middle of work that goes on coming: what each way of doing it leaves behind.

    At a low rate polls are open when the signal comes, at a high one more comes than the peers can do.
    """
    others, _ = catalog.peers()
    entries = [catalog.service("service"), *(other for other in others if other.name != "recipe, one loop")]
    return {f"{entry.name}, {rate:g}": _terminate(stub, entry, rate, seconds) for entry in entries for rate in rates}


def _terminate(stub: Stub, entry: Entry, rate: float, seconds: float) -> dict[str, Any]:
    account = stub.account(poll_hold=_POLL_HOLD, aws_delay=0.005, genesys_delay=0.2)
    with entry.on(account) as subject:
        account.publish(1, target=entry.target)
        subject.wait_for(entry.until, 1)
        account.publish(10_000, target=entry.target, rate=rate)
        time.sleep(seconds)
        at_signal = account.counts()
        status, took = subject.terminate()
        # What still comes may go to polls that were given up, for as long as AWS would hold them.
        time.sleep(_POLL_HOLD)
        account.ask("stop")
        counts = account.counts()
    return {
        "in_hand_at_signal": at_signal.get("handed_out", 0) - at_signal.get("answered", 0),
        "polls_cancelled": counts.get("polls_cancelled", 0),
        "never_answered": counts["never_answered"],
        "of_these_handed_to_a_cancelled_poll": counts.get("handed_to_cancelled_polls", 0),
        "handed_back": counts.get("Worker.Draining", 0),
        "messages_left_to_their_time_out": counts["received_not_deleted"],
        "exit_status": status,
        "seconds": round(took, 1),
        "most_in_hand": counts.get("most_in_hand", 0),
    }
