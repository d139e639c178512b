"""Read the cells of foreign logs, and make segments of them.

Numbers have units, times the forms that loggers write; segments hold nanowatts.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.powerlog import Segment

_NUMBER = re.compile(r"^\s*([-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zµ]*)\s*$")
WATTS = {
    "w": 1.0,
    "watt": 1.0,
    "watts": 1.0,
    "mw": 1e-3,
    "uw": 1e-6,
    "µw": 1e-6,
    "kw": 1e3,
}
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
    "h": 3600.0,
}
JOULES = {"j": 1.0, "mj": 1e-3, "uj": 1e-6, "kj": 1e3, "wh": 3600.0, "mwh": 3.6, "kwh": 3.6e6}
_UNIT_IN_NAME = re.compile(r"(?:[_\s.]|[\[(]\s*)([A-Za-zµ]+)\s*[\])]?\s*$")
_FORMS = (
    "%Y/%m/%d %H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S",
    "%m-%d-%Y %H:%M:%S.%f",
    "%m-%d-%Y %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%H:%M:%S.%f",
    "%H:%M:%S",
)


def number(cell: str) -> tuple[float, str]:
    """Return the number in a cell and its unit; a decimal comma is understood.

    Raises ValueError when there is none (empty, N/A, NaN).

    >>> number(" 12,5 mW")
    (12.5, 'mW')
    """
    match = _NUMBER.match(cell)
    value = float(match.group(1).replace(",", ".")) if match else math.nan
    if not match or not math.isfinite(value):
        raise ValueError(cell)
    return value, match.group(2)


def unit_of(column: str, units: dict[str, float]) -> float | None:
    """Return the factor of the unit at the end of a column's name, if it is one of `units`.

    >>> unit_of("VDD_IN_mw", {"mw": 1e-3}), unit_of("Power (W)", {"w": 1.0}), unit_of("power", {})
    (0.001, 1.0, None)
    """
    match = _UNIT_IN_NAME.search(" " + column)
    return units.get(match.group(1).lower()) if match else None


def seconds_factor(column: str, sample: float) -> float:
    """Return seconds per unit of a time column, from its name or the size of a count since 1970.

    >>> seconds_factor("time_ms", 5.0), seconds_factor("t", 1.7e12), seconds_factor("time", 3.2)
    (0.001, 0.001, 1.0)
    """
    known = unit_of(column, _SECONDS)
    if known is not None:
        return known
    return 1e-9 if sample > 1e17 else 1e-6 if sample > 1e14 else 1e-3 if sample > 1e11 else 1.0


def to_watts(cell: str, factor: float | None) -> float:
    """Return the watts in a cell; the cell's own unit goes before the column's."""
    value, unit = number(cell)
    if unit and unit.lower() not in WATTS:
        raise ValueError(cell)
    return value * (WATTS[unit.lower()] if unit else 1.0 if factor is None else factor)


def instant(text: str) -> float:
    """Return the seconds of a date and time (UTC by default) or of a time of day.

    Raises ValueError when it is neither.

    >>> instant("1970-01-01T00:01:00Z"), instant("00:01:00.5")
    (60.0, 60.5)
    """
    text = text.strip().strip('"')
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = _by_form(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    if when.year != 1900:
        return when.timestamp()
    return when.hour * 3600 + when.minute * 60 + when.second + when.microsecond / 1e6


def _by_form(text: str) -> datetime:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise ValueError(text)


NW_PER_W = 1_000_000_000
MAX_W = 1e6  # the limit of our own logs too; nanowatts and microseconds below both fit integers
MAX_S = 1e10  # counted from 1970, the year 2286
SPOILT = (
    "mend or cut that line, or name the columns of times and watts, and their unit: "
    "--map t=COL,w=COL (or mw=)"
)


def foreign_segment(
    facts: Mapping[str, object],
    rails: Sequence[str],
    times_s: Sequence[float] | np.ndarray,
    watts: np.ndarray,
    read: np.ndarray,
    damaged: int,
) -> Segment:
    """Return one segment of an unknown boot: seconds, (n, rails) watts, which of them were read.

    `facts` are the source's name, sampling, scope and total.
    """
    t_us = np.rint(np.asarray(times_s, dtype=np.float64) * 1e6).astype(np.int64)
    power = np.rint(np.where(read, watts, 0.0) * NW_PER_W).astype(np.int64)
    failed = int((~read).any(axis=1).sum())
    return Segment(
        {**facts, "rails": list(rails), "real": True},
        {"boot_id": ""},
        tuple(rails),
        t_us,
        power,
        read,
        {"unread": failed} if failed else {},
        damaged,
    )


def refuse_beyond(
    path: str, lines: list[int], values: Sequence[float] | np.ndarray, limit: float, unit: str
) -> None:
    """Raise HarnessError for the first value beyond a limit (or NaN); `lines` are its rows' lines.

    >>> refuse_beyond("log.csv", [2, 3], np.array([[5.0], [1e300]]), 1e6, "W")
    Traceback (most recent call last):
    joulebird.harness.core.errors.HarnessError: log.csv line 3: 1e+300 W cannot be
    """
    table = np.asarray(values, dtype=np.float64)
    wrong = np.argwhere(~(np.abs(table) <= limit))
    if len(wrong):
        line, value = lines[wrong[0, 0]], table[tuple(wrong[0])]
        raise HarnessError(f"{path} line {line}: {value:g} {unit} cannot be", SPOILT)
