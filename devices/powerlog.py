"""Write `power.csv`, format 1 (ARCHITECTURE.md): fixed-width integer rows in segments, readable after any kill.

One `os.write` a row survives a killed process; `sync`, once a second, survives a power cut.
"""

import errno
import json
import os
import re
import time
from typing import Any, Callable, Dict, Tuple

from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import SourceError

FORMAT = 1
T_WIDTH, RAIL_WIDTH, STATUS_WIDTH = 16, 9, 12
LIMIT_MW = 10 ** (RAIL_WIDTH - 1)  # a rail at 100 kW is no reading of a rail
MAGIC = "# joulebird-power-log "


def column(rail: str) -> str:
    """The name of a rail in the log: without commas, blanks or quotes.

    >>> column("VDD_IN"), column("sum of shunt voltages")
    ('VDD_IN', 'sum_of_shunt_voltages')
    """
    return re.sub(r"[^\w.+:/-]", "_", rail) or "_"


def row_width(rails: int) -> int:
    """Bytes of a row of so many rails, with its newline.

    >>> row_width(2)
    50
    """
    return T_WIDTH + (1 + RAIL_WIDTH) * rails + 1 + STATUS_WIDTH + 1


def format_row(
    t_s: float, watts: Dict[str, float], rails: Tuple[str, ...], status: str = "ok"
) -> bytes:
    """One row; a rail that is absent, not a number or beyond any rail is blank, and then the status is never ok.

    >>> format_row(12.3, {"VDD_IN": 3.0561}, ("VDD_IN", "VDD_MUX"))
    b'        12300000,     3056,         ,     MISSING\\n'
    """
    fields = ["%*d" % (T_WIDTH, round(t_s * 1e6))]
    for rail in rails:
        value = watts.get(rail)
        fault = (
            "MISSING" if value is None else "" if abs(value) * 1e3 < LIMIT_MW else "RANGE"
        )  # RANGE: nan and inf too
        fields.append(" " * RAIL_WIDTH if fault else "%*d" % (RAIL_WIDTH, round(value * 1e3)))
        if fault and status == "ok":
            status = fault
    word = re.sub(r"[^\w.+:/-]", "_", status)[:STATUS_WIDTH] or "UNKNOWN"
    return (",".join(fields + [word.rjust(STATUS_WIDTH)]) + "\n").encode("ascii", "replace")


class PowerLog:
    """A segment of a log that is being written; the file is made, or a segment appended to it.

    `describe` is what the source says of itself; its `rails` are the columns. Every method raises SourceError when the file cannot be
    written; what was written before stays readable, and writing may be tried again.
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
            folder = os.path.dirname(path)
            if folder:
                os.makedirs(folder, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _unwritable(path, error) from error
        clock_line = {"monotonic_s": clock(), "wall_s": wall(), "boot_id": boot_id()}
        header = [
            MAGIC + str(FORMAT),
            "# source " + json.dumps(describe, sort_keys=True),
            "# clock " + json.dumps(clock_line),
            "# units t_us: microseconds of CLOCK_MONOTONIC; *_mw: milliwatts; status: ok, or why the read failed",
            ",".join(["t_us"] + [column(rail) + "_mw" for rail in self.rails] + ["status"]),
        ]
        try:
            self._broken_line = not _ends_a_line(self._fd)
            self._write(("\n".join(header) + "\n").encode("utf-8"))
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
        """Bring what was written to the disk; may take long on a slow card."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
        except OSError as error:
            if error.errno not in (
                errno.EINVAL,
                errno.EROFS,
                errno.EBADF,
            ):  # not a disk file, or closed meanwhile
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
            data = b"\n" + data  # the broken line stands alone, and readers know it by its width
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
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SourceError(
        f"cannot write the power log {path}: {os.strerror(error.errno or 0)}",
        "make room on that disk; what was recorded is kept"
        if full
        else "check the folder and its permissions",
    )
