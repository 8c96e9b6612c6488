"""What every queue on SQS needs: its attributes, and calls in batches of ten."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.aws.errors import AWS_ERRORS, error_code
from worker.errors import NotConfirmedError

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

LARGEST_BATCH = 10
"""Messages that one SQS call carries at most."""

_AT_ONCE = 8
"""Calls at the same time."""

_ATTEMPTS = 2

Entry = Mapping[str, Any]
"""One entry of a batch, without its `Id`."""

Attributes = Mapping["QueueAttributeNameType", str]

Call = Callable[[list[dict[str, Any]]], Awaitable[Any]]
"""An SQS call that takes the entries of one batch."""


async def queue_attributes(client: "SQSClient", url: str, names: "Sequence[QueueAttributeNameType]") -> Attributes:
    """These attributes of a queue. Raises errors.NotConfirmedError."""
    try:
        return (await client.get_queue_attributes(QueueUrl=url, AttributeNames=names))["Attributes"]
    except AWS_ERRORS as error:
        raise NotConfirmedError(error_code(error)) from error


async def send_in_batches(call: Call, entries: Sequence[Entry]) -> dict[int, str]:
    """Make `call` for all entries, ten at a time; what is not confirmed is tried once more.

    SQS answers 200 also where it refuses some entries of a batch.
    Returns the error code of each entry that was not confirmed, by its place in `entries`.
    """
    batches = [range(n, min(n + LARGEST_BATCH, len(entries))) for n in range(0, len(entries), LARGEST_BATCH)]
    failed: dict[int, str] = {}
    for start in range(0, len(batches), _AT_ONCE):
        answers = (_send(call, entries, batch) for batch in batches[start : start + _AT_ONCE])
        for answer in await asyncio.gather(*answers):
            failed |= answer
    return failed


async def _send(call: Call, entries: Sequence[Entry], batch: range) -> dict[int, str]:
    failed = dict.fromkeys(batch, "")
    for _ in range(_ATTEMPTS):
        numbered = [{"Id": str(n), **entries[n]} for n in failed]
        try:
            answer = await call(numbered)
        except AWS_ERRORS as error:
            failed = dict.fromkeys(failed, error_code(error))
        else:
            failed = {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", ())}
        if not failed:
            break
    return failed
