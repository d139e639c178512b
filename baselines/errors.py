"""Errors of training that a user can cause or cure."""


class SpecError(Exception):
    """The wrong model, data set, option or checkpoint was asked for; `hint` says what would work."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class TrainingError(SpecError):
    """Training itself failed (a loss that is not a number, no memory); `hint` says what to try."""

    exit_code = 5
