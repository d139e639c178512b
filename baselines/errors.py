"""Errors of training that a user can cause or cure."""

from typing import Any


class SpecError(Exception):
    """The wrong model, data set, option or checkpoint was asked for; `hint` says what would work."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def require(good: bool, name: str, value: Any, wanted: str) -> None:
    """Refuse the value of the option `name` unless it is `good`; `wanted` says what it must be.

    >>> require(False, "every", 0, "at least 1")
    Traceback (most recent call last):
    joulebird.baselines.errors.SpecError: every is 0
    """
    if not good:
        raise SpecError(f"{name} is {value!r}", f"it must be {wanted}")


class TrainingError(SpecError):
    """Training itself failed (a loss that is not a number, no memory); `hint` says what to try."""

    exit_code = 5
