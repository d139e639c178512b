"""The errors that a user can cause or fix, and the exit codes of the command line.

Everything else is a bug and shows its traceback.
"""

from typing import Any, Optional

DONE = 0
BUG = 1
USAGE = 2  # also a spec that is wrong
UNREACHABLE = 3  # a board
SOURCE = 4  # a power source
TRAINING = 5
CHECK = 6  # a check failed
BUSY = 75  # no free board
INTERRUPTED = 130
BROKEN_PIPE = 141

EXIT_CODES = """exit codes: 0 done, 1 bug, 2 usage or spec, 3 board unreachable, 4 power source,
5 training failed, 6 a check failed, 75 no free board, 130 interrupted"""


class HarnessError(Exception):
    """The root of them: `message` names the failure and its place, `hint` the next step.

    `exit_code` is the command's.
    """

    exit_code = USAGE

    def __init__(self, message: str, hint: str = "", exit_code: Optional[int] = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint
        self.exit_code = self.exit_code if exit_code is None else exit_code


class SpecError(HarnessError):
    """A model, data set, option or checkpoint that does not exist or does not fit."""


class SourceError(HarnessError):
    """A power source that cannot be used or read."""

    exit_code = SOURCE


class TrainingError(HarnessError):
    """A training that failed: a loss that is NaN, no memory."""

    exit_code = TRAINING


def require(good: bool, name: str, value: Any, wanted: str) -> None:
    """Raise SpecError for a value of the option `name` unless it is `good`.

    `wanted` names the valid values.

    >>> require(False, "every", 0, "at least 1")
    Traceback (most recent call last):
    joulebird.harness.core.errors.SpecError: option 'every' must be at least 1 (got 0)
    """
    if not good:
        raise SpecError(f"option {name!r} must be {wanted} (got {value!r})")
