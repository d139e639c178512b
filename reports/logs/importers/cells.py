"""Read the cells of foreign logs, and the names of their columns.

Numbers have units and decimal marks, times the forms that loggers write.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from joulebird.harness.core.errors import HarnessError

_PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6}
_LONG = {"nano": 1e-9, "micro": 1e-6, "milli": 1e-3, "": 1.0, "kilo": 1e3, "mega": 1e6}
_BASES = {
    "w": (("W", "watt", 1.0),),
    "j": (("J", "joule", 1.0), ("Ws", "wattsecond", 1.0), ("Wh", "watthour", 3600.0)),
    "v": (("V", "volt", 1.0),),
    "a": (("A", "amp", 1.0), ("A", "ampere", 1.0)),
}
UNITS = {
    kind: {
        name: factor * unit
        for symbol, word, unit in bases
        for short, long in (((symbol, symbol.lower()), (word, word + "s")),)
        for prefixes, names in ((_PREFIXES, short), (_LONG, long))
        for prefix, factor in prefixes.items()
        for name in (prefix + names[0], prefix + names[1])
    }
    for kind, bases in _BASES.items()
}
UNITS["t"] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
    **dict.fromkeys(("h", "hours"), 3600.0),
    **dict.fromkeys(("day", "days"), 86400.0),
}
_UNIT = tuple(
    re.compile(form)
    for form in (
        r"[\[(]\s*([A-Za-zµμ]+)\s*[\])]",
        r"(?:^|[_\s./,:-])([A-Za-zµμ]+)\s*$",
        r"(?<=[a-z])([A-Z][A-Za-z]*)$",
        r"(Watts?|Joules?|Volts?|Amps?)$",
    )
)
BRACKETS = _UNIT[0]
_LETTER = re.compile(r"\s*[A-Za-z]\s*[\[(]\s*[A-Za-zµμ°]+\s*[\])]")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMES = {
    "w": {"power", "pwr", "p", "draw"},
    "j": {"energy"},
    "v": {"voltage", "volt", "volts", "u", "v", "vbus"},
    "a": {"current", "amp", "amps", "i"},
}
_TIMES = {
    *("t", "ts", "time", "timestamp", "datetime", "date", "elapsed", "epoch", "unix", "utc"),
    *("clock", "stamp", "unixtime", "asctime", *UNITS["t"]),
}
_NO_TIME = {
    *("ticks", "cycles", "samples", "frames", "jiffies", "duration", "delta", "interval", "dt"),
    *("cpu", "uptime", "up", "end", "max", "window"),
}
# a power by its unit or name that is none: a limit, a state, a statistic
_NO_READING = {
    *("limit", "factor", "state", "cap", "max", "min", "maximum", "minimum", "peak", "std", "mode"),
    *("stdev", "setpoint", "target", "budget", "tdp", "reactive", "apparent", "var", "va", "count"),
    *("default", "enforced", "management", "managed", "threshold", "warn", "crit", "status", "id"),
    *("shunt", "percent", "pct", "supply", "utilization", "range", "offset", "temp", "cost", "pf"),
    *("dbm", "bm", "db", "dbw", "hp", "btu", "raw", "adc", "counts", "norm", "normalized", "score"),
    *("saved", "requested", "rated", "nominal", "cyc", "cycle", "cycles"),
}
_MEANS = {"avg", "average", "mean", "smoothed", "filtered"}


def words_in(name: str) -> set[str]:
    """Return the words of a column's name in small letters, camel case divided.

    >>> sorted(words_in("avg_powerDraw [W]"))
    ['avg', 'draw', 'power', 'w']
    """
    return {word.lower() for word in _WORDS.findall(name)}


def factor_of(unit: str, kind: str) -> float | None:
    """Return the factor of a unit of time (t), watts, joules, volts or amperes (w, j, v, a).

    >>> factor_of("mW", "w"), factor_of("MW", "w"), factor_of("KW", "w"), factor_of("mV", "w")
    (0.001, 1000000.0, 1000.0, None)
    """
    known = UNITS[kind]
    return known.get(unit, known.get(unit.lower()))


def unit_in(name: str, kind: str) -> str:
    """Return the unit of a kind that a column's name ends with or has in brackets; else "".

    >>> unit_in("Main(mA)", "a"), unit_in("VDD_IN_mw", "w"), unit_in("PkgWatt", "w")
    ('mA', 'mw', 'Watt')
    """
    found = (text for form in _UNIT for text in form.findall(name.strip()))
    return next((text for text in found if factor_of(text, kind)), "")


def kind_of(name: str, unit: str = "") -> str:
    """Return t, w, j, v or a for a column by its name and unit; "?" for a mean; "" for others.

    >>> [kind_of(name) for name in ("Time(ms)", "power.limit [W]", "avg_power", "VDD_IN_mw", "U")]
    ['t', '', '?', 'w', 'v']
    """
    words = words_in(name)
    kinds = (kind for kind in "wjva" if unit_in(name, kind) or (unit and factor_of(unit, kind)))
    named = (kind for kind, known in _NAMES.items() if words & known)
    letter = bool(_LETTER.match(name))  # P [bar] is no power, T [C] no time
    kind = next(kinds, "") or ("" if letter else next(named, ""))
    if kind and not (words & _NO_READING or "%" in name):
        return "?" if words & _MEANS else kind
    timed = words & _TIMES and (not letter or unit_in(name, "t"))
    if timed and not (words - set(UNITS["t"])) & (_NO_TIME | _NO_READING):
        return "t" if not kind else ""
    return ""


NUMBER = re.compile(r"([-+]?[\d.,'\u00a0\u202f ]*\d[.,]?(?:[eE][-+]?\d+)?)\s*([A-Za-zµμ]*)")
_GROUPS = {mark: re.compile(rf"[-+]?[1-9]\d{{0,2}}(\{mark}\d{{3}})+") for mark in ".,"}

_TORN = 0.05  # of the numbers, which may have lost digits
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+\s*[A-Za-zµμ]*")


def decimal_marks(texts: Sequence[str]) -> str:
    """Return the decimal marks of some numbers: ".", "," or both; "" where it cannot be known.

    >>> [decimal_marks(t) for t in (["1,5"], ["1,234.5"], ["1.234,5"], ["0.1", "1,234"], ["1,234"])]
    [',', '.', ',', '.', '']
    """
    pairs = {max(".,", key=text.rfind) for text in texts if "." in text and "," in text}
    if len(pairs) == 1:
        return pairs.pop()
    alone = {
        mark: [not group.fullmatch(text) for text in texts if mark in text]
        for mark, group in _GROUPS.items()
    }
    marks = "".join(mark for mark in ".," if sum(alone[mark]) > _TORN * len(alone[mark]))
    if marks == "," or not alone[","]:
        return marks or "."
    several = any(text.count(",") > 1 for text in texts)
    return marks or ("." if several else "")


def grouped(texts: Sequence[str]) -> list[str]:
    """Return the numbers if (nearly) all may have a point between their thousands; else [].

    >>> grouped(["12.345", "1.000"]), grouped(["12.345", "1.5"])
    (['12.345', '1.000'], [])
    """
    points = [text.strip() for text in texts if "." in text]
    found = [text for text in points if _GROUPED.fullmatch(text)]
    return found if len(found) >= (1 - _TORN) * len(points) else []


def number(cell: str, marks: str = ".,") -> tuple[float, str]:
    """Return the number in a cell and its unit, with the decimal marks given.

    NaN when there is none (empty, N/A, NaN).

    >>> number(" 12,5 mW"), number("1,234.5 W", "."), number("N/A")
    ((12.5, 'mW'), (1234.5, 'W'), (nan, ''))
    """
    match = NUMBER.fullmatch(cell.strip())
    if not match:
        return math.nan, ""
    text = re.sub("[' \u00a0\u202f]", "", match.group(1))
    if marks == ".," and text.count(".") + text.count(",") > 1:
        marks = ""
    for mark in ".,":
        text = text.replace(mark, "." if mark in marks else "")
    try:
        value = float(text)
    except ValueError:  # two decimal marks
        value = math.nan
    return (value, match.group(2)) if math.isfinite(value) else (math.nan, "")


def numbers(texts: Sequence[str], kind: str, marks: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers in cells, NaN for none, and the factor of each cell's own unit or NaN."""
    try:
        if "." not in marks:
            raise ValueError("a point stands between thousands")
        values = np.array(texts, dtype=np.float64)
        values[~np.isfinite(values)] = np.nan
        return values, np.full(len(values), np.nan)
    except ValueError:
        pairs = [_scaled(text, kind, marks) for text in texts]
        table = np.array(pairs, dtype=np.float64).reshape(len(texts), 2)
        values, own = table[:, 0], table[:, 1]
        if np.isfinite(own).sum() * 2 > np.isfinite(values).sum():
            values = np.where(np.isnan(own), np.nan, values)  # torn before its unit
        return values, own


