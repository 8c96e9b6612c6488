"""What the fleet knows of outages and of a pause: one small document in the shared cache, and the values in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from worker.fleet.document import finite

_DAY_SECONDS = 86_400.0

LONGEST_PAUSE_SECONDS = 366 * _DAY_SECONDS
"""How long the document is kept for a pause without an end. Whoever means longer can pause again."""

LONGEST_INTERVAL_SECONDS = 30.0


def probe_interval(probes: int) -> float:
    """Seconds until the next probe after so many failed ones in a row: 1, 2, 4, … 30."""
    return min(2.0 ** min(probes, 10), LONGEST_INTERVAL_SECONDS)


@dataclass(frozen=True, slots=True)
class Closure:
    """The fleet does not ask one dependency, because it does not answer."""

    error: str
    """The name of the error that its requests end with."""
    detail: str
    """What to look at; without ids, tokens and personal data."""
    since: float
    """When it was noticed (seconds since the epoch, by one worker's clock). For people: nothing is decided by it."""
    probes: int = 0
    """Probes that were begun. Who writes the next number sends the next probe; each one renews the closure."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Closure":
        """As document.Content."""
        return cls(
            error=str(fields["error"]),
            detail=str(fields["detail"]),
            since=finite(fields["since"]),
            probes=max(0, int(fields["probes"])),
        )

    def to_fields(self) -> dict[str, Any]:
        """As document.Content."""
        return {"error": self.error, "detail": self.detail, "since": round(self.since, 3), "probes": self.probes}


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator asked the fleet to stop asking Genesys Cloud."""

    since: float
    """Seconds since the epoch."""
    seconds: float | None = None
    """How long; None: until `resume`."""

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Pause":
        """As document.Content."""
        seconds = fields["seconds"]
        return cls(finite(fields["since"]), None if seconds is None else finite(seconds))

    def to_fields(self) -> dict[str, Any]:
        """As document.Content."""
        return {"since": round(self.since, 3), "seconds": self.seconds}

    def remaining(self, now: float) -> float:
        """Seconds that are left of it; 0 or less: it is over. A clock that is wrong cannot make it longer."""
        if self.seconds is None:
            return LONGEST_PAUSE_SECONDS
        return min(self.since + self.seconds - now, self.seconds)


@dataclass(frozen=True, slots=True)
class GateRecord:
    """Whether the fleet may ask. The keys of both maps name a dependency and the settings that reach it."""

    closed: Mapping[str, Closure] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Dependencies of which one worker has no answer, and which worker; another one that has an answer removes it."""
    pause: Pause | None = None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "GateRecord":
        """As document.Content."""
        pause = fields["pause"]
        return cls(
            closed={str(key): Closure.from_fields(closure) for key, closure in fields["closed"].items()},
            doubts={str(key): str(worker) for key, worker in fields["doubts"].items()},
            pause=None if pause is None else Pause.from_fields(pause),
        )

    def to_fields(self) -> dict[str, Any]:
        """As document.Content."""
        return {
            "closed": {key: closure.to_fields() for key, closure in self.closed.items()},
            "doubts": dict(self.doubts),
            "pause": None if self.pause is None else self.pause.to_fields(),
        }

    def keep_seconds(self, now: float) -> float:
        """How long the document is of use."""
        return _DAY_SECONDS + (self.pause.remaining(now) if self.pause else 0.0)

    def doubted(self, key: str, worker: str) -> "GateRecord":
        """`worker` has no answer of the dependency; the first one that says so is kept."""
        return replace(self, doubts={key: worker, **self.doubts})

    def cleared(self, key: str) -> "GateRecord":
        """Some worker has an answer, or the doubt has become a closure."""
        return replace(self, doubts={name: worker for name, worker in self.doubts.items() if name != key})

    def shut(self, key: str, closure: Closure) -> "GateRecord":
        """Nobody asks the dependency any more; a closure that is there already stays."""
        return replace(self.cleared(key), closed={key: closure, **self.closed})

    def opened(self, key: str) -> "GateRecord":
        """The dependency answers."""
        return replace(self, closed={name: closure for name, closure in self.closed.items() if name != key})

    def probing(self, key: str, probes: int) -> "GateRecord | None":
        """The next probe after `probes` is begun; None when another worker has begun it, or the closure is gone."""
        closure = self.closed.get(key)
        if closure is None or closure.probes != probes:
            return None
        return replace(self, closed={**self.closed, key: replace(closure, probes=probes + 1)})
