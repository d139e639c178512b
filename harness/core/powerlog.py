"""The bytes of `power.csv`, format 1: segments of fixed-width integer rows, each behind a header.

No other module knows them. The board writes and reads row by row; `reports/logs/powerlog.py`
decodes the same widths in bulk.
"""

import json
import mmap
import re
from functools import lru_cache
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Pattern, Tuple, Type, Union

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.formats import CLOCK, LOGGED_SOURCE
from joulebird.harness.core.jsonfile import parse

FORMAT = 1
MAGIC = b"# joulebird-power-log "
T_WIDTH, RAIL_WIDTH, STATUS_WIDTH = 16, 9, 12
LIMIT_MW = 10 ** (RAIL_WIDTH - 1)  # readings of 100 kW and more are rejected as implausible
OK = "ok"
LONGEST_HEAD = 65536
UNITS = (
    "t_us: microseconds of CLOCK_MONOTONIC; *_mw: milliwatts; status: ok, or why the read failed"
)
Bytes = Union[bytes, mmap.mmap]
Error = Type[HarnessError]


class Head(NamedTuple):
    """The header of a segment: the source's description, the clock line, the rails in order."""

    source: Dict[str, Any]
    clock: Dict[str, Any]
    rails: Tuple[str, ...]


class Row(NamedTuple):
    """One row: seconds, watts by rail (unreadable ones absent), status.

    `start` marks the first row of a segment.
    """

    t_s: float
    watts: Dict[str, float]
    status: str
    start: bool = False


def column(rail: str) -> str:
    """Return the name of a rail in the log: without commas, blanks or quotes.

    >>> column("VDD_IN"), column("sum of shunt voltages")
    ('VDD_IN', 'sum_of_shunt_voltages')
    """
    return re.sub(r"[^\w.+:/-]", "_", rail) or "_"


def row_width(rails: int) -> int:
    """Return the bytes of a row of `rails` rails, with its newline.

    >>> row_width(2)
    50
    """
    return T_WIDTH + (1 + RAIL_WIDTH) * rails + 1 + STATUS_WIDTH + 1


def format_header(source: Dict[str, Any], clock: Dict[str, Any]) -> bytes:
    """Return the header of a segment; the columns are the `rails` of the source."""
    columns = ["t_us"] + [column(rail) + "_mw" for rail in source["rails"]] + ["status"]
    lines = [
        f"{MAGIC.decode()}{FORMAT}",
        f"# source {json.dumps(source, sort_keys=True)}",
        f"# clock {json.dumps(clock)}",
        f"# units {UNITS}",
        ",".join(columns),
    ]
    return ("\n".join(lines) + "\n").encode("utf-8")


def format_row(
    t_s: float, watts: Dict[str, float], rails: Tuple[str, ...], status: str = OK
) -> bytes:
    r"""Return one row; a rail that is absent, NaN or implausible is blank, and its status never ok.

    >>> format_row(12.3, {"VDD_IN": 3.0561}, ("VDD_IN", "VDD_MUX"))
    b'        12300000,     3056,         ,     MISSING\n'
    """
    fields = [str(round(t_s * 1e6)).rjust(T_WIDTH)]
    for rail in rails:
        value = watts.get(rail)
        if value is not None and abs(value) * 1e3 < LIMIT_MW:
            fields.append(str(round(value * 1e3)).rjust(RAIL_WIDTH))
            continue
        fields.append(" " * RAIL_WIDTH)
        if status == OK:
            status = "MISSING" if value is None else "RANGE"
    word = re.sub(r"[^\w.+:/-]", "_", status)[:STATUS_WIDTH] or "UNKNOWN"
    return (",".join(fields + [word.rjust(STATUS_WIDTH)]) + "\n").encode("ascii", "replace")


def parse_row(line: bytes, rails: Tuple[str, ...]) -> Optional[Row]:
    """Return the row in a line without its newline; None for a damaged line.

    >>> parse_row(b"        12300000,     3056,          ok", ("VDD_IN",))
    Row(t_s=12.3, watts={'VDD_IN': 3.056}, status='ok', start=False)
    >>> parse_row(b"        12300000,     30", ("VDD_IN",))
    """
    fields = _layout(len(rails)).match(line)
    if fields is None:
        return None
    t_us, *readings, status = fields.groups()
    watts = {rail: int(mw) / 1e3 for rail, mw in zip(rails, readings) if not mw.isspace()}
    return Row(int(t_us) / 1e6, watts, status.decode("ascii").strip())


@lru_cache(maxsize=16)
def _layout(rails: int) -> Pattern[bytes]:
    """Return the pattern of a row: right-aligned integers, where a rail's may be blank."""
    time = rf"(?=[^,]{{{T_WIDTH}}},)( *-?[0-9]+),"
    rail = rf"(?=[^,]{{{RAIL_WIDTH}}},)( *-?[0-9]+| +),"
    status = rf"([ -~]{{{STATUS_WIDTH}}})\Z"
    return re.compile((time + rail * rails + status).encode("ascii"))


