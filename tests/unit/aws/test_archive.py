"""The archived document is JSON that any engine reads."""

import gzip
import json
import math
from typing import Any

import pytest

from worker.aws.archive import _pack
from worker.errors import Invalid


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    with pytest.raises(Invalid, match="a number that JSON does not have"):
        _pack({"list": [{"value": number}]})


@pytest.mark.parametrize("value", [0.5, 10**40, -1e300, None, "NaN", "ü\ud83d"])
def test_any_other_document_is_packed_as_it_is(value: Any) -> None:
    assert json.loads(gzip.decompress(_pack({"value": value}))) == {"value": value}
