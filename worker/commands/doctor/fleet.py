"""What the fleet is told to do at the moment: a pause and an outage are states, and no fault of the setup."""

from datetime import UTC, datetime

from worker.clock import SystemClock
from worker.commands.doctor.checks import Finding, ok, skipped
from worker.errors import SharedCacheError
from worker.events import utc_text
from worker.fleet.gate_record import GateRecord, Pause
from worker.settings import Settings, SettingsError
from worker.wiring import open_gate

_NAME = "fleet"

_WORDS = {"genesys": "Genesys Cloud", "store": "the store"}


async def check_fleet(settings: Settings) -> list[Finding]:
    """Whether it is paused, or holds back because something does not answer; nothing without a shared cache."""
    if settings.shared_cache_url.startswith("memory:"):
        return []
    try:
        async with open_gate(settings) as document:
            record = (await document.read()).value
    except SettingsError:
        return []  # another row tells
    except SharedCacheError as error:
        return [skipped(_NAME, f"not checked: {error}")]
    return [ok(_NAME, "; ".join(_states(record, SystemClock().time())) or "neither paused nor held back by an outage")]


def _states(record: GateRecord, now: float) -> list[str]:
    found = [f"paused {_end(record.pause)}"] if record.pause and record.pause.remaining(now) > 0 else []
    for key, closure in record.closed.items():
        name = key.partition("#")[0]
        why = f"{_WORDS.get(name, name)} does not answer: {closure.error}, {closure.detail}"
        found.append(f"holds back since {_time(closure.since)}, because {why}")
    return found


def _end(pause: Pause) -> str:
    end = "until `resume`" if pause.seconds is None else f"until {_time(pause.since + pause.seconds)}"
    return f"since {_time(pause.since)}, {end}"


def _time(seconds: float) -> str:
    return utc_text(datetime.fromtimestamp(seconds, UTC))