def map_log(path: str, error: Error) -> mmap.mmap:
    """Map a log into memory; raises `error` for an empty or absent file."""
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise error(
            f"the power log {path} is empty", "record again: a log has at least its header lines"
        ) from None
    except OSError as problem:
        raise unreadable(path, problem, error) from None


def unreadable(path: str, problem: OSError, error: Error) -> Exception:
    """Return the `error` for a log that the system does not read."""
    return error(
        f"cannot read the power log {path}: {problem.strerror}", "check its name and permissions"
    )


def has_rows(path: str) -> bool:
    """Return whether a log holds more than its header, unlike one of a recorder that failed.

    Raises HarnessError for a folder and for a file that cannot be read.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read(LONGEST_HEAD).split(b"\n")
    except OSError as problem:
        raise unreadable(path, problem, HarnessError) from None
    return any(line and not line.startswith((b"#", b"t")) for line in lines)


def segments(path: str, data: Bytes, error: Error) -> Iterator[Tuple[Head, int, int]]:
    """Yield the head of every segment, and where its rows begin and end.

    A header that was cut short, and that no row follows, is passed over. Raises `error` for other
    damage to a header, for a newer format, and for a file that is no log of ours.
    """
    at = 0
    while at < len(data):
        following = data.find(b"\n" + MAGIC, at)
        end = len(data) if following < 0 else following + 1
        try:
            found, begin = head(data, at, end)
        except HarnessError as problem:
            line = data[:at].count(b"\n") + 1
            raise error(f"{path} line {line}: {problem.message}", problem.hint) from None
        if found is not None:
            yield found, begin, end
        at = end


def rows(data: Bytes, begin: int, end: int, rails: Tuple[str, ...]) -> Iterator[Optional[Row]]:
    """Yield the rows of one segment; None stands for a damaged line."""
    start = True
    while begin < end:
        stop = data.find(b"\n", begin, end)
        stop = end if stop < 0 else stop
        row = parse_row(data[begin:stop], rails)
        if row is not None and start:
            row, start = row._replace(start=True), False
        yield row
        begin = stop + 1


def head(data: Bytes, at: int, end: int) -> Tuple[Optional[Head], int]:
    """Return the head of the segment in bytes at..end, and where its rows begin.

    The head is None when it was cut short and no row follows.
    """
    if data[at : at + len(MAGIC)] != MAGIC:
        raise HarnessError(
            "this is not a power log of joulebird",
            "give a power.csv; `joulebird energy` reads other logs, with --map t=COL,w=COL",
        )
    notes, columns, begin = _header(data, at, end)
    version = notes.get(MAGIC[2:-1].decode(), "").strip()
    if re.match("[0-9]+$", version) and (len(version) > 4 or int(version) > FORMAT):
        raise HarnessError(
            f"a power log of format {version[:9]}, newer than this joulebird reads ({FORMAT})",
            "update joulebird",
        )
    if version != str(FORMAT) or not columns or "source" not in notes or "clock" not in notes:
        if begin < end:
            raise HarnessError(
                "the header of this segment is incomplete",
                "restore its `# source`, `# clock` and column lines, or cut this segment out",
            )
        return None, begin
    source, clock = _checked("source", notes["source"]), _checked("clock", notes["clock"])
    named = tuple(source.get("rails") or ())
    rails = tuple(name[: -len("_mw")] for name in columns[1:-1])
    # a column's name may be a rail's without its blanks
    return Head(source, clock, named if len(named) == len(rails) else rails), begin


def _header(data: Bytes, at: int, end: int) -> Tuple[Dict[str, str], List[str], int]:
    """Return the notes (word -> rest of its line), the columns, and where the rows begin."""
    notes: Dict[str, str] = {}
    while at < end:
        stop = data.find(b"\n", at, end)
        if stop < 0:
            break
        line = data[at:stop].decode("utf-8", "replace").rstrip("\r")
        if line.startswith("# "):
            word, _, rest = line[2:].partition(" ")
            notes[word] = rest
        elif line.startswith("t_us,") and line.endswith(",status"):
            return notes, line.split(","), stop + 1
        elif line.strip() and not line.startswith(("#", "t")):  # a row, so the columns are missing
            return notes, [], at
        at = stop + 1
    return notes, [], end


def _checked(word: str, text: str) -> Dict[str, Any]:
    """Return the object in a header line; raises HarnessError if it breaks its schema."""
    where = f"the `# {word}` line"
    remedy = "repair that line (JSON), or cut this segment out of the log"
    try:
        fields: Dict[str, Any] = parse(text)
    except ValueError as problem:
        raise HarnessError(f"{where} is damaged: {problem}", remedy) from None
    _SCHEMAS[word].check(fields, where, remedy=remedy)
    return fields


_SCHEMAS = {"source": LOGGED_SOURCE, "clock": CLOCK}
