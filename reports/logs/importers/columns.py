"""Find the columns of times and powers in a CSV: by a map of the user's, or by their names."""

import re
from typing import NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import cells

_TIME = re.compile(
    r"(t|time|timestamp|elapsed|seconds|date|datetime)"
    r"([_ ]?[\[(]?(s|ms|us|µs|ns|sec|min|h|utc)[\])]?)?"
)
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
        key, _, wanted = item.partition("=")
        key = key.strip().lower()
        if key not in _KEYS or not wanted.strip():
            raise HarnessError(f"--map {mapping}: cannot read {item!r}", REMEDY)
        index = _index(sheet, wanted.strip())
        name = sheet.header[index] if index < len(sheet.header) else f"column{index + 1}"
        if key == "t":
            time = (index, name)
        elif key in ("v", "a"):
            parts[key] = index
        else:
            rails.append(Rail(name, index, _factor(key, name), counter=key == "j"))
    if len(parts) == 2:
        rails.append(Rail("power", parts["v"], amps=parts["a"]))
    if time is None or not rails:
        raise HarnessError(f"--map {mapping}: needs a time and a power", REMEDY)
    return Columns(*time, tuple(rails))


def _factor(key: str, name: str) -> float:
    if key == "mw":
        return 1e-3
    return (cells.joules_factor(name) if key == "j" else cells.watts_factor(name)) or 1.0


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
        Rail(sheet.header[i], i, cells.watts_factor(name) or 1.0)
        for i, name in enumerate(names)
        if i != time and _is_power(name)
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


def _is_power(name: str) -> bool:
    known = cells.watts_factor(name) is not None
    return known or name.startswith(("power", "watt")) or name == "p"
