"""Write `power.csv` so that it is readable after any kill.

One `os.write` a row survives a killed process; `sync`, once a second, survives a power cut.
"""

import errno
import os
import stat
import time
from typing import Any, Callable, Dict

from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.files import FAULTS
from joulebird.harness.core.lock import grab
from joulebird.harness.core.powerlog import format_header, format_row

NOT_A_DISK_FILE = (errno.EINVAL, errno.EROFS, errno.EBADF)  # or a file that was closed meanwhile


class PowerLog:
    """A segment of a log that is being written; the file is made, or a segment appended to it.

    `describe` is the description of the source; its `rails` are the columns. Every method raises
    SourceError when the file cannot be written; earlier rows stay readable, and a retry may help.
    """

    def __init__(
        self,
        path: str,
        describe: Dict[str, Any],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self.rails = tuple(describe["rails"])
        self.rows = self.failed = 0  # rows written, and how many of them lack a reading
        self._broken_line = False  # the last write was cut short
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _unwritable(path, error) from error
        if stat.S_ISREG(os.fstat(self._fd).st_mode) and not grab(self._fd, path):
            os.close(self._fd)
            raise SourceError(f"{path}: another recorder writes this log", "name another file")
        clock_line = {"monotonic_s": clock(), "wall_s": wall(), "boot_id": boot_id()}
        try:
            self._broken_line = not _ends_a_line(self._fd)
            self._write(format_header(describe, clock_line))
        except BaseException:
            os.close(self._fd)
            raise

    def row(self, t_s: float, watts: Dict[str, float], status: str = "ok") -> None:
        """Append one row."""
        line = format_row(t_s, watts, self.rails, status)
        self._write(line)
        self.rows += 1
        self.failed += not line.endswith(b" ok\n")

    def sync(self) -> None:
        """Bring the rows to the disk; may take long on a slow card."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
        except OSError as error:
            if error.errno not in NOT_A_DISK_FILE:
                raise _unwritable(self.path, error) from error

    def close(self) -> None:
        """Sync and close; harmless when called twice."""
        if self._fd >= 0:
            try:
                self.sync()
            finally:
                fd, self._fd = self._fd, -1
                os.close(fd)

    def _write(self, data: bytes) -> None:
        if self._broken_line:
            data = b"\n" + data  # the broken line stands alone; readers know it by its width
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if written:
            self._broken_line = written < len(data)
        if written < len(data):
            raise _unwritable(self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def _ends_a_line(fd: int) -> bool:
    try:
        size = os.fstat(fd).st_size
        return size == 0 or os.pread(fd, 1, size - 1) == b"\n"
    except OSError:
        return True  # not a disk file


def _unwritable(path: str, error: OSError) -> SourceError:
    number = error.errno or 0
    full = number in (errno.ENOSPC, errno.EDQUOT)
    usual = "", "check the folder and its permissions"
    return SourceError(
        f"cannot write the power log {path}: {os.strerror(number)}",
        "make room on that disk; the log so far is kept" if full else FAULTS.get(number, usual)[1],
    )
