"""What can be made to go wrong, at the start and while it runs."""

import random
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

Fault = Literal["error", "slow", "cut_off", "revoke"]

_SHARES = ("error_share", "slow_share", "cut_off_share", "revoke_share")


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Shares are of API requests, 0 to 1, drawn from a seeded source; the rest are switches."""

    error_share: float = 0.0
    """Answered with 500, 502, 503 or 504."""
    slow_share: float = 0.0
    """Answered only after `slow_seconds`."""
    slow_seconds: float = 5.0
    cut_off_share: float = 0.0
    """The connection ends in the middle of the body."""
    revoke_share: float = 0.0
    """The request's token is revoked before it is looked at, so it and later ones get 401."""
    outage: bool = False
    """Every request, logins too, is answered with 503."""
    login_outage: bool = False
    """Every login is answered with 503."""
    missing_prefix: str = ""
    """Ids that start so do not exist; empty: any id exists."""
    poison_prefix: str = ""
    """A request that names an id that starts so is answered with 500; empty: none."""
    analytics_lag_seconds: float = 0.0
    """How long analytics takes to know what happened. The operational endpoint knows at once."""

    def changed(self, changes: dict[str, Any]) -> Self:
        """The plan with some fields changed. Raises ValueError for an unknown field or a wrong kind of value."""
        known = {field.name: field for field in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"{name}: no such fault; known are {', '.join(known)}")
            expected = type(getattr(self, name))
            if expected is float and isinstance(value, int) and not isinstance(value, bool):
                continue
            if not isinstance(value, expected):
                raise ValueError(f"{name}: must be a {expected.__name__}")  # noqa: TRY004 -- bad input, not a bug
        plan = replace(self, **changes)
        for name in _SHARES:
            if not 0 <= getattr(plan, name) <= 1:
                raise ValueError(f"{name}: must be from 0 to 1")
        return plan

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class FaultSource:
    """Draws the faults of one request after the other; the same seed and plan give the same run."""

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        self.plan = plan
        self._random = random.Random(seed)

    def draw(self) -> Fault | None:
        """At most one fault for a request."""
        point = self._random.random()
        shares: tuple[tuple[Fault, float], ...] = (
            ("error", self.plan.error_share),
            ("slow", self.plan.slow_share),
            ("cut_off", self.plan.cut_off_share),
            ("revoke", self.plan.revoke_share),
        )
        for fault, share in shares:
            if point < share:
                return fault
            point -= share
        return None

    def error_status(self) -> int:
        return self._random.choice((500, 502, 503, 504))
