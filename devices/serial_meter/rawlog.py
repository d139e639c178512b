"""Write the raw log of the traffic with a meter, and read it again with another decoder.

One line for each piece: microseconds of the monotonic clock, a letter, and the bytes as a string
with backslashes. Letters: `>` sent, `<` received, `x` received and thrown away, `!` an event (the
decoder begins anew). A segment begins with two lines of `#`: format and the meter as JSON. Any
prefix is readable.
"""

import json
import os
import re
import time
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple, Union

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.records import Decoder, Record
from joulebird.devices.source import PowerSample
from joulebird.harness.core import jsonfile
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import SourceError

MAGIC = "# joulebird-serial-log "
FORMAT = 1
ENTRY = re.compile(r" *(\d{1,18}) ([<>x!]) (.*)\Z")
DAMAGED = "its header is cut or damaged"
NOT = "it is not a raw log of a serial meter, or its header is cut"
HINT = "give the file named by raw_log="


def escape(data: bytes) -> str:
    r"""Write bytes as text of one line.

    >>> escape(b"19.02\r\n\xff")
    '19.02\\r\\n\\xff'
    """
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def unescape(text: str) -> bytes:
    r"""Read `escape` back; raises ValueError.

    >>> unescape("19.02\\r\\n")
    b'19.02\r\n'
    """
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


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


class Entry(NamedTuple):
    """One piece of a raw log, with the meter and the boot of its segment."""

    meter: meters.Meter
    boot_id: str
    t_s: float
    letter: str
    text: str


def entries(path: str) -> Iterator[Entry]:
    """Read a raw log, piece by piece; a line cut short is left out.

    Raises SourceError for another kind of file and for a header that is cut or damaged.
    """
    head: Optional[Tuple[meters.Meter, str]] = None
    problem, readable = NOT, False
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in (line for line in lines if line.endswith("\n")):
                if line.startswith(MAGIC):
                    head, problem = None, ""
                    if line[len(MAGIC) : -1] != str(FORMAT):
                        raise SourceError(
                            f"{path}: {line[2:40].strip()!r} is damaged, or of a newer joulebird",
                            "update joulebird",
                        )
                elif line.startswith("# ") and head is None and not problem:
                    head, problem = _head(line[2:])
                    readable = readable or head is not None
                match = ENTRY.match(line[:-1])
                if match and head:
                    yield Entry(*head, int(match.group(1)) / 1e6, match.group(2), match.group(3))
                elif match and problem.startswith(DAMAGED):
                    raise SourceError(f"{path}: {problem}", HINT)
    except OSError as error:
        raise SourceError(f"cannot read the raw log {path}: {error.strerror}", HINT) from None
    if not readable:
        raise SourceError(f"{path}: {problem or NOT}", HINT)


def _head(text: str) -> Tuple[Optional[Tuple[meters.Meter, str]], str]:
    """Return the meter and the boot of a segment's header, or None and the problem with it."""
    try:
        facts = jsonfile.parse(text)
        return (meters.meter(dict(facts["meter"])), str(facts["clock"]["boot_id"])), ""
    except SourceError as error:
        return None, f"{DAMAGED}: {error.message}"
    except (ValueError, TypeError, LookupError) as error:
        return None, f"{DAMAGED} ({error})"


def redecode(
    path: str, meter: Union[None, str, Dict[str, Any]] = None, boot: Optional[str] = None
) -> Iterator[Tuple[float, Record]]:
    """Decode a raw log anew: (seconds of its monotonic clock, record), in order.

    `meter` is a name or description as for `meters.meter`, in place of the one in the log: this
    repairs a run whose readings were decoded with the wrong profile. `boot` selects the lines of
    one boot of the machine. Raises SourceError.
    """
    given = meters.meter(meter) if meter else None
    decoder: Optional[Decoder] = None
    known: Optional[meters.Meter] = None
    for entry in (entry for entry in entries(path) if boot in (None, entry.boot_id)):
        if decoder is None or entry.meter is not known:
            known = entry.meter
            decoder = meters.decoder(given or known)
        try:
            data = unescape(entry.text) if entry.letter in "<>" else b""
        except ValueError as error:
            raise SourceError(
                f"{path}: the piece at {entry.t_s:.6f} s is damaged: {error}", "delete that line"
            ) from None
        if entry.letter == "!":
            decoder.resync()
        elif entry.letter == ">":
            decoder.sent(data)
        for record in decoder.feed(data) if entry.letter == "<" else ():
            yield entry.t_s, record


def samples(
    path: str, rail: str, meter: Union[None, str, Dict[str, Any]] = None, boot: Optional[str] = None
) -> Iterator[PowerSample]:
    """Decode a raw log anew as samples of one rail, one a reading.

    A flagged or damaged record is a sample without watts.
    """
    for t_s, record in redecode(path, meter, boot):
        if record.kind == "reading" and record.power_w is not None:
            yield PowerSample(t_s, {rail: record.power_w})
        elif record.kind in ("flagged", "damaged"):
            yield PowerSample(t_s, {}, record.reason if record.kind == "flagged" else "damaged")
