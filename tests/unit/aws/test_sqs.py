"""Calls of SQS in batches."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from worker.aws.sqs import LARGEST_BATCH, send_in_batches


@dataclass
class Endpoint:
    """Takes batches, and refuses the receipts in `refused` as many times as they say."""

    refused: dict[str, int] = field(default_factory=dict)
    down: bool = False
    batches: list[list[str]] = field(default_factory=list)

    async def call(self, entries: list[dict[str, Any]]) -> Any:
        receipts = [entry["ReceiptHandle"] for entry in entries]
        self.batches.append(receipts)
        if self.down:
            raise TimeoutError
        failed = []
        for entry in entries:
            receipt = entry["ReceiptHandle"]
            if self.refused.get(receipt, 0):
                self.refused[receipt] -= 1
                failed.append({"Id": entry["Id"], "Code": "InternalError"})
        return {"Failed": failed} if failed else {}


def entries(number: int) -> list[dict[str, Any]]:
    return [{"ReceiptHandle": str(n)} for n in range(number)]


@pytest.mark.parametrize(("number", "calls"), [(0, 0), (1, 1), (10, 1), (11, 2), (205, 21)])
async def test_every_entry_is_sent_once_and_ten_at_most_in_a_call(number: int, calls: int) -> None:
    endpoint = Endpoint()
    assert await send_in_batches(endpoint.call, entries(number)) == {}
    assert len(endpoint.batches) == calls
    assert max(map(len, endpoint.batches), default=0) <= LARGEST_BATCH
    assert sorted(int(r) for batch in endpoint.batches for r in batch) == list(range(number))


async def test_only_what_was_refused_is_tried_again() -> None:
    endpoint = Endpoint(refused={"3": 1, "14": 1})
    assert await send_in_batches(endpoint.call, entries(20)) == {}
    assert sorted(map(len, endpoint.batches)) == [1, 1, 10, 10]


async def test_what_is_refused_twice_is_told_with_its_code() -> None:
    endpoint = Endpoint(refused={"3": 2, "14": 2})
    assert await send_in_batches(endpoint.call, entries(20)) == {3: "InternalError", 14: "InternalError"}


async def test_without_an_answer_nothing_of_the_batch_is_confirmed() -> None:
    assert await send_in_batches(Endpoint(down=True).call, entries(2)) == {0: "TimeoutError", 1: "TimeoutError"}
