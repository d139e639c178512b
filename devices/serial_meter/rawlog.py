"""Write the raw log of the traffic with a meter; `repair` reads it again with another decoder.

One line for each piece: microseconds of the monotonic clock, a letter, and the bytes as a string
with backslashes. Letters: `>` sent, `<` received, `x` received and thrown away, `!` an event (the
decoder begins anew). A segment begins with two lines of `#`: format and the meter as JSON. Any
prefix is readable.
"""

import json
import os
import time
from typing import Union

from joulebird.devices.serial_meter import meters
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import SourceError

MAGIC = "# joulebird-serial-log "
FORMAT = 1


def escape(data: bytes) -> str:
    r"""Write bytes as text of one line.

    >>> escape(b"19.02\r\n\xff")
    '19.02\\r\\n\\xff'
    """
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


class RawLog:
    """A raw log that is being written; every piece is on its way to the disk when the call returns.

    A piece that cannot be written (a full disk) is counted in `lost` and stops nothing: the
    readings matter more than their log.
    """

    def __init__(self, path: str, meter: meters.Meter, port: str) -> None:
        clock = {"monotonic_s": time.monotonic(), "wall_s": time.time(), "boot_id": boot_id()}
        head = {"meter": meters.as_json(meter), "port": port, "clock": clock}
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SourceError(
                f"cannot write the raw log {path}: {error.strerror}",
                "check the folder and its rights",
            ) from error
        self._file = os.fdopen(fd, "wb", 0)
        self.lost = 0
        self._broken_line = True  # of an earlier run, perhaps
        self._write(f"{MAGIC}{FORMAT}\n# {json.dumps(head)}\n")

    def put(self, t_s: float, letter: str, data: Union[bytes, str]) -> None:
        """Add one piece; nothing is written for no bytes."""
        text = escape(data) if isinstance(data, bytes) else data.replace("\n", " ")
        if text:
            self._write(f"{round(t_s * 1e6):16d} {letter} {text}\n")

    def _write(self, text: str) -> None:
        data = (("\n" if self._broken_line else "") + text).encode("utf-8")
        try:
            written = self._file.write(data) or 0
        except (OSError, ValueError):  # a full disk, or a file that is closed
            written = 0
        self._broken_line = written < len(data) and (written > 0 or self._broken_line)
        self.lost += written < len(data)

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        self._file.close()
