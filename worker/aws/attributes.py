"""JSON values as DynamoDB attributes."""

from collections.abc import Collection, Mapping
from decimal import Context, Decimal, Inexact, Overflow, Subnormal
from typing import TYPE_CHECKING, Any

from worker.errors import Invalid

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef

LARGEST_BYTES = 380_000
"""Of attributes taken from the details. DynamoDB takes items of 400 KB (400 * 1024); the rest is for our own."""

_DEEPEST = 30
"""DynamoDB nests up to 32 levels."""

_NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Inexact, Overflow, Subnormal])
"""DynamoDB's numbers: 38 digits, magnitudes of 1E-130 to 9.99…E+125."""


def encode(values: Mapping[str, Any], reserved: Collection[str]) -> "dict[str, AttributeValueTypeDef]":
    """`values` as attributes; floats and Decimals become exact numbers (N).

    Raises errors.Invalid, which names the attribute and never its value: a name in `reserved`, a value that is not
    JSON's, a number that DynamoDB does not know, too deep or too large.
    """
    encoded: dict[str, AttributeValueTypeDef] = {}
    size = 0
    for name, value in values.items():
        if not isinstance(name, str) or not name:
            raise Invalid("an attribute's name is not a text")
        if name in reserved:
            raise Invalid(f"attribute {name}: the service writes it itself; choose another name")
        try:
            encoded[name], bytes_of_value = _encode(value, _DEEPEST)
            size += bytes_of_value + len(name.encode())
        except ValueError as error:
            raise Invalid(f"attribute {name!a}: {_reason(error)}") from None
    if size > LARGEST_BYTES:
        raise Invalid(f"the attributes take {size} bytes; an item holds {LARGEST_BYTES} besides the service's own")
    return encoded


def _reason(error: ValueError) -> str:
    return "text that is not Unicode" if isinstance(error, UnicodeError) else str(error)


def _encode(value: Any, levels: int) -> "tuple[AttributeValueTypeDef, int]":
    """The attribute and about how many bytes DynamoDB counts for it. Raises ValueError."""
    if levels == 0:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    match value:
        case None:
            return {"NULL": True}, 1
        case bool():
            return {"BOOL": value}, 1
        case int() | float() | Decimal():
            text = _number(value)
            return {"N": text}, len(text) // 2 + 2
        case str():
            return {"S": value}, len(value.encode())
        case list() | tuple():
            parts = [_encode(part, levels - 1) for part in value]
            return {"L": [part for part, _ in parts]}, 3 + sum(size + 1 for _, size in parts)
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise ValueError("a key that is not a text")
            fields = {key: _encode(part, levels - 1) for key, part in value.items()}
            size = 3 + sum(len(key.encode()) + size + 1 for key, (_, size) in fields.items())
            return {"M": {key: part for key, (part, _) in fields.items()}}, size
    raise ValueError(f"{type(value).__name__} is not a JSON value")


def _number(value: float | Decimal) -> str:
    """A text that reads as exactly the same number."""
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        raise ValueError("not a finite number")
    try:
        return str(_NUMBERS.create_decimal(number)) if number else "0"
    except ArithmeticError:
        raise ValueError("a number that DynamoDB does not hold (38 digits, 1E-130 to 9.99E+125)") from None
