"""What the simulator saw, for tests, the demo and whoever looks at `/_simulator/stats`."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Stats:
    """Counts since the start or the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    """API requests by operation: batch, analytics, conversation, plain, other."""
    statuses: Counter[int] = field(default_factory=Counter)
    """API answers by HTTP status; a body that was cut off counts under 0."""
    logins: int = 0
    logins_refused: int = 0
    during_throttle: int = 0
    """Requests that came more than a second after everyone had been told to stay away, and before the end of that."""
    batch_sizes: Counter[int] = field(default_factory=Counter)
    """Batched requests that passed the rate limit, by the number of ids in them."""
    ids_answered: int = 0
    asked: dict[str, list[datetime]] = field(default_factory=dict)
    """When each id was asked for, in requests that passed the rate limit; twice in one request is once."""

    @property
    def ids_asked(self) -> int:
        """How many ids were asked for over all requests: what the details cost of the allowance."""
        return sum(len(times) for times in self.asked.values())

    def as_dict(self) -> dict[str, Any]:
        batches, ids = self.batch_sizes.total(), sum(size * count for size, count in self.batch_sizes.items())
        return {
            "requests": dict(self.requests),
            "requests_total": self.requests.total(),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "rate_limited": self.statuses[429],
            "unauthorized": self.statuses[401],
            "logins": self.logins,
            "logins_refused": self.logins_refused,
            "during_throttle": self.during_throttle,
            "ids_asked": self.ids_asked,
            "ids_answered": self.ids_answered,
            "interactions_asked": len(self.asked),
            "batches": {
                "requests": batches,
                "ids": ids,
                "mean": round(ids / batches, 2) if batches else 0.0,
                "largest": max(self.batch_sizes, default=0),
            },
        }
