"""Read `power.csv`, the project's own log: segments of fixed-width integer rows (ARCHITECTURE.md, "power.csv, format 1")."""

import json
import mmap
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np

from joulebird.harness.core.errors import ReportError
from joulebird.reports.logs.rows import read_rows, row_width

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
    data, at = _mapped(path), 0  # never closed by hand: arrays look into it while a segment is read
    while at < len(data):
        following = data.find(b"\n" + MAGIC, at)
        end = len(data) if following < 0 else following + 1
        segment = _segment(path, data, at, end, block_rows)
        if segment is not None:
            yield segment
        at = end


def first_source(path: str) -> dict | None:
    """What the source said of itself in the first header of a log; None when no row follows any header. Reads little of the file."""
    data = _mapped(path)
    notes, columns, body = _header(data, 0, len(data))
    check_format(notes.get("joulebird-power-log", ""), path)
    if columns is None or "source" not in notes or body >= len(data):
        segment = next((s for s in read_segments(path) if len(s.t_us)), None)
        return None if segment is None else segment.source
    return _json(notes["source"], path, 1)


def has_rows(path: str) -> bool:
    """Whether a log holds more than its header: a recorder that failed at once leaves only that, or nothing."""
    with open(path, "rb") as file:
        return any(
            line[:1] not in (b"#", b"t", b"\n", b"") for line in file.read(65536).splitlines()
        )


def _mapped(path: str) -> mmap.mmap:
    try:
        with Path(path).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise ReportError(
            f"{path}: the log is empty", "record again: a log has at least its header lines"
        ) from None
    except OSError as error:
        raise ReportError(
            f"{path}: cannot be read ({error.strerror})",
            "check the name and the permissions of the file",
        ) from None


def _segment(path: str, data: Any, at: int, end: int, block_rows: int) -> Segment | None:
    """The segment in bytes at..end; None when its header was cut short and no row followed."""
    notes, columns, body = _header(data, at, end)
    line = data[:at].count(b"\n") + 1 if at else 1
    check_format(notes.get("joulebird-power-log", ""), f"{path} line {line}")
    if columns is None or "source" not in notes or "clock" not in notes:
        if body < end:
            raise ReportError(
                f"{path} line {line}: the header of this segment is incomplete",
                "restore its `# source`, `# clock` and column lines, or cut this segment out of the log",
            )
        return None
    source, clock = _json(notes["source"], path, line), _json(notes["clock"], path, line)
    rails = tuple(name[:-3] for name in columns[1:-1])
    named = tuple(str(rail) for rail in source.get("rails", ()))
    rails = (
        named if len(named) == len(rails) else rails
    )  # a column's name may be a rail's without its blanks
    text = np.frombuffer(data, np.uint8, end - body, body) if body < end else np.zeros(0, np.uint8)
    return _filled(source, clock, rails, text, block_rows)


def _filled(source: dict, clock: dict, rails: tuple, text: np.ndarray, block_rows: int) -> Segment:
    """The segment whose rows are in `text`, decoded into arrays of their final size (a reading fits 32 bits: nine digits)."""
    room = len(text) // row_width(len(rails))
    t_us, power, read = (
        np.empty(room, np.int64),
        np.empty((room, len(rails)), np.int32),
        np.empty((room, len(rails)), bool),
    )
    failures: dict = {}
    at = damaged = 0
    for rows, bad in read_rows(text, len(rails), block_rows):
        to = at + len(rows.t_us)
        t_us[at:to], power[at:to], read[at:to] = rows.t_us, rows.mw, rows.read
        at, damaged = to, damaged + bad
        for word in rows.words:
            failures[word] = failures.get(word, 0) + 1
    return Segment(source, clock, rails, t_us[:at], power[:at], read[:at], failures, damaged)


def _header(data: Any, at: int, end: int) -> tuple:
    """The notes ({word: rest of line}), the column names or None, and where the rows begin."""
    notes, columns = {}, None
    while at < end:
        stop = data.find(b"\n", at, end)
        line = data[at : end if stop < 0 else stop].decode("utf-8", "replace").rstrip("\r")
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
        raise ReportError(
            f"{where}: not the first line of a joulebird power log",
            "give a log written by joulebird, or say --map t=COL,w=COL",
        )
    if int(version) > FORMAT:
        raise ReportError(
            f"{where}: power log of format {int(version)}, and this joulebird reads up to {FORMAT}",
            "update joulebird",
        )


def _json(text: str, path: str, line: int) -> dict:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ReportError(
            f"{path}: the header of the segment at line {line} is damaged",
            "repair its `# source` and `# clock` lines (JSON)",
        )
    return value
