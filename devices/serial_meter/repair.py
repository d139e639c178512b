"""Read raw logs; write a power.csv anew from that of a meter read with the wrong profile."""

import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from joulebird.devices.powerlog_read import Segment, read_log
from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.rawlog import FORMAT, MAGIC
from joulebird.devices.serial_meter.records import Decoder, Record
from joulebird.devices.source import PowerSample
from joulebird.harness.core import jsonfile
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.files import replacing
from joulebird.harness.core.powerlog import format_row

ENTRY = re.compile(r" *(\d{1,18}) ([<>x!]) (.*)\Z")
DAMAGED = "its header is cut or damaged"
NOT = "it is not a raw log of a serial meter, or its header is cut"
HINT = "give the file named by raw_log="


def rewrite(
    power_csv: str, raw_log: str, out: str, meter: Union[None, str, Dict[str, Any]] = None
) -> int:
    """Copy `power_csv` to `out` with the readings of `raw_log`, decoded as `meter`.

    Return the number of readings. `meter` is a name or description as for `meters.meter`; None
    keeps the one in the raw log. The segments keep their headers (clock and boot), to which the
    repair is added; each covers the same time as before. Rows that say that the meter was away or
    silent (an errno) stay. `out` appears whole or not at all, and is never overwritten.
    Raises SourceError for files of another kind, and for an `out` that exists.
    """
    if os.path.exists(out):
        raise SourceError(f"{out} exists", "give the name of a new file")
    segments = iter(read_log(power_csv))
    count = 0
    try:
        with open(power_csv, encoding="utf-8", errors="replace") as old, replacing(
            out
        ) as partial, open(partial, "x", encoding="utf-8") as new:
            for line in old:
                if line.startswith("# units"):
                    new.write(f"# repaired from the raw log {raw_log}\n")
                if line.startswith(("#", "t_us,")):
                    new.write(line)
                if line.startswith("t_us,"):
                    for row in _rows(next(segments), raw_log, meter):
                        new.write(row.decode("ascii"))
                        count += row.endswith(b" ok\n")
    except OSError as error:
        raise SourceError(
            f"cannot write {out} from {power_csv}: {error.strerror}",
            "check the folder and its permissions",
        ) from None
    return count


def _rows(
    segment: Segment, raw_log: str, meter: Union[None, str, Dict[str, Any]]
) -> Iterator[bytes]:
    """Give the rows of one segment, in the order of time."""
    rails = tuple(segment.source["rails"])
    if not segment.rows or not rails:
        return
    begin_s, end_s = segment.rows[0].t_s, segment.rows[-1].t_s
    rows: List[Tuple[float, Dict[str, float], str]] = [
        (row.t_s, {}, row.status)
        for row in segment.rows
        if row.status.startswith("E") and not row.watts
    ]
    rows += [
        (sample.t_s, sample.watts, sample.error or "ok")
        for sample in samples(raw_log, rails[0], meter, str(segment.clock.get("boot_id", "")))
        if begin_s <= sample.t_s <= end_s
    ]
    for t_s, watts, status in sorted(rows, key=lambda row: row[0]):
        yield format_row(t_s, watts, rails, status)


def unescape(text: str) -> bytes:
    r"""Read `escape` back; raises ValueError.

    >>> unescape("19.02\\r\\n")
    b'19.02\r\n'
    """
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


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