def _scaled(text: str, kind: str, marks: str) -> tuple[float, float]:
    value, unit = number(text, marks)
    factor = factor_of(unit, kind) if unit else math.nan
    return (math.nan, math.nan) if factor is None else (value, factor)


_DATES = ("%Y/%m/%d", "%Y-%m-%d", "%m-%d-%Y", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d")
_CLOCKS = ("%H:%M:%S.%f", "%H:%M:%S", "%I:%M:%S %p", "%I:%M:%S.%f %p", "%H:%M:%S,%f")
_FORMS = (
    *(f"{date} {clock}" for date in _DATES for clock in _CLOCKS),
    "%a %b %d %H:%M:%S %Y",
    *_CLOCKS,
)
_DAY_S = 86400.0
STAMPED = " of the stamps"


def instant(text: str, form: str | None = None) -> float:
    """Return the seconds of a date and time (UTC by default) or of a time of day.

    NaN when it is not of the form; without one ISO 8601 is meant.

    >>> instant("1970-01-01T00:01:00Z"), instant("00:01:00.5", "%H:%M:%S.%f")
    (60.0, 60.5)
    """
    text = text.strip().strip("\"'")
    try:
        when = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
        when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        if when.year != 1900:
            return when.timestamp()
    except (ValueError, OverflowError):
        return math.nan
    return when.hour * 3600 + when.minute * 60 + when.second + when.microsecond / 1e6


def instants(texts: Sequence[str]) -> tuple[np.ndarray, str]:
    """Return the seconds of each date or time of day, NaN for others, and the zone in words.

    A time of day that falls by half a day or more is of the next day. Raises ValueError when two
    orders of day and month give other lengths.
    """
    found: list[str | None] = []
    for first in texts:
        found = [form for form in (None, *_FORMS) if math.isfinite(instant(first, form))]
        if found:
            break
    readings = [np.array([instant(text, form) for text in texts]) for form in found]
    if not readings:
        return np.full(len(texts), np.nan), ""
    fullest = max(int(np.isfinite(times).sum()) for times in readings)
    kept = [times for times in readings if np.isfinite(times).sum() == fullest]
    if len({round(float(np.nanmax(times) - np.nanmin(times))) for times in kept}) > 1:
        raise ValueError("day and month may stand in either order")
    times, zone = kept[0], "not stated, read as UTC"
    stated = re.search(r"(Z|[+-]\d\d:?\d\d)$", first.strip())
    if stated:
        zone = "UTC" + stated.group().replace("Z", "+00:00") + STAMPED
    if np.nanmax(times) < _DAY_S:
        known = np.flatnonzero(np.isfinite(times))
        days = np.cumsum(np.diff(times[known], prepend=times[known[0]]) < -_DAY_S / 2)
        times[known] += days * _DAY_S
        zone = "time of day"
    return times, zone


MAX_W = 1e6  # the limit of our own logs too; nanowatts and microseconds below both fit integers
MAX_S = 1e10  # counted from 1970, the year 2286
SPOILT = (
    "mend or cut that line, or name the columns of times and watts, and their units: "
    "--map 't=COL[s],w=COL[mW]'"
)


def refuse_beyond(
    path: str, lines: Sequence[int], values: Sequence[float] | np.ndarray, limit: float, unit: str
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
