"""What can go wrong with one attempt, as the closed set of names that the state machine selects on.

The worker reports a name; whether and when there is another attempt, `deploy/state_machine.asl.json` alone decides.
"""

from typing import ClassVar


class AttemptError(Exception):
    """An attempt failed in a way that has a name.

    The message becomes the `Cause` in the execution's history and in a dead letter, so it says what to look at and
    never carries a payload, a token or personal data.
    """

    name: ClassVar[str] = "Worker.Unexpected"


class RateLimited(AttemptError):
    """The request allowance frees up later than an activity slot should wait. Nothing is wrong with the interaction."""

    name = "Genesys.RateLimited"


class Unauthorized(AttemptError):
    """Genesys Cloud refuses the credentials, the role or the address, which a fresh token does not cure."""

    name = "Genesys.Unauthorized"


class Unavailable(AttemptError):
    """Genesys Cloud itself does not answer, and the task could not be held until it does."""

    name = "Genesys.Unavailable"


class InteractionUnavailable(AttemptError):
    """The request for this interaction fails while others succeed: 5xx, 403, no answer, or one that is cut off."""

    name = "Interaction.Unavailable"


class NotReady(AttemptError):
    """Genesys Cloud does not know the interaction yet; analytics lags behind the event by a minute or more."""

    name = "Interaction.NotReady"


class NotFound(AttemptError):
    """Genesys Cloud still does not know the interaction after the time analytics can be late."""

    name = "Interaction.NotFound"


class Incomplete(AttemptError):
    """Stored, but the interaction should have ended and its details have no end yet. It is looked at again."""

    name = "Interaction.Incomplete"


class Invalid(AttemptError):
    """The task's input or the interaction's details can never be processed, however often one tries."""

    name = "Interaction.Invalid"


class StoreUnavailable(AttemptError):
    """DynamoDB did not confirm the write."""

    name = "Store.Unavailable"


class StoreThrottled(StoreUnavailable):
    """DynamoDB answers, and takes no more at the moment."""


class StoreRefused(StoreUnavailable):
    """DynamoDB or S3 refuses the write: for this item, or for every one when the table is not as it should be."""


class Draining(AttemptError):
    """The worker is shutting down and hands the task back for another one to take at once."""

    name = "Worker.Draining"


class Unexpected(AttemptError):
    """A fault in the worker itself: the log of the same attempt has the traceback."""

    name = "Worker.Unexpected"


ERROR_NAMES = frozenset(
    error.name
    for error in (
        RateLimited,
        Unauthorized,
        Unavailable,
        InteractionUnavailable,
        NotReady,
        NotFound,
        Incomplete,
        Invalid,
        StoreUnavailable,
        Draining,
        Unexpected,
    )
)


def is_error_name(text: str) -> bool:
    """Whether an execution can have failed under this name: one of the worker's, or one of Step Functions' own."""
    return text in ERROR_NAMES or text.startswith("States.")


class NotConfirmedError(Exception):
    """An AWS call was not confirmed: throttled, unanswered, or refused for a reason that is not the message's fault.

    `code` is the AWS error code, or the name of the exception where there was no answer.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RefusedError(Exception):
    """An AWS call is refused for what it carries, so the same call never succeeds. `code` is the AWS error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


TryLaterError = NotConfirmedError
"""The name of 0.1.0, for functions of users that import it."""


class TaskGoneError(Exception):
    """Step Functions no longer waits for the task: it timed out, was ended, or its execution was stopped."""


class SharedCacheError(Exception):
    """The shared cache did not answer; each task goes on alone, within a safe share."""
