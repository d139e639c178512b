"""How a foreign log is read: its columns with their units, the total and the rule; `--map`.

A map is a list of KEY=COLUMN[UNIT]: `t` time (`t=Date+Time`: two columns), `w` power, `v` and `a`
volts and amperes (`v=5.0V`: a fixed voltage), `j` an energy counter, `dj` energy since the row
before, `by` the column that names the device of a row, `total=a+b` (`total=*`: all rails),
`rule=line|mean|hold`. A column is a name, quoted if it has a comma, or its number from 1. Without
a unit, seconds, watts, volts, amperes and joules are meant.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import cells
from joulebird.reports.logs.importers.sheet import Sheet

REMEDY = (
    "say which columns to read: --map 't=COL[s],w=COL[mW]' (or v= and a=, j=, dj=; names, or "
    "numbers from 1)"
)
_ITEM = re.compile(r"\s*(\w+)\s*=((?:\"[^\"]*\"|\[[^\]]*\]|[^,\"])*)\s*(?:,|$)")
_COLUMN = re.compile(r"\s*\[\s*([A-Za-zµμ]+)\s*\]$")
_FIXED = re.compile(r"(\d+(?:\.\d+)?)\s*([mk]?V)")
RULES = {"line": "snapshot", "mean": "average", "hold": "average", "counter": "counter"}
KINDS = {"t": "t", "w": "w", "mw": "w", "v": "v", "a": "a", "j": "j", "dj": "j"}
_PLAIN = {"t": "s", "w": "W", "mw": "mW", "v": "V", "a": "A", "j": "J", "dj": "J"}


class Column(NamedTuple):
    """The use of a column: a key of the map, the columns' indices, their name and unit.

    `fixed` are the volts of a rail without a column of volts, or the seconds of a count of time.
    """

    key: str
    indices: tuple[int, ...]
    name: str
    unit: str
    fixed: float | None = None

    @property
    def factor(self) -> float:
        """Return the factor from the column's unit to seconds, W, V, A or J."""
        return self.fixed or cells.factor_of(self.unit, KINDS[self.key]) or 1.0

    def as_map(self) -> str:
        """Return the column as an item of a map."""
        name = f'"{self.name}"' if re.search(r"[,\[\]=+]|^\d+$", self.name) else self.name
        return f"{self.key}={name}[{self.unit}]" if self.unit else f"{self.key}={name}"


class Rail(NamedTuple):
    """A rail: its name, and one column of power or energy, or two of volts and amperes."""

    name: str
    columns: tuple[Column, ...]


class Rows(NamedTuple):
    """Counts of rows by their fate, and the first lines that were dropped."""

    used: int = 0
    dropped: int = 0
    repeated: int = 0
    out_of_order: int = 0
    lines: tuple[int, ...] = ()


