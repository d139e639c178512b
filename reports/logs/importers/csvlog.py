"""Read any CSV with times and watts, told by its column names or by a map."""

import csv
import re
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import ReportError
from joulebird.reports.logs.importers import cells
from joulebird.reports.logs.powerlog import Segment

_TIME = re.compile(
    r"(t|time|timestamp|elapsed|seconds|date|datetime)([_ ]?[\[(]?(s|ms|us|µs|ns|sec|min|h|utc)[\])]?)?"
)
MAX_W = 1e6  # a log of ours has no room for more, either; both fit integers of nanowatts and microseconds
MAX_S = 1e10  # counted from 1970, the year 2286
_SPOILT = "mend or cut that line, or say which columns hold times and watts, and in which unit: --map t=COL,w=COL (or mw=)"
_REMEDY = (
    "say which columns to read: --map t=COL,w=COL (or mw=, v= and a=, j=; names, or numbers from 1)"
)


class Columns(NamedTuple):
    """Where things stand: index and name of the time column, and of each rail (name, kind, index or indices, factor)."""

    time: int
    time_name: str
    rails: tuple


def import_csv(
    path: str, lines: list[str], mapping: str | None, per_watt: int
) -> tuple[Segment, tuple[str, ...]]:
    """Read a CSV; gives one segment with powers in 1/per_watt W. Rows without a time are damaged, rows without a number failed reads.

    Raises ReportError for what is no CSV, columns that are not there, and times and powers that no log can hold.
    """
    delimiter = _delimiter(lines)
    rows = _rows(path, lines, delimiter)
    header_at = _header_row(rows)
    header = (
        [name.strip().lstrip("#").strip() for name in rows[header_at]]
        if header_at is not None
        else []
    )
    first = 0 if header_at is None else header_at + 1
    body = rows[first:]
    columns = _mapped(path, mapping, header, body) if mapping else _guessed(path, header, body)
    t_us, watts, read, damaged, numbers = _values(path, body, columns, header, first + 1)
    if any(kind == "j" for _, kind, _, _ in columns.rails):
        refuse_beyond(path, numbers, watts, MAX_W * MAX_S, "J")
        watts, read = _differences(t_us, watts, read, columns)
    refuse_beyond(path, numbers, np.where(read, watts, 0.0), MAX_W, "W")
    power = np.zeros(watts.shape, dtype=np.int64)
    power[read] = np.rint(watts[read] * per_watt).astype(np.int64)
    names = tuple(name for name, *_ in columns.rails)
    counter = columns.rails[0][1] == "j"
    source = {
        "name": "csv",
        "sampling": "counter" if counter else "snapshot",
        "scope": "unknown",
        "rails": list(names),
        "total": [names[0]],
        "real": True,
    }
    failed = int((~read).any(axis=1).sum())
    return Segment(
        source,
        {"boot_id": ""},
        names,
        t_us,
        power,
        read,
        {"unread": failed} if failed else {},
        damaged,
    ), ()


def refuse_beyond(path: str, lines: list[int], values: np.ndarray, limit: float, unit: str) -> None:
    """Refuse values beyond a limit (or not numbers), whose rows stand in these lines of a file; raises ReportError with the first of them.

    >>> refuse_beyond("log.csv", [2, 3], np.array([[5.0], [1e300]]), 1e6, "W")
    Traceback (most recent call last):
    joulebird.harness.core.errors.ReportError: log.csv line 3: 1e+300 W cannot be
    """
    values = np.asarray(values, dtype=np.float64).reshape(len(lines), -1)
    wrong = np.argwhere(~(np.abs(values) <= limit))
    if len(wrong):
        row, column = wrong[0]
        raise ReportError(
            f"{path} line {lines[row]}: {values[row, column]:g} {unit} cannot be", _SPOILT
        )


