"""The error that a user can cause or cure."""


class HarnessError(Exception):
    """What failed and where (`message`), what to do next (`hint`), and the exit code of the command.

    Exit codes: 2 usage or spec, 3 board unreachable, 4 power source, 5 training failed, 6 a check failed, 75 no free board,
    130 interrupted.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
