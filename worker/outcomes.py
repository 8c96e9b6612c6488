"""What one attempt can end as: a value, so that it can be counted, logged and reported in one place each."""

from dataclasses import dataclass

from worker.errors import AttemptError


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The table has details and event fields at least as new as this attempt's."""

    details: bool
    """Its details were the newer ones."""
    event: bool
    """Its event was the newest one known."""

    @property
    def written(self) -> bool:
        """Whether the attempt changed the table."""
        return self.details or self.event

    @property
    def changes(self) -> dict[str, bool]:
        """What the attempt changed in the table, for the execution's output and the log."""
        return {"written": self.written, "new_details": self.details, "new_event": self.event}

    @property
    def label(self) -> str:
        return "succeeded"


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt ended under an error name; the state machine decides about another one."""

    error: AttemptError

    @property
    def label(self) -> str:
        return self.error.name


@dataclass(frozen=True, slots=True)
class Abandoned:
    """Step Functions had given the task up before the attempt ended: there is nobody to report to."""

    reason: str

    @property
    def label(self) -> str:
        return "abandoned"


Outcome = Succeeded | Failed | Abandoned
