"""What the service is put through in virtual time: with few interactions by the tests, with 10,000 by `make chaos`."""

from collections.abc import Callable, Coroutine
from typing import Any

from structlog.testing import capture_logs

from tests.support.virtual_fleet import most_in_a_period
from tests.support.virtual_service import Service
from tests.support.virtual_time import run_virtually
from worker.errors import InteractionUnavailable
from worker.genesys.answer import Suspect

SERVER_ERROR = Suspect(InteractionUnavailable("503"), 503)
RESET = Suspect(InteractionUnavailable("reset"), None)
FORBIDDEN = Suspect(InteractionUnavailable("403"), 403)
MINUTE = 60.0

Fault = Callable[[Service], None]


def virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` in virtual time, without its many log lines."""
    with capture_logs():
        run_virtually(main())


async def usual_transitions(interactions: int, *, size: int = 1, slots: int = 100) -> int:
    """Of so many interactions without an outage."""
    service = Service(size=size, slots=slots)
    service.start(interactions)
    await service.until_done()
    await service.stop()
    return service.machine.transitions


async def outage_of_forty_minutes(interactions: int, *, rollout: bool, slots: int = 100) -> None:
    """503, then resets, then the return; in its middle all workers are replaced if it is a `rollout`."""
    service = Service(slots=slots)
    service.start(interactions)
    await service.clock.sleep(MINUTE / 2)
    began = service.clock.monotonic()
    service.genesys.answer = lambda _: SERVER_ERROR
    await service.clock.sleep(20 * MINUTE)
    service.genesys.answer = lambda _: RESET
    if rollout:
        assert max(await service.replace_workers()) < 10, "held work is handed back at once"
    await service.clock.sleep(20 * MINUTE)
    service.genesys.answer = lambda _: None
    ended = service.clock.monotonic()
    await service.until_done()
    done = service.clock.monotonic()
    await service.stop()
    assert service.machine.ends == {"stored": interactions}
    assert service.genesys.throttled == 0
    assert service.genesys.probes_per_minute(began + MINUTE, ended) <= 3
    assert most_in_a_period(service.genesys.arrivals) <= service.limit
    arrivals = [moment for moment in service.genesys.arrivals if ended + MINUTE < moment < done - MINUTE]
    assert len(arrivals) >= 0.9 * service.limit * (done - ended - 2 * MINUTE) / MINUTE
    assert service.machine.transitions - await usual_transitions(interactions, slots=slots) <= 0.1 * interactions


async def fault_until_cured(
    interactions: int, begin: Fault, cure: Fault, *, workers: int = 4, minutes: float = 40
) -> Service:
    """A fault of the deployment: nothing ends as a dead letter, and hardly a transition is paid for it."""
    service = Service(size=100, workers=workers, slots=25)
    service.start(interactions)
    await service.clock.sleep(1)
    begin(service)
    await service.clock.sleep(minutes * MINUTE)
    assert all(worker.gate.closed for worker in service.workers)
    cure(service)
    await service.until_done()
    await service.stop()
    assert service.machine.ends == {"stored": interactions}
    assert service.machine.transitions - await usual_transitions(interactions, size=100, slots=25) <= 0.1 * interactions
    return service
