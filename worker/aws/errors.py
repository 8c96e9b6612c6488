"""What an AWS error code means: the one table, for every service and every command."""

from enum import Enum, auto

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

AWS_ERRORS = (BotoCoreError, ClientError, ResponseParserError, aiohttp.ClientError, OSError, TimeoutError)
"""Everything a call can fail with; a body that is cut off shows as ResponseParserError, which has no common base."""


class Kind(Enum):
    """What a refusal is about."""

    THROTTLED = auto()
    """Too many calls: the same call succeeds later."""
    DENIED = auto()
    """IAM or a resource policy says no."""
    UNKNOWN_CREDENTIALS = auto()
    WRONG_SIGNATURE = auto()
    """A wrong secret access key or a wrong clock."""
    MISSING = auto()
    """There is no such queue, state machine, activity, table or bucket."""
    NO_OBJECT = auto()
    """The bucket has no object under this key."""
    ALREADY_EXISTS = auto()
    """There is an execution of this name."""
    CONDITION_FAILED = auto()
    """The item or object is not as the call's condition demands."""
    TASK_GONE = auto()
    """Step Functions no longer waits for the task, or never handed out this token."""
    EVENT_AT_FAULT = auto()
    """Step Functions can never start this execution. A throttle, an outage or a denial is not this."""
    REFUSED = auto()
    """The service refuses what is asked, whoever asks: a message that is too long, an empty batch, a wrong key."""


ANSWERS = frozenset({Kind.ALREADY_EXISTS, Kind.CONDITION_FAILED, Kind.NO_OBJECT, Kind.TASK_GONE})
"""Kinds that answer a question, so that the call did not fail."""

_CODES = {
    Kind.THROTTLED: (
        "ActivityWorkerLimitExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ),
    # 403 and 404 are all that S3 says to a HEAD, which has no body.
    Kind.DENIED: ("403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"),
    Kind.UNKNOWN_CREDENTIALS: (
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    ),
    Kind.WRONG_SIGNATURE: (
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    ),
    Kind.MISSING: (
        "AWS.SimpleQueueService.NonExistentQueue",
        "ActivityDoesNotExist",
        "ExecutionDoesNotExist",
        "NoSuchBucket",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    ),
    Kind.NO_OBJECT: ("404", "NoSuchKey"),
    Kind.ALREADY_EXISTS: ("ExecutionAlreadyExists",),
    Kind.CONDITION_FAILED: (
        "412",
        "ConditionalCheckFailedException",
        "ConditionalRequestConflict",
        "PreconditionFailed",
    ),
    Kind.TASK_GONE: ("InvalidToken", "TaskDoesNotExist", "TaskTimedOut"),
    Kind.EVENT_AT_FAULT: ("InvalidExecutionInput", "InvalidName"),
    Kind.REFUSED: (
        "AWS.SimpleQueueService.EmptyBatchRequest",
        "AWS.SimpleQueueService.ReadCountOutOfRange",
        "EmptyBatchRequest",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "MissingParameter",
        "ReadCountOutOfRange",
        "UnsupportedOperation",
        "ValidationException",
    ),
}

_KINDS = {code: kind for kind, codes in _CODES.items() for code in codes}


def kind_of(code: str) -> Kind | None:
    """What the error code means; None for a fault of AWS's own and for anything else, such as no answer at all."""
    return _KINDS.get(code)


def error_code(error: BaseException) -> str:
    """What went wrong in one word, for logs and causes: the AWS error code, or the exception's name."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__
