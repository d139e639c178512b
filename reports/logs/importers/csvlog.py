"""Read any CSV with times and watts: find its columns by a map of the user's, or by their names."""

import csv
import re
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import cells
from joulebird.reports.logs.importers.cells import MAX_S, MAX_W, foreign_segment, refuse_beyond
from joulebird.reports.logs.powerlog import Segment

_TIME = re.compile(
    r"(t|time|timestamp|elapsed|seconds|date|datetime)"
    r"([_ ]?[\[(]?(s|ms|us|µs|ns|sec|min|h|utc)[\])]?)?"
)
_POWER = ("power", "watt")
_KEYS = ("t", "w", "mw", "v", "a", "j")
REMEDY = (
    "say which columns to read: --map t=COL,w=COL (or mw=, v= and a=, j=; names, or numbers from 1)"
)


class Rail(NamedTuple):
    """A column of watts, or of joules (a `counter`); with `amps`, one of volts and one of amperes.

    The numbers are multiplied by `factor`.
    """

    name: str
    column: int
    factor: float = 1.0
    counter: bool = False
    amps: int | None = None


class Columns(NamedTuple):
    """Index and name of the time column, and the rails."""

    time: int
    time_name: str
    rails: tuple[Rail, ...]


class Sheet(NamedTuple):
    """The rows of a CSV with the names of its columns (none: it has no header)."""

    path: str
    header: list[str]
    body: list[list[str]]
    first_line: int

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return len(self.header) or max((len(row) for row in self.body), default=0)


def mapped(sheet: Sheet, mapping: str) -> Columns:
    """Return the columns that a map names: "t=COL,w=COL"."""
    time, rails, parts = None, [], {}
    for item in mapping.split(","):
        key, wanted = (part.strip() for part in item.partition("=")[::2])
        key = key.lower()
        if key not in _KEYS or not wanted:
            raise HarnessError(f"--map {mapping}: cannot read {item!r}", REMEDY)
        index = _index(sheet, wanted)
        name = sheet.header[index] if index < len(sheet.header) else f"column{index + 1}"
        if key == "t":
            time = (index, name)
        elif key in ("v", "a"):
            parts[key] = index
        else:
            known = cells.unit_of(name, cells.JOULES if key == "j" else cells.WATTS)
            factor = 1e-3 if key == "mw" else known or 1.0
            rails.append(Rail(name, index, factor, counter=key == "j"))
    if len(parts) == 2:
        rails.append(Rail("power", parts["v"], amps=parts["a"]))
    if time is None or not rails:
        raise HarnessError(f"--map {mapping}: needs a time and a power", REMEDY)
    return Columns(*time, tuple(rails))


def _index(sheet: Sheet, wanted: str) -> int:
    for candidates in (sheet.header, [name.lower() for name in sheet.header]):
        if wanted in candidates:
            return candidates.index(wanted)
    if wanted.isdigit() and 1 <= int(wanted) <= sheet.width:
        return int(wanted) - 1
    names = ", ".join(sheet.header) or f"{sheet.width} columns without names"
    raise HarnessError(f"{sheet.path}: has no column {wanted!r}", f"it has: {names}")


def guessed(sheet: Sheet) -> Columns:
    """Return the columns by their names: a time, and every power; else a voltage and a current."""
    names = [name.lower() for name in sheet.header]
    time = next((i for i, name in enumerate(names) if _TIME.fullmatch(name)), None)
    rails = [
        Rail(sheet.header[i], i, cells.unit_of(name, cells.WATTS) or 1.0)
        for i, name in enumerate(names)
        if i != time
        and (cells.unit_of(name, cells.WATTS) or name.startswith(_POWER) or name == "p")
    ]
    if not rails:
        volts = [i for i, name in enumerate(names) if name.startswith("volt")][:1]
        amps = [i for i, name in enumerate(names) if name.startswith(("current", "amp"))][:1]
        rails = [Rail("power", v, amps=a) for v, a in zip(volts, amps, strict=False)]
    if time is None or not rails or not sheet.body:
        known = ", ".join(sheet.header[:8]) or "without names"
        shown = known if known.isprintable() else "not text"
        raise HarnessError(
            f"{sheet.path}: not a power log that is known here (columns: {shown})", REMEDY
        )
    return Columns(time, sheet.header[time], tuple(rails))


class _Values(NamedTuple):
    """Seconds, (n, rails) watts (or joules), which of them were read, and the line of each row."""

    times_s: np.ndarray
    watts: np.ndarray
    read: np.ndarray
    lines: list[int]
    damaged: int


