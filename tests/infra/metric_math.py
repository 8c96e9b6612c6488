"""CloudWatch's metric math, as far as the module uses it, as its documentation has it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

A series has a value for some of the timestamps of its grid. What the documentation leaves open is a `Reading`, and
what is shown with this module is shown for both.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Series = dict[int, float]
"""Values by timestamp, in seconds; a timestamp without a value is a missing point."""

Value = Series | float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the documentation does not say."""

    fills_empty: bool
    """Whether FILL and EPOCH make points of a series that has none at all."""


BOTH_READINGS = (Reading(fills_empty=True), Reading(fills_empty=False))

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|(>=|<=|==|!=|[-+*/()<>,]))")

_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


def evaluate(text: str, series: Mapping[str, Series], grid: Sequence[int], reading: Reading) -> Series:
    """The series that an expression makes of others, which it names by their ids."""
    expression = _Expression(text, series, grid, reading)
    result = expression.parse()
    assert isinstance(result, dict), f"{text}: the result has to be a series"
    return result


class _Expression:
    """One expression, evaluated while it is parsed, by precedence from `_either` down to `_one`."""

    def __init__(self, text: str, series: Mapping[str, Series], grid: Sequence[int], reading: Reading) -> None:
        self._tokens = _tokens(text)
        self._text = text
        self._series = series
        self._grid = grid
        self._reading = reading

    def parse(self) -> Value:
        value = self._either()
        assert not self._tokens, f"{self._text}: {self._tokens[0]!r} was not expected"
        return value

    def _either(self) -> Value:
        left = self._both()
        while self._take("OR"):
            left = _pair(lambda a, b: float(bool(a) or bool(b)), left, self._both())
        return left

    def _both(self) -> Value:
        left = self._comparison()
        while self._take("AND"):
            left = _pair(lambda a, b: float(bool(a) and bool(b)), left, self._comparison())
        return left

    def _comparison(self) -> Value:
        left = self._sum()
        while (sign := self._next_of(_COMPARISONS)) is not None:
            left = _pair(lambda a, b, compare=_COMPARISONS[sign]: float(compare(a, b)), left, self._sum())  # type: ignore[misc]
        return left

    def _sum(self) -> Value:
        left = self._product()
        while (sign := self._next_of("+-")) is not None:
            left = _pair(_ARITHMETIC[sign], left, self._product())
        return left

    def _product(self) -> Value:
        left = self._one()
        while (sign := self._next_of("*/")) is not None:
            left = _pair(_ARITHMETIC[sign], left, self._one())
        return left

    def _one(self) -> Value:
        token = self._tokens.pop(0)
        if token == "(":
            value = self._either()
            assert self._take(")"), self._text
            return value
        if token[0].isdigit():
            return float(token)
        if token.isupper():
            return self._call(token)
        return dict(self._series[token])

    def _call(self, name: str) -> Value:
        assert self._take("("), self._text
        if name == "FILL":
            return self._fill(self._argument())
        first = self._argument()
        match name:
            case "IF":
                assert self._take(","), self._text
                return self._if(first)
            case "EPOCH" if isinstance(first, dict):
                assert self._take(")"), self._text
                return {time: float(time) for time in self._grid} if first or self._reading.fills_empty else {}
            case "DIFF" if isinstance(first, dict):
                assert self._take(")"), self._text
                times = sorted(first)
                return {time: first[time] - first[last] for last, time in pairwise(times)}
        raise AssertionError(f"{self._text}: {name} is not known here")

    def _argument(self) -> Value:
        return self._either()

    def _fill(self, series: Value) -> Series:
        """A number for what is missing, or the newest value before it; nothing comes before the first one."""
        assert isinstance(series, dict), self._text
        assert self._take(","), self._text
        repeat = self._take("REPEAT")
        last = None if repeat else self._argument()
        assert self._take(")"), self._text
        if not series and not self._reading.fills_empty:
            return {}
        filled: Series = {}
        for time in self._grid:
            if time in series:
                filled[time] = series[time]
                last = series[time] if repeat else last
            elif isinstance(last, float):
                filled[time] = last
        return filled

    def _if(self, condition: Value) -> Value:
        """A point for each one of the condition; where that is missing, nothing."""
        yes = self._argument()
        no: Value | None = self._argument() if self._take(",") else None
        assert self._take(")"), self._text
        assert isinstance(condition, dict), f"{self._text}: the condition has to be a series"
        result: Series = {}
        for time, true in condition.items():
            if true:
                result[time] = yes if isinstance(yes, float) else yes.get(time, 0.0)
            elif isinstance(no, float):
                result[time] = no
            elif no is not None and time in no:
                result[time] = no[time]
        return result

    def _take(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _next_of(self, tokens: Mapping[str, object] | str) -> str | None:
        return self._tokens.pop(0) if self._tokens and self._tokens[0] in tokens else None


def _pair(apply: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Point by point; between two series what one of them lacks is 0, and a division by zero drops the point."""
    if isinstance(left, float) and isinstance(right, float):
        return apply(left, right)
    one = left if isinstance(left, dict) else {}
    other = right if isinstance(right, dict) else {}
    result: Series = {}
    for time in sorted(one.keys() | other.keys()):
        a = left if isinstance(left, float) else one.get(time, 0.0)
        b = right if isinstance(right, float) else other.get(time, 0.0)
        try:
            result[time] = apply(a, b)
        except ZeroDivisionError:
            continue
    return result


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    end = 0
    while end < len(text.rstrip()):
        found = _TOKEN.match(text, end)
        assert found, f"{text}: not understood from {text[end:]!r}"
        tokens.append(found[1] or found[2] or found[3])
        end = found.end()
    return tokens
