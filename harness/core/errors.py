"""The errors that a user can cause or fix. Everything else is a bug and shows its traceback."""

from typing import Any, Optional

from joulebird.harness.core import exit_codes


class HarnessError(Exception):
    """The root of them: `message` names the failure and its place, `hint` the next step.

    `exit_code` is the command's.
    """

    exit_code = exit_codes.USAGE

    def __init__(self, message: str, hint: str = "", exit_code: Optional[int] = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint
        self.exit_code = self.exit_code if exit_code is None else exit_code


class SpecError(HarnessError):
    """A model, data set, option or checkpoint that does not exist or does not fit."""


class SourceError(HarnessError):
    """A power source that cannot be used or read."""

    exit_code = exit_codes.SOURCE


class TrainingError(HarnessError):
    """A training that failed: a loss that is NaN, no memory."""

    exit_code = exit_codes.TRAINING


def require(good: bool, name: str, value: Any, wanted: str) -> None:
    """Raise SpecError for a value of the option `name` unless it is `good`.

    `wanted` names the valid values.


    >>> require(False, "every", 0, "at least 1")
    Traceback (most recent call last):
    joulebird.harness.core.errors.SpecError: option 'every' must be at least 1 (got 0)
    """
    if not good:
        raise SpecError(f"option {name!r} must be {wanted} (got {value!r})")
