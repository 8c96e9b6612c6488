"""What one message of the dead-letter queue is: a failed interaction, a quarantined event, or somebody else's."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from worker.errors import is_error_name
from worker.events import INTERACTION_ID, InteractionEvent, InvalidEventError, execution_name, parse_event

if TYPE_CHECKING:
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

Origin = Literal["interaction", "event", "foreign"]

UNKNOWN = "-"

STATUS_CHANGE = "Step Functions Execution Status Change"
"""detail-type under which EventBridge reports executions that ended without a letter of their own: TIMED_OUT, ABORTED,
or FAILED by an error that no Catch sees."""

_STATUS_CHANGE_SOURCE = "aws.states"
"""source of the same; nobody but AWS can give EventBridge an event whose source begins with `aws.`"""

_EXECUTION_ARN = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:execution:[^:]+:[^:]+\Z")

_NO_ROOM_FOR_REASON = 262_144 - 256
"""From this many bytes on a quarantined body can have come without `reason`: it may have filled the whole message."""

_RUN_FACTS = frozenset({"error", "executionArn"})
"""What the state machine adds to the execution's input when it writes a dead letter."""


@dataclass(frozen=True, slots=True)
class FailedInteraction:
    """An execution that ended without a stored item."""

    execution_arn: str
    input: dict[str, Any]
    """The execution's input, without what the dead letter adds."""
    cause: str

    @property
    def redrive_name(self) -> str:
        """Name of the execution that tries again.

        One failed execution has one successor, so that a redrive that is killed and repeated starts nothing twice.
        """
        return execution_name(self.input["interactionId"], self.execution_arn)

    def event(self, now: datetime) -> InteractionEvent:
        """The event in the input, checked as the intake checks one at `now`. Raises events.InvalidEventError."""
        return parse_event(json.dumps({"id": self.input.get("eventId"), "detail": self.input}), now=now)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. It has the body, which may hold personal data: only `dlq show` prints it."""

    message_id: str
    receipt: str
    sent: datetime
    receives: int
    origin: Origin
    error: str
    """Error name of a failed interaction, reason of a quarantined event."""
    interaction_id: str
    """`-` where none can be read."""
    body: str
    attributes: Mapping[str, str]
    failure: FailedInteraction | None = None

    def names(self, wanted: str) -> bool:
        """Whether `wanted` is this letter's interaction id or message id."""
        return wanted in {self.interaction_id, self.message_id}


def read_letter(message: "MessageTypeDef") -> Letter:
    """The letter in a received message; never fails, whatever the body is."""
    body = message.get("Body", "")
    system = message.get("Attributes", {})
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    document = _json_object(body)
    origin, error, interaction_id, failure = _classify(body, document, attributes, system)
    return Letter(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        sent=datetime.fromtimestamp(int(system.get("SentTimestamp", "0")) / 1000, UTC),
        receives=int(system.get("ApproximateReceiveCount", "0")),
        origin=origin,
        error=error,
        interaction_id=interaction_id,
        body=body,
        attributes=attributes,
        failure=failure,
    )


def _classify(
    body: str, document: dict[str, Any] | None, attributes: Mapping[str, str], system: Mapping[Any, str]
) -> tuple[Origin, str, str, FailedInteraction | None]:
    """Origin, error, interaction id, and the failed interaction where it is one.

    Whoever may send to the event queue decides what a quarantined body looks like, so only what the body's sender has
    no hand in makes a failed interaction: the reason, which the intake and the state machine write, and how it came.
    """
    reason = attributes.get("reason", "")
    moved = "DeadLetterQueueSourceArn" in system  # by SQS, with the attributes that its sender gave it
    without_room = len(body.encode()) >= _NO_ROOM_FOR_REASON
    found = None if document is None or moved else _failed_interaction(document, reason, without_room)
    if found is not None:
        error, failure = found
        return "interaction", error, failure.input["interactionId"], failure
    if moved:
        error = "SQS.MaxReceives"
    elif reason:
        error = reason
    elif code := attributes.get("ERROR_CODE"):
        # What EventBridge could not deliver to the event queue, in the dead-letter queue of the rule's target.
        error = f"EventBridge.{code}"
    elif without_room or (document is not None and {"id", "detail"} <= document.keys()):
        error = UNKNOWN
    else:
        return "foreign", UNKNOWN, UNKNOWN, None
    return "event", error, _interaction_id(body), None


def _failed_interaction(
    document: dict[str, Any], reason: str, without_room: bool
) -> tuple[str, FailedInteraction] | None:
    if reason:
        return _state_machine_letter(document) if is_error_name(reason) else None
    return None if without_room else _status_change(document)


def _state_machine_letter(document: dict[str, Any]) -> tuple[str, FailedInteraction] | None:
    """The letter that the state machine's Catch writes."""
    error = document.get("error")
    if not isinstance(error, dict):
        return None
    original = {name: value for name, value in document.items() if name not in _RUN_FACTS}
    failure = _failure(document.get("executionArn"), original, str(error.get("Cause", "")))
    return (str(error.get("Error", UNKNOWN)), failure) if failure else None


def _status_change(document: dict[str, Any]) -> tuple[str, FailedInteraction] | None:
    """An execution that ended without a word of the state machine, as EventBridge reports it."""
    detail = document.get("detail")
    if (document.get("source"), document.get("detail-type")) != (_STATUS_CHANGE_SOURCE, STATUS_CHANGE):
        return None
    if not isinstance(detail, dict):
        return None
    original = _json_object(str(detail.get("input") or ""))
    failure = _failure(detail.get("executionArn"), original, str(detail.get("cause") or ""))
    error = detail.get("error") or f"Execution.{detail.get('status', UNKNOWN)}"
    return (str(error), failure) if failure else None


def _failure(execution_arn: object, original: dict[str, Any] | None, cause: str) -> FailedInteraction | None:
    if not isinstance(execution_arn, str) or not _EXECUTION_ARN.match(execution_arn) or original is None:
        return None
    interaction_id = original.get("interactionId")
    if not isinstance(interaction_id, str) or not INTERACTION_ID.match(interaction_id):
        return None
    return FailedInteraction(execution_arn, original, cause)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _interaction_id(body: str) -> str:
    """The id of an event that could start an execution after all, for example when it only came too often."""
    try:
        return parse_event(body).interaction_id
    except InvalidEventError:
        return UNKNOWN