def import_csv(path: str, lines: list[str], mapping: str | None) -> Segment:
    """Return the segment of a CSV.

    Rows without a time are damaged, rows without a number failed reads. Raises HarnessError for a
    file that is no CSV, absent columns, and times and powers beyond the limits of a log.
    """
    sheet = _sheet(path, lines)
    columns = mapped(sheet, mapping) if mapping else guessed(sheet)
    values = _values(sheet, columns)
    refuse_beyond(path, values.lines, values.times_s, MAX_S, "s")
    if any(rail.counter for rail in columns.rails):
        refuse_beyond(path, values.lines, values.watts, MAX_W * MAX_S, "J")
        values = _differences(values, columns)
    watts = np.where(values.read, values.watts, 0.0)
    refuse_beyond(path, values.lines, watts, MAX_W, "W")
    first = columns.rails[0]
    facts = {
        "name": "csv",
        "sampling": "counter" if first.counter else "snapshot",
        "scope": "unknown",
        "total": [first.name],
    }
    names = [rail.name for rail in columns.rails]
    return foreign_segment(facts, names, values.times_s, watts, values.read, values.damaged)


def _sheet(path: str, lines: list[str]) -> Sheet:
    reader = csv.reader(lines, delimiter=_delimiter(lines))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise HarnessError(
            f"{path} line {reader.line_num}: this is no CSV ({str(error).partition(' - ')[0]})",
            "give a power log as plain text; unpack a compressed one",
        ) from None
    header_at = _header_row(rows)
    if header_at is None:
        return Sheet(path, [], rows, 1)
    header = [name.strip().lstrip("#").strip() for name in rows[header_at]]
    return Sheet(path, header, rows[header_at + 1 :], header_at + 2)


def _delimiter(lines: list[str]) -> str:
    sample = [line for line in lines[:50] if line.strip() and not line.startswith("#")] or lines[:1]
    usual = {mark: sorted(line.count(mark) for line in sample)[len(sample) // 2] for mark in "\t;,"}
    return next((mark for mark, count in usual.items() if count), ",")


def _header_row(rows: list[list[str]]) -> int | None:
    """Return the last row of names before the data; None when the file begins with numbers."""
    numbers = (i for i, row in enumerate(rows[:100]) if any(map(_is_number, row)))
    names = [i for i, row in enumerate(rows[: next(numbers, 100)]) if len(row) > 1]
    return names[-1] if names else None


def _is_number(cell: str) -> bool:
    try:
        cells.number(cell)
        return True
    except ValueError:
        return False


def _values(sheet: Sheet, columns: Columns) -> _Values:
    rows, factor = [], None
    for line, row in enumerate(sheet.body, sheet.first_line):
        try:
            t_s, factor = _time(row[columns.time], columns.time_name, factor)
        except (IndexError, ValueError):
            continue
        if len(row) == sheet.width:
            rows.append((line, t_s, [_power(row, rail) for rail in columns.rails]))
    shape = len(rows), len(columns.rails)
    watts = np.array([powers for _, _, powers in rows], dtype=np.float64).reshape(shape)
    read = ~np.isnan(watts)  # None became NaN
    return _Values(
        np.array([t_s for _, t_s, _ in rows], dtype=np.float64),
        np.where(read, watts, 0.0),
        read,
        [line for line, _, _ in rows],
        sum(map(bool, sheet.body)) - len(rows),
    )


def _time(cell: str, name: str, factor: float | None) -> tuple[float, float | None]:
    """Return the seconds in a cell, and the factor of the column once it is known."""
    try:
        value, unit = cells.number(cell)
    except ValueError:
        return cells.instant(cell), factor
    if unit:
        return value * cells.seconds_factor("_" + unit, 0.0), factor
    factor = cells.seconds_factor(name, value) if factor is None else factor
    return value * factor, factor


def _power(row: list[str], rail: Rail) -> float | None:
    """Return a rail's watts (or, for a counter, joules); None when the cell holds no number."""
    try:
        if rail.amps is not None:
            return cells.number(row[rail.column])[0] * cells.number(row[rail.amps])[0]
        if rail.counter:
            return cells.number(row[rail.column])[0] * rail.factor
        return cells.to_watts(row[rail.column], rail.factor)
    except ValueError:
        return None


def _differences(values: _Values, columns: Columns) -> _Values:
    """Replace a counter's joules by the mean watts since its last reading.

    A reading of a counter that went back is failed.
    """
    watts, read = values.watts.copy(), values.read.copy()
    t_us = np.rint(values.times_s * 1e6).astype(np.int64)
    for k, rail in enumerate(columns.rails):
        if not rail.counter:
            continue
        known = np.flatnonzero(read[:, k])
        step, spent = np.diff(watts[known, k]), np.diff(t_us[known]) / 1e6
        good = (step >= 0) & (spent > 0)
        watts[known[1:], k] = np.divide(step, spent, out=np.zeros_like(step), where=good)
        read[known[1:], k] = good
        watts[known[:1], k] = 0.0
    return values._replace(watts=watts, read=read)