class Stretch(NamedTuple):
    """A stretch of rows with one label in a column, to the first row of the next one."""

    label: str
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Reading:
    """The contract by which a foreign log becomes joules.

    `because` has the evidence for each choice that the map does not state. `facts` of a known
    origin go into the source: scope, accuracy, real. `step_s` is the given interval of the rows.
    `stretches` are those of each column that is not read and keeps its values for a while.
    """

    time: Column | None
    rails: tuple[Rail, ...]
    total: tuple[str, ...] = ()
    rule: str = "line"
    by: tuple[int, ...] = ()
    by_name: str = ""
    step_s: float | None = None
    origin: str = "csv"
    zone: str = ""
    because: tuple[str, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()
    rows: Rows = Rows()
    stretches: dict[str, tuple[Stretch, ...]] = field(default_factory=dict, compare=False)

    def as_map(self) -> str:
        """Return the map that gives this reading again."""
        items = [self.time.as_map()] if self.time else []
        items += [column.as_map() for rail in self.rails for column in rail.columns]
        items += [Column("by", self.by, self.by_name, "").as_map()] if self.by else []
        items += ["total=" + "+".join(self.total)] if self.total and len(self.rails) > 1 else []
        items += ["total=*"] if self.by and self.total == ("*",) else []
        items += [f"rule={self.rule}"] if self.rule not in ("line", "counter") else []
        return ",".join(items)

    def as_dict(self) -> dict[str, Any]:
        """Return the reading as JSON values."""
        return {
            "origin": self.origin,
            "map": self.as_map(),
            "interval_s": self.step_s,
            "zone": self.zone,
            "rule": self.rule,
            "total": list(self.total),
            "columns": [
                {"key": column.key, "name": column.name, "unit": column.unit}
                for column in (*((self.time,) if self.time else ()), *self.columns)
            ],
            "because": list(self.because),
            "rows": {
                "used": self.rows.used,
                "dropped": self.rows.dropped,
                "repeated": self.rows.repeated,
                "out_of_order": self.rows.out_of_order,
            },
            "dropped_lines": list(self.rows.lines),
        }

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the columns of all rails."""
        return tuple(column for rail in self.rails for column in rail.columns)

    def as_text(self) -> str:
        """Return the reading in two lines for people."""
        time = f"time {self.time.name!r}" if self.time else "rows"
        time += f" {self.step_s:g} s apart" if self.step_s else f" [{self._time_unit()}]"
        rails = ", ".join(
            " x ".join(f"{column.name!r} [{column.unit}]" for column in rail.columns)
            for rail in self.rails
        )
        rails += f" by {self.by_name!r}" if self.by else ""
        total = "+".join(self.total).replace("*", "of all devices") or "not stated"
        rows = self.rows
        bad = f" (lines {', '.join(map(str, rows.lines))})" if rows.lines else ""
        why = "".join(f"; {text}" for text in self.because)
        return (
            f"read as: {self.origin}: {time}; {_WORDS[self.rule]} {rails}; total {total}{why}\n"
            f"rows     {rows.used} used, {rows.dropped} dropped{bad}, {rows.repeated} repeated, "
            f"{rows.out_of_order} out of order"
        )

    def _time_unit(self) -> str:
        return (
            self.zone if self.time and not self.time.unit else self.time.unit if self.time else ""
        )


_WORDS = {
    "line": "power joined by straight lines",
    "mean": "mean power since the row before",
    "hold": "power held until the next row",
    "counter": "energy counter",
}


def parse_map(sheet: Sheet, mapping: str) -> Reading:
    """Return the reading that a map states; raises HarnessError for one that does not fit."""
    found: list[Column] = []
    options: dict[str, str] = {}
    at = 0
    while at < len(mapping):
        item = _ITEM.match(mapping, at)
        key, wanted = (item.group(1).lower(), item.group(2).strip()) if item else ("", "")
        if not item or not wanted or key not in (*KINDS, "by", "total", "rule"):
            shown = mapping[at:].partition(",")[0]
            raise HarnessError(f"--map {mapping}: cannot read {shown!r}", REMEDY)
        at = item.end()
        if key in KINDS:
            found.append(_column(sheet, key, wanted))
        else:
            options[key] = wanted.replace('"', "") if key != "by" else wanted
    times = [column for column in found if column.key == "t"]
    rails = _rails(found)
    if len(times) > 1 or not rails:
        raise HarnessError(f"--map {mapping}: needs a time and a power", REMEDY)
    names = tuple(rail.name for rail in rails)
    total = tuple(options["total"].split("+")) if "total" in options else names[:1]
    by = _column(sheet, "by", options["by"]) if "by" in options else None
    if by or (len(names) > 1 and "total" not in options):
        total = total if "total" in options else ()
    keys = {column.key for rail in rails for column in rail.columns}
    rule = options.get("rule", "counter" if "j" in keys else "mean" if "dj" in keys else "line")
    unknown = [name for name in total if name not in (*names, "*") and not by]
    if rule not in RULES or unknown:
        wrong = f"total={'+'.join(unknown)}" if unknown else f"rule={rule}"
        raise HarnessError(
            f"--map {mapping}: cannot read {wrong!r}",
            f"rails: {', '.join(names)}; rules: line, mean, hold",
        )
    total = names if total == ("*",) and not by else total
    return Reading(
        times[0] if times else None,
        rails,
        total,
        rule,
        by.indices if by else (),
        by.name if by else "",
    )


def _rails(found: list[Column]) -> tuple[Rail, ...]:
    single = [Rail(c.name, (c,)) for c in found if c.key in ("w", "mw", "j", "dj")]
    volts = [column for column in found if column.key == "v"]
    amps = [column for column in found if column.key == "a"]
    if len(volts) == 1:
        volts = volts * len(amps)
    pairs = zip(volts, amps, strict=False) if len(volts) == len(amps) else ()
    names = ["power"] if len(amps) == 1 else [column.name for column in amps]
    return (*single, *(Rail(name, pair) for name, pair in zip(names, pairs, strict=False)))


def _column(sheet: Sheet, key: str, wanted: str) -> Column:
    """Return the column that an item names, by a whole name first, then with a unit behind it."""
    fixed = _FIXED.fullmatch(wanted) if key == "v" else None
    if fixed and wanted not in sheet.header:
        volts = float(fixed.group(1)) * (cells.factor_of(fixed.group(2), "v") or 1.0)
        return Column("v", (), wanted, "", volts)
    name, unit = wanted, ""
    if not _indices(sheet, _unquoted(wanted)):
        name, unit, *_ = [*_COLUMN.split(wanted), ""]
    indices = _indices(sheet, _unquoted(name))
    if not indices:
        names = ", ".join(sheet.header) or f"{sheet.width} columns without names"
        raise HarnessError(f"{sheet.path}: has no column {_unquoted(name)!r}", f"it has: {names}")
    shown = "+".join(sheet.name(index) for index in indices)
    if key == "by":
        return Column(key, indices, shown, "")
    kind = KINDS[key]
    if unit and cells.factor_of(unit, kind) is None:
        raise HarnessError(
            f"--map: {unit!r} is no unit for {key}=",
            f"units: {', '.join(sorted(cells.UNITS[kind]))}",
        )
    unit = unit or sheet.unit(indices[0], kind) or ("" if key == "t" else _PLAIN[key])
    return Column("w" if key == "mw" else key, indices, shown, _PLAIN[key] if key == "mw" else unit)


def _unquoted(text: str) -> str:
    return text.strip().strip('"')


def _indices(sheet: Sheet, wanted: str) -> tuple[int, ...]:
    """Return the columns of a name, of a number from 1, or of several joined by "+"."""
    for header in (sheet.header, [name.lower() for name in sheet.header]):
        if header.count(wanted) > 1:
            places = [str(i + 1) for i, name in enumerate(header) if name == wanted]
            raise HarnessError(
                f"{sheet.path}: several columns are named {wanted!r}",
                f"give the number of one: {', '.join(places)}",
            )
        if wanted in header:
            return (header.index(wanted),)
    if wanted.isdigit() and 1 <= int(wanted) <= sheet.width:
        return (int(wanted) - 1,)
    parts = [_indices(sheet, part.strip()) for part in wanted.split("+") if "+" in wanted]
    return tuple(part[0] for part in parts) if parts and all(parts) else ()
