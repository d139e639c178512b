"""Run a command of the board to its end: as it is, or as root by `sudo -n`, which never asks."""

import os
import pwd
import subprocess
from typing import Callable, NamedTuple, Optional, Sequence


class Ran(NamedTuple):
    """The end of a command: exit code, stdout, stderr.

    The code is None for a command that could not be run or took too long.
    """

    code: Optional[int]
    out: str
    err: str

    @property
    def words(self) -> str:
        """Its last line of output, for an error message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


Runner = Callable[[Sequence[str], str], Ran]  # (command, text for stdin) -> Ran


def run_command(command: Sequence[str], text: str = "", timeout_s: float = 30.0) -> Ran:
    r"""Run a command, giving it `text`; it never waits for a terminal.

    >>> run_command(["echo", "hello"]).out
    'hello\n'
    """
    try:
        ended = subprocess.run(
            list(command),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=timeout_s,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return Ran(None, "", f"{command[0]} took more than {timeout_s:g} s")
    except OSError as error:
        return Ran(None, "", f"{command[0]} cannot be run: {os.strerror(error.errno or 0)}")
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def sudo_prefix() -> Sequence[str]:
    """Return the prefix that runs a command as root: [] for root, else sudo, which never asks."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def user_name() -> str:
    """Return the name of the user that this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