def _rows(path: str, lines: list[str], delimiter: str) -> list[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        return list(reader)
    except csv.Error as error:
        raise ReportError(
            f"{path} line {reader.line_num}: this is no CSV ({str(error).partition(' - ')[0]})",
            "give a power log as plain text; unpack a compressed one",
        ) from None


def _delimiter(lines: list[str]) -> str:
    sample = [line for line in lines[:50] if line.strip() and not line.startswith("#")] or lines[:1]
    usual = {mark: sorted(line.count(mark) for line in sample)[len(sample) // 2] for mark in "\t;,"}
    return next((mark for mark, count in usual.items() if count), ",")


def _header_row(rows: list[list[str]]) -> int | None:
    """The last row before the data whose cells are names; None when the file begins with numbers."""
    header = None
    for i, row in enumerate(rows[:100]):
        if any(_is_number(cell) for cell in row):
            break
        if len(row) > 1:
            header = i
    return header


def _is_number(cell: str) -> bool:
    try:
        cells.number(cell)
        return True
    except ValueError:
        return False


def _mapped(path: str, mapping: str, header: list[str], body: list[list[str]]) -> Columns:
    time, rails, volts = None, [], {}
    for item in mapping.split(","):
        key, _, wanted = item.partition("=")
        key = key.strip().lower()
        if key not in ("t", "w", "mw", "v", "a", "j") or not wanted.strip():
            raise ReportError(f"--map {mapping}: cannot read {item!r}", _REMEDY)
        index = _index(path, wanted.strip(), header, body)
        name = header[index] if index < len(header) else f"column{index + 1}"
        if key == "t":
            time = (index, name)
        elif key in ("v", "a"):
            volts[key] = index
        else:
            factor = {
                "w": cells.watts_factor(name) or 1.0,
                "mw": 1e-3,
                "j": cells.joules_factor(name) or 1.0,
            }[key]
            rails.append((name, "j" if key == "j" else "w", index, factor))
    if len(volts) == 2:
        rails.append(("power", "va", (volts["v"], volts["a"]), 1.0))
    if time is None or not rails:
        raise ReportError(f"--map {mapping}: needs a time and a power", _REMEDY)
    return Columns(*time, tuple(rails))


def _index(path: str, wanted: str, header: list[str], body: list[list[str]]) -> int:
    for candidates in (header, [name.lower() for name in header]):
        if wanted in candidates:
            return candidates.index(wanted)
    width = len(header) or max((len(row) for row in body), default=0)
    if wanted.isdigit() and 1 <= int(wanted) <= width:
        return int(wanted) - 1
    raise ReportError(
        f"{path}: has no column {wanted!r}",
        f"it has: {', '.join(header) or f'{width} columns without names'}",
    )


def _guessed(path: str, header: list[str], body: list[list[str]]) -> Columns:
    """Columns by their names: a time, and every power; else a voltage and a current."""
    low = [name.lower() for name in header]
    time = next((i for i, name in enumerate(low) if _TIME.fullmatch(name)), None)
    rails = [
        (header[i], "w", i, cells.watts_factor(header[i]) or 1.0)
        for i, name in enumerate(low)
        if i != time
        and (
            cells.watts_factor(name) is not None
            or name.startswith(("power", "watt"))
            or name == "p"
        )
    ]
    if not rails:
        volt, amp = (
            [i for i, name in enumerate(low) if name.startswith(words)][:1]
            for words in (("volt",), ("current", "amp"))
        )
        rails = [("power", "va", (volt[0], amp[0]), 1.0)] if volt and amp else []
    if time is None or not rails or not body:
        names = ", ".join(header[:8]) or "without names"
        raise ReportError(
            f"{path}: not a power log that is known here (columns: {names if names.isprintable() else 'not text'})",
            _REMEDY,
        )
    return Columns(time, header[time], tuple(rails))


def _values(
    path: str, body: list[list[str]], columns: Columns, header: list[str], first_line: int
) -> tuple:
    """Microseconds, watts (or joules), what was read, the number of damaged rows, and the line of each row that was not."""
    times, watts, read, numbers, damaged, factor = [], [], [], [], 0, None
    width = len(header) or max(len(row) for row in body)
    for line, row in enumerate(body, first_line):
        if not row or not "".join(row).strip("\0 "):
            damaged += bool(row)
            continue
        try:
            t_s, factor = _time(row[columns.time], columns.time_name, factor)
        except (IndexError, ValueError):
            damaged += 1
            continue
        if len(row) != width:
            damaged += 1
            continue
        values = [_power(row, rail) for rail in columns.rails]
        times.append(t_s)
        numbers.append(line)
        watts.append([0.0 if value is None else value for value in values])
        read.append([value is not None for value in values])
    shape = (len(times), len(columns.rails))
    watts, read = (
        np.array(watts, dtype=np.float64).reshape(shape),
        np.array(read, dtype=bool).reshape(shape),
    )
    refuse_beyond(path, numbers, times, MAX_S, "s")
    t_us = np.rint(np.array(times, dtype=np.float64) * 1e6).astype(np.int64)
    return t_us, watts, read, damaged, numbers


def _time(cell: str, name: str, factor: float | None) -> tuple[float, float | None]:
    try:
        value, unit = cells.number(cell)
    except ValueError:
        return cells.instant(cell), factor
    if unit:
        return value * cells.seconds_factor("_" + unit, 0.0), factor
    factor = cells.seconds_factor(name, value) if factor is None else factor
    return value * factor, factor


def _power(row: list[str], rail: tuple) -> float | None:
    """Watts (or, for a counter, joules) of a rail in this row; None when the cell holds no number."""
    _, kind, index, factor = rail
    try:
        if kind == "va":
            return cells.number(row[index[0]])[0] * cells.number(row[index[1]])[0]
        if kind == "j":
            return cells.number(row[index])[0] * factor
        return cells.to_watts(row[index], factor)
    except ValueError:
        return None


def _differences(
    t_us: np.ndarray, joules: np.ndarray, read: np.ndarray, columns: Columns
) -> tuple[np.ndarray, np.ndarray]:
    """Mean watts since the last reading, for the columns that count joules; where a counter went back, a failed read."""
    watts, read = joules.copy(), read.copy()
    for k, (_, kind, _, _) in enumerate(columns.rails):
        if kind != "j":
            continue
        known = np.flatnonzero(read[:, k])
        step, spent = np.diff(joules[known, k]), np.diff(t_us[known]) / 1e6
        good = (step >= 0) & (spent > 0)
        watts[known[1:], k] = np.divide(step, spent, out=np.zeros_like(step), where=good)
        read[known[1:], k] = good
        watts[known[:1], k] = 0.0
    return watts, read
