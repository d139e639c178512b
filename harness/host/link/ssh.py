"""A line to a board: the user's own ssh, as a subprocess, over one shared connection.

Keys, jump hosts, host-key checking and everything else are ssh's business and the user's
configuration's. Arguments are lists: the content of a board's name, a path or an option is data on
both sides and never run.
"""

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL
from typing import IO, NamedTuple

from joulebird.harness.core.errors import UNREACHABLE, HarnessError
from joulebird.harness.host.config import Board
from joulebird.harness.host.link.errors import LinkError, command_error, ssh_error

SSH_FAILED = 255  # the exit status with which ssh says that it, not the command, failed
CONNECT_TIMEOUT_S = 10
# A line that is watched during a measurement wakes the board no more often than this.
KEEPALIVE_S = 30
# The shared connection outlives a command by this much, so that the next one is quick.
KEEP_MASTER_S = 120


class Result(NamedTuple):
    """The result of a command on the board: exit status, output in bytes, messages as text."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """The output as text."""
        return self.stdout.decode("utf-8", "replace")


def remote_command(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Return a line for the login shell that runs exactly these words with these variables.

    >>> remote_command(["echo", "a b", "$(reboot)"], {"A": "x;y"})
    "exec env 'A=x;y' echo 'a b' '$(reboot)'"
    """
    words = [f"{name}={value}" for name, value in env.items()]
    return "exec " + " ".join(
        shlex.quote(word) for word in (["env", *words] if words else []) + list(argv)
    )


def control_folder(env: Mapping[str, str] = os.environ) -> Path:
    """Return a folder for connection sockets that only this user can enter.

    Its path is short enough for a socket.
    """
    base = env.get("XDG_RUNTIME_DIR", "")
    folder = (
        Path(base) / "joulebird"
        if base and Path(base).is_dir() and len(base) < 40
        else Path(f"/tmp/joulebird-{os.getuid()}")
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise HarnessError(
            f"{folder}: is open to other users", f"remove it, or: chmod 700 {folder}"
        )
    return folder


class Channel(subprocess.Popen[bytes]):
    """A process with pipes; at its end `messages` holds its stderr."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    messages = ""


class Link:
    """One board over ssh. The shared connection opens at the first command, and ends by itself."""

    def __init__(self, board: Board, sockets: Path | None = None) -> None:
        self.board, self._sockets = board, sockets

    def options(self) -> list[str]:
        """Return the ssh command up to, not including, the host."""
        if self._sockets is None:
            self._sockets = control_folder()
        ours = [
            "BatchMode=yes",
            f"ConnectTimeout={CONNECT_TIMEOUT_S}",
            f"ServerAliveInterval={KEEPALIVE_S}",
            "ServerAliveCountMax=3",
            f"ControlPath={self._sockets}/%C",
            "ForwardX11=no",
            "ClearAllForwardings=yes",
        ]
        return [*self.board.ssh, "-T", *(word for option in ours for word in ("-o", option))]

    def argv(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
        """Return the whole local command that runs `command` on the board."""
        return [*self.options(), "--", self.board.host, remote_command(command, env or {})]

    def open(self) -> None:
        """Make sure that the shared connection is up; raises LinkError with what to do."""
        with _ssh_of(self.board):
            check = [*self.options(), "-O", "check", "--", self.board.host]
            up = subprocess.run(check, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        if up.returncode != 0:
            self._start_master()

    def run(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout_s: float | None = None,
        check: bool = True,
    ) -> Result:
        """Run a command on the board to its end.

        Raises LinkError when the connection fails, or, with `check`, when the command does.
        """
        self.open()
        try:
            with _ssh_of(self.board):
                done = subprocess.run(
                    self.argv(command, env),
                    input=stdin or b"",
                    capture_output=True,
                    timeout=timeout_s,
                )
        except subprocess.TimeoutExpired:
            raise LinkError(
                f"{self.board.host}: no answer within {timeout_s:.0f} s",
                "is the board busy or off? type the same command again",
                lost=True,
            ) from None
        result = Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
        if result.status == SSH_FAILED:
            raise ssh_error(self.board.host, result.stderr)
        if check and result.status != 0:
            raise command_error(self.board.host, list(command), result.stderr, result.status)
        return result

    @contextlib.contextmanager
    def channel(
        self, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> Iterator[Channel]:
        """Give a command that runs as long as the context, with its input and output as pipes.

        Its messages go to a file, and at the end to `.messages`.
        """
        self.open()
        with tempfile.TemporaryFile() as messages:
            with _ssh_of(self.board):
                process = Channel(
                    self.argv(command, env),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=messages,
                )
            try:
                yield process
            finally:
                _end(process)
                process.messages = text_of(messages)

    def _start_master(self) -> None:
        """Start the shared connection in the background.

        Its messages go to a file: a pipe would stay open as long as it does.
        """
        ours = ("-o", "ControlMaster=auto", "-o", f"ControlPersist={KEEP_MASTER_S}", "-fN")
        argv = [*self.options(), *ours, "--", self.board.host]
        with tempfile.TemporaryFile() as messages:
            with _ssh_of(self.board):
                done = subprocess.run(argv, stdin=DEVNULL, stdout=DEVNULL, stderr=messages)
            if done.returncode != 0:
                raise ssh_error(self.board.host, text_of(messages))


def text_of(file: IO[bytes]) -> str:
    """Return the whole text of an open file."""
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _end(process: Channel) -> None:
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    with contextlib.suppress(OSError):
        process.stdout.close()


@contextlib.contextmanager
def _ssh_of(board: Board) -> Iterator[None]:
    """Turn the failure to start ssh within the context into an error with a remedy."""
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"{board.ssh[0]}: cannot be run ({error.strerror})",
            "install the OpenSSH client (Debian, Ubuntu: apt install openssh-client)",
            UNREACHABLE,
        ) from None
