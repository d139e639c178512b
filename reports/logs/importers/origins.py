"""Logs of known tools: how each is recognised by its columns, and how it is read.

Each header stands in the tool's own documentation or code (docs/formats.md has the table).
"""

import re
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers.reading import Column, Rail, Reading
from joulebird.reports.logs.importers.sheet import Sheet
from joulebird.reports.logs.importers.streams import times_of

_EACH_GPU = ("index", "uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "gpu", "name", "gpu_name")


class Origin(NamedTuple):
    """A tool: the pattern of its columns, joined by commas, and the use of each.

    `time` and the `columns` (key, pattern, unit) name columns. `total` is a rail, several, or "*"
    (the sum of all); `by` are columns of which the first one present names a device. `keep` is a
    column and a pattern of the rows that count. `refused` is the reason and the remedy for a log
    that cannot become joules. `step_s` bounds the median step of the times: (lowest, highest).
    `words` stay with each number.
    """

    name: str
    header: str
    time: str = ""
    unit: str = ""
    columns: tuple[tuple[str, str, str], ...] = ()
    total: tuple[str, ...] = ()
    rule: str = "line"
    scope: str = "unknown"
    by: tuple[str, ...] = ()
    keep: tuple[str, str] = ("", "")
    refused: tuple[str, str] = ("", "")
    step_s: tuple[float, float] = (0.0, 1e9)
    preamble: str = ""
    from_zero: bool = False
    words: tuple[str, ...] = ()


_ALUMET = tuple(
    "resource_kind+resource_id" + more
    for more in ("+domain+__late_attributes", "+domain", "+__late_attributes", "")
)
_SMI = Origin(
    "nvidia-smi query",
    r"(?=.*\btimestamp\b).*\bpower\.draw( \[W\])?(,.*|$)",
    "timestamp",
    columns=(("w", r"power\.draw( \[W\])?", "W"),),
    total=("*",),
    scope="gpu",
    by=_EACH_GPU,
)
_DMON = Origin(
    "nvidia-smi dmon",
    r"gpu,pwr,.*",
    columns=(("w", "pwr", "W"),),
    total=("*",),
    scope="gpu",
    by=("gpu",),
)
_TURBOSTAT = Origin(
    "turbostat",
    r".*\bPkgWatt\b.*",
    columns=(("w", "(Pkg|Cor|GFX|RAM|Sys)Watt", "W"),),
    total=("PkgWatt",),
    rule="mean",
    scope="package",
    keep=("CPU", "-"),
)


def _product(name: str, header: str, time: str, volts: str, amps: tuple[str, str]) -> Origin:
    """Return an origin of volts x amperes: means since the row before of a direct voltage."""
    columns = (("v", volts, "V"), ("a", *amps))
    return Origin(name, header, time, "s", columns, rule="mean", scope="dc")


_PYMONSOON = _product(
    "PyMonsoon (its Time(ms) counts seconds)",
    r"(?=.*Time\(ms\))(?=.*Main\(mA\)).*Main Voltage\(V\).*",
    r"Time\(ms\)",
    r"Main Voltage\(V\)",
    (r"Main\(mA\)", "mA"),
)._replace(rule="line", step_s=(0.0, 0.19))  # it samples every 0.2 ms
ORIGINS = (
    Origin(
        "jtop (4)",
        r"time,.*\bPower TOT\b.*",
        "time",
        "",
        (("w", r"Power (?!tj$).+", "mW"),),
        ("Power TOT",),
        scope="module",
    ),
    Origin(
        "jtop (3)",
        r"time,.*\bpower cur\b.*",
        "time",
        "",
        (("w", "power cur", "mW"),),
        scope="module",
    ),
    _SMI,
    _SMI._replace(
        header=r"(?=.*\btimestamp\b).*\bpower\.draw\.instant.*",
        columns=(("w", r"power\.draw\.instant.*", "W"),),
    ),
    _DMON._replace(header=r"Date,Time,gpu,pwr,.*", time="Date+Time"),
    _DMON,
    Origin(
        "zeus",
        r"start_time,window_name,elapsed_time,gpu\d+_energy.*",
        refused=(
            "a row of zeus is the energy of a window, and windows may overlap",
            "add its gpuN_energy (joules) yourself; for power over time log nvidia-smi",
        ),
    ),
    Origin(
        "codecarbon",
        r"timestamp,project_name,run_id,.*\bemissions\b.*",
        refused=(
            "a row of codecarbon is a whole run, and its power is partly a model's",
            "its energy_consumed is in kWh; for power over time log nvidia-smi or RAPL",
        ),
    ),
    _TURBOSTAT._replace(
        header=r"(?=.*\bTime_Of_Day_Seconds\b).*\bPkgWatt\b.*",
        time="Time_Of_Day_Seconds",
        unit="s",
    ),
    _TURBOSTAT,
    Origin(
        "perf stat -I",
        r"perf,joules,event",
        "perf",
        "s",
        (("dj", "joules", "J"),),
        (),
        "mean",
        "package",
        ("event",),
        from_zero=True,
    ),
    Origin(
        "Scaphandre",
        r"(time|timestamp),scaph_host_power_microwatts",
        "(?i)time(stamp)?",
        "",
        (("w", "scaph_host_power_microwatts", "uW"),),
        rule="mean",
        scope="package",
    ),
    Origin(
        "PowerAPI",
        r"timestamp,sensor,target,power(,.*|$)",
        "timestamp",
        "",
        (("w", "power", "W"),),
        ("all",),
        "mean",
        "package",
        ("target",),
        words=("estimated",),
    ),
    Origin(
        "Alumet (RAPL)",
        r"metric,(?=.*\btimestamp\b)(?=.*\bvalue\b).*",
        "timestamp",
        "",
        (("dj", "value", "J"),),
        (),
        "mean",
        "package",
        _ALUMET,
        ("metric", r"rapl_consumed_energy(_J)?"),
    ),
    Origin(
        "Joulescope",
        r"time,current,voltage,power,charge,energy",
        "time",
        "s",
        (("w", "power", "W"),),
        rule="mean",
        scope="dc",
    ),
    _product("Joulescope", "time,current,voltage", "time", "voltage", ("current", "A")),
    _product(
        "Monsoon PowerTool",
        r"Time \(s\),Main Avg Current \(mA\),(.*,)?Main Avg Voltage \(V\).*",
        r"Time \(s\)",
        r"Main Avg Voltage \(V\)",
        (r"Main Avg Current \(mA\)", "mA"),
    ),
    _PYMONSOON,
    _PYMONSOON._replace(
        step_s=(0.19, 10.0),
        refused=(
            "PyMonsoon writes seconds below Time(ms), and a step of this size may be either",
            "state it: --map 't=Time(ms)[s],v=Main Voltage(V),a=Main(mA)', or [ms]",
        ),
    ),
    Origin(
        "PPK2",
        r"Timestamp\(ms\),Current\(uA\).*",
        refused=(
            "a PPK2 exports no voltage",
            "state it: --map 't=Timestamp(ms),v=3.3V,a=Current(uA)'",
        ),
    ),
    _product(
        "Keysight 14585A",
        r"Sample,(?=.*\bVolt avg 1\b).*\bCurr avg 1\b.*",
        "Sample",
        r"Volt avg \d",
        (r"Curr avg \d", "A"),
    )._replace(preamble=r"(?i)sample interval[^\d.]*(\d*[.,]?\d+(?:e[-+]?\d+)?)"),
)


def known(sheet: Sheet, step_s: float | None) -> tuple[Sheet, Reading] | None:
    """Return the rows that count and the reading of a known tool's log; None for another log.

    Raises HarnessError for a log that cannot become joules, or without times and interval.
    """
    line = ",".join(sheet.header).rstrip(",")
    for origin in ORIGINS:
        if re.fullmatch(origin.header, line, re.I):
            found = _read(sheet, origin, step_s)
            if found:
                return found
    return None


def _read(sheet: Sheet, origin: Origin, step_s: float | None) -> tuple[Sheet, Reading] | None:
    refused = HarnessError(f"{sheet.path}: {origin.refused[0]}", origin.refused[1])
    if origin.refused[0] and not origin.time:
        raise refused
    sheet = _kept(sheet, *origin.keep)
    time = _time(sheet, origin)
    stated = re.search(origin.preamble, "\n".join(sheet.preamble)) if origin.preamble else None
    if origin.preamble and time:
        fixed = float(stated.group(1).replace(",", ".")) if stated else 0.0
        time = time._replace(fixed=fixed) if fixed > 0 else None
    if time is None and step_s is None:
        raise HarnessError(
            f"{sheet.path}: a log of {origin.name} without times",
            "state the interval between its rows: --interval 1s",
        )
    if time and origin.step_s[1] < 1e9:
        steps = np.diff(times_of(sheet, time).seconds)
        steps = steps[np.isfinite(steps)]
        if not len(steps) or not origin.step_s[0] <= np.median(steps) <= origin.step_s[1]:
            return None
        if origin.refused[0]:
            raise refused
    rails = _rails(sheet, origin)
    if not rails:
        return None
    known_by = ((_places(sheet, name), name) for name in origin.by)
    by = next((found for found in known_by if found[0]), ((), ""))
    total = origin.total or tuple(rail.name for rail in rails[:1] if len(rails) == 1)
    if by[0]:
        values = {" ".join(row[i] for i in by[0]) for row in sheet.rows}
        total = origin.total if origin.total == ("*",) or set(origin.total) <= values else ()
        total = total or (("*",) if len(values) == 1 else ())
        total = ("*",) if len(values) == 1 else total
    elif total == ("*",):
        total = tuple(rail.name for rail in rails)
    stated_facts = {"name": origin.name, "scope": origin.scope, "from_zero": origin.from_zero}
    facts = (*stated_facts.items(), ("words", origin.words))
    return sheet, Reading(
        time, rails, total, origin.rule, by[0], by[1], step_s, origin.name, facts=facts
    )


def _places(sheet: Sheet, names: str) -> tuple[int, ...]:
    """Return the columns of some names joined by "+", in any case; () unless all are there."""
    known = [name.lower() for name in sheet.header]
    parts = names.lower().split("+")
    return tuple(map(known.index, parts)) if set(parts) <= set(known) else ()


def _kept(sheet: Sheet, column: str, pattern: str) -> Sheet:
    at = _places(sheet, column)
    if not at:
        return sheet
    kept = [i for i, row in enumerate(sheet.rows) if re.fullmatch(pattern, row[at[0]])]
    rows, lines = [sheet.rows[i] for i in kept], [sheet.lines[i] for i in kept]
    return sheet._replace(rows=rows, lines=lines, lost=[])


def _time(sheet: Sheet, origin: Origin) -> Column | None:
    if "+" in origin.time:
        return Column("t", _places(sheet, origin.time), origin.time, origin.unit)
    named = (
        Column("t", (i,), name, origin.unit)
        for i, name in enumerate(sheet.header)
        if origin.time and re.fullmatch(origin.time, name, re.I)
    )
    return next(named, None)


def _rails(sheet: Sheet, origin: Origin) -> tuple[Rail, ...]:
    groups = [
        [
            Column(key, (i,), name, unit)
            for i, name in enumerate(sheet.header)
            if re.fullmatch(pattern, name, re.I)
        ]
        for key, pattern, unit in origin.columns
    ]
    if len(groups) == 1:
        return tuple(Rail(column.name, (column,)) for column in groups[0])
    names = ["power"] if len(groups[0]) == 1 else [f"power {i + 1}" for i in range(len(groups[0]))]
    pairs = zip(names, zip(*groups, strict=False), strict=False)
    return tuple(Rail(name, pair) for name, pair in pairs)
