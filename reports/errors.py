"""The error that a reader of logs and records can cause or cure."""


class ReportError(Exception):
    """A log, record or option cannot be used: what and where (`message`), what to do (`hint`)."""

    def __init__(self, message: str, hint: str = "", exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
