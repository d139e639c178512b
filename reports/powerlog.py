"""Read `power.csv`, the project's own log: segments of fixed-width integer rows (ARCHITECTURE.md, "power.csv, format 1")."""
import json
import mmap
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np

from reports.errors import ReportError
from reports.rows import read_rows

FORMAT = 1
MAGIC = b"# joulebird-power-log "


class Segment(NamedTuple):
    """One unbroken stretch of a log: its source and clock, times in microseconds, (n, rails) powers and which of them were read."""

    source: dict
    clock: dict
    rails: tuple
    t_us: np.ndarray
    power: np.ndarray
    read: np.ndarray
    failures: dict
    damaged: int


def read_segments(path: str, block_rows: int = 65536) -> Iterator[Segment]:
    """Read all segments of a log of ours; raises ReportError for an empty, unreadable or newer file."""
    with _mapped(path) as data:
        at = 0
        while at < len(data):
            following = data.find(b"\n" + MAGIC, at)
            end = len(data) if following < 0 else following + 1
            segment = _segment(path, data, at, end, block_rows)
            if segment is not None:
                yield segment
            at = end


def _mapped(path: str) -> mmap.mmap:
    try:
        with Path(path).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise ReportError(f"{path}: the log is empty", "record again: a log has at least its header lines") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror})", "check the name and the permissions of the file") from None


def _segment(path: str, data: Any, at: int, end: int, block_rows: int) -> Segment | None:
    """The segment in bytes at..end; None when its header was cut short and no row followed."""
    notes, columns, body = _header(data, at, end)
    line = data[:at].count(b"\n") + 1 if at else 1
    check_format(notes.get("joulebird-power-log", ""), f"{path} line {line}")
    if columns is None or "source" not in notes or "clock" not in notes:
        if body < end:
            raise ReportError(f"{path} line {line}: the header of this segment is incomplete",
                              "restore its `# source`, `# clock` and column lines, or cut this segment out of the log")
        return None
    source, clock = _json(notes["source"], path, line), _json(notes["clock"], path, line)
    rails = tuple(name[:-3] for name in columns[1:-1])
    named = tuple(str(rail) for rail in source.get("rails", ()))
    rails = named if len(named) == len(rails) else rails        # a column's name may be a rail's without its blanks
    parts, damaged = [], 0
    for rows, bad in read_rows(np.frombuffer(data[body:end], dtype=np.uint8), len(rails), block_rows):
        parts.append(rows)
        damaged += bad
    return _joined(source, clock, rails, parts, damaged)


def _header(data: Any, at: int, end: int) -> tuple:
    """The notes ({word: rest of line}), the column names or None, and where the rows begin."""
    notes, columns = {}, None
    while at < end:
        stop = data.find(b"\n", at, end)
        line = data[at:end if stop < 0 else stop].decode("utf-8", "replace").rstrip("\r")
        if line.startswith("# ") and stop >= 0:
            word, _, rest = line[2:].partition(" ")
            notes[word] = rest
        elif line.startswith("t_us,") and line.endswith(",status") and stop >= 0:
            return notes, line.split(","), stop + 1
        elif line.strip() and stop >= 0 and not line.startswith("#"):
            return notes, columns, at
        at = end if stop < 0 else stop + 1
    return notes, columns, end


def check_format(version: str, where: str) -> None:
    """Accept format 1; raises ReportError for a newer format or none."""
    if not version.strip().isdigit():
        raise ReportError(f"{where}: not the first line of a joulebird power log",
                          "give a log written by joulebird, or say --map t=COL,w=COL")
    if int(version) > FORMAT:
        raise ReportError(f"{where}: power log of format {int(version)}, and this joulebird reads up to {FORMAT}", "update joulebird")


def _json(text: str, path: str, line: int) -> dict:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ReportError(f"{path}: the header of the segment at line {line} is damaged",
                          "repair its `# source` and `# clock` lines (JSON)")
    return value


def _joined(source: dict, clock: dict, rails: tuple, parts: list, damaged: int) -> Segment:
    failures: dict = {}
    for rows in parts:
        for word in rows.words:
            failures[word] = failures.get(word, 0) + 1
    if not parts:
        none = np.zeros((0, len(rails)))
        return Segment(source, clock, rails, np.zeros(0, np.int64), none.astype(np.int64), none.astype(bool), failures, damaged)
    t_us, power, read = (np.concatenate([getattr(rows, name) for rows in parts]) for name in ("t_us", "mw", "read"))
    return Segment(source, clock, rails, t_us, power, read, failures, damaged)
