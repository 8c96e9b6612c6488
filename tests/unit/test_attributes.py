"""JSON values as DynamoDB attributes: exact, or refused by name."""

import json
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from botocore.model import StructureShape
from botocore.session import get_session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from worker.aws.attributes import LARGEST_BYTES, encode
from worker.errors import Invalid

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**37), 10**37)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x or 1e-120 < abs(x) < 1e120)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values),
    max_leaves=10,
)


def decoded(attribute: Any) -> Any:
    """What a reader of the table sees."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return Decimal(value)
        case "L":
            return [decoded(part) for part in value]
        case "M":
            return {key: decoded(part) for key, part in value.items()}
    return value


def exactly(value: Any) -> Any:
    """JSON values with numbers as the decimal that their text is."""
    return json.loads(json.dumps(value), parse_float=Decimal, parse_int=Decimal)


@given(JSON_VALUES)
def test_every_json_value_comes_back_exactly(value: Any) -> None:
    assert decoded(encode({"a": value}, ())["a"]) == exactly(value)


@given(JSON_VALUES)
def test_what_is_encoded_is_what_the_sdk_s_model_of_put_item_takes(value: Any) -> None:
    assert not _problems({"a": value})


def _problems(values: dict[str, Any]) -> str:
    item = {"TableName": "t", "Item": encode(values, ())}
    return str(ParamValidator().validate(item, _put_item()).generate_report())


@cache
def _put_item() -> StructureShape:
    model = get_session().get_service_model("dynamodb").operation_model("PutItem").input_shape
    assert model
    return model


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"startTime": "x"}, "startTime: the service writes it itself"),
        ({"": 1}, "name is not a text"),
        ({1: 1}, "name is not a text"),
        ({"a": float("nan")}, "a.*: not a finite number"),
        ({"a": [float("inf")]}, "not a finite number"),
        ({"a": 10**38 + 1}, "does not hold"),
        ({"a": 5e-324}, "does not hold"),
        ({"a": 1e-131}, "does not hold"),
        ({"a": 1e300}, "does not hold"),
        ({"a": {1, 2}}, "set is not a JSON value"),
        ({"a": b"x"}, "bytes is not a JSON value"),
        ({"a": {1: 2}}, "a key that is not a text"),
        ({"a": "\ud800"}, "not Unicode"),
        ({"a": "x" * LARGEST_BYTES}, "an item holds"),
    ],
)
def test_what_dynamodb_cannot_hold_is_refused_by_name(values: dict[Any, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        encode(values, {"startTime"})


def test_too_deep_is_refused() -> None:
    value: Any = 1
    for _ in range(40):
        value = [value]
    with pytest.raises(Invalid, match="nested deeper"):
        encode({"a": value}, ())
