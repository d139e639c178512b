"""Types of values on the command line; a wrong value raises ArgumentTypeError."""

import argparse
import math
from typing import Callable

# the test of a length of time, and its words
SHORT = (lambda value: value < 1e6), "below 1000000 seconds, which is more than 11 days"


def seconds(text: str) -> float:
    """Return a length of time, 0 or more."""
    _number(text, lambda value: value >= 0, "0 or more, in seconds")
    return _number(text, *SHORT)


def period(text: str) -> float:
    """Return a time between two readings, above 0."""
    _number(text, lambda value: value > 0, "above 0, in seconds")
    return _number(text, *SHORT)


def instant(text: str) -> float:
    """Return a time on some clock."""
    return _number(text, math.isfinite, "a finite number, in seconds")


def count(text: str) -> int:
    """Return a number of things, at least 1."""
    return int(_number(text, lambda value: value >= 1 and value % 1 == 0, "a number of 1 or more"))


def word(text: str) -> str:
    """Return a name or path, which is not empty (as an unset variable of the shell is)."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _number(text: str, good: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not good(value):
        raise argparse.ArgumentTypeError(f"must be {wanted} (got {text!r})")
    return value
