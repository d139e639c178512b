"""A child process that writes lines, read without ever blocking the reader."""

import contextlib
import os
import select
import subprocess
import tempfile
import time
from typing import List, Optional, Sequence

LONGEST_LINE = 1 << 20  # bytes; a longer piece without a newline is not our language


class LineChild:
    """Run `command` in a session of its own and collect the lines it prints.

    Our children end when their stdin closes, so none outlives its parent, however that dies; a
    foreign program ends at its next line, when its pipe is broken. Ctrl-C at the terminal does not
    reach them.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._buffer = b""
        self._silent = False  # its end of the pipe is closed
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                start_new_session=True,
                bufsize=0,
            )
        except OSError:
            self._stderr.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.pid, self._fd = self._process.pid, self._stdout.fileno()
        os.set_blocking(self._fd, False)

    def say(self, line: str) -> None:
        """Send a line to the child's stdin; raises OSError when its end is closed."""
        try:
            self._stdin.write(f"{line}\n".encode())
        except OSError:
            self._silent = True
            raise

    def lines(self, timeout_s: float = 0.0) -> List[str]:
        """Return the whole lines that have come; waits at most `timeout_s` for the first one."""
        deadline = time.monotonic() + timeout_s
        while True:
            alive = self._drain()
            if b"\n" in self._buffer or not alive:
                break
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                break
        whole, newline, self._buffer = self._buffer.rpartition(b"\n")
        return whole.decode("utf-8", "replace").split("\n") if newline else []

    def _drain(self) -> bool:
        while len(self._buffer) < LONGEST_LINE:
            try:
                piece = os.read(self._fd, 65536)
            except BlockingIOError:
                return True
            if not piece:
                self._silent = True
                return False
            self._buffer += piece
        return True

    def ended(self) -> Optional[int]:
        """Return the exit code once the child has ended, else None.

        A child that has closed its pipe is given a moment to end.
        """
        if self._silent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(1.0)
        return self._process.poll()

    def errors(self) -> str:
        """Return the last line that the child wrote to stderr."""
        end = os.fstat(self._stderr.fileno()).st_size  # pread: the child shares the file's position
        text = os.pread(self._stderr.fileno(), 4096, max(0, end - 4096))
        return text.decode("utf-8", "replace").strip().split("\n")[-1]

    def stop(self, patience_s: float = 0.0) -> None:
        """End the child: close its stdin, wait `patience_s`, then terminate and at last kill it.

        Harmless when called twice.
        """
        if self._stdin.closed:
            return
        self._stdin.close()
        for patience, end in (
            (patience_s, self._process.terminate),
            (max(0.5, patience_s), self._process.kill),
            (5.0, None),
        ):
            try:
                self._process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                if end is None:
                    raise
                end()
        self._stdout.close()
        self._stderr.close()
