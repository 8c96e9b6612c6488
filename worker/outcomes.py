"""What one attempt can end as: a value, so that it can be counted, logged and reported in one place each."""

from dataclasses import dataclass

from worker.errors import AttemptError


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The record is in the table, written now or kept because it is as new or newer."""

    written: bool

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
