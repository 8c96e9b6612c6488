"""Kinds of numbers on the command line, refused in words a person understands."""

import argparse
import math


def count(text: str) -> int:
    """A whole number, 0 or more."""
    return _whole(text, 0)


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    return _whole(text, 1)


def amount(text: str) -> float:
    """A number, 0 or more: seconds, or events a second."""
    return _number(text, math.inf, "a number, 0 or more")


def share(text: str) -> float:
    """A number from 0 to 1."""
    return _number(text, 1, "a number from 0 to 1")


def _whole(text: str, least: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number, {least} or more, not {text!r}")
    return int(text)


def _number(text: str, most: float, meaning: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most or math.isinf(value):
        raise argparse.ArgumentTypeError(f"must be {meaning}, not {text!r}")
    return value
