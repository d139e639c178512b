"""Read power logs written by others: any CSV with times and watts, tegrastats, PTDaemon."""

import re
from pathlib import Path

import numpy as np

from joulebird.harness.core.errors import ReportError
from joulebird.reports.logs.importers.cells import instant
from joulebird.reports.logs.importers.csvlog import MAX_S, MAX_W, import_csv, refuse_beyond
from joulebird.reports.logs.powerlog import Segment
from joulebird.reports.logs.trace import PowerTrace

NW_PER_W = 1_000_000_000
_RAIL = re.compile(r"\b((?:VDD|VIN|POM|CV|NC)[A-Z0-9_]*) (\d+)(?:mW)?/(\d+)(?:mW)?")
_STAMP = re.compile(r"^\s*(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\s")
_INPUTS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")


def import_log(path: str, columns: str | None = None, period_s: float = 1.0) -> PowerTrace:
    """Load a foreign log. `columns` maps a CSV ("t=COL,w=COL"); `period_s` is used where a log holds no times (old tegrastats).

    Raises ReportError for an empty or unreadable file, a form that is not known, a column that is not there, or a value that cannot be.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ReportError(
            f"{path}: cannot be read ({error.strerror})",
            "check the name and the permissions of the file",
        ) from None
    if not data.strip():
        raise ReportError(
            f"{path}: the log is empty", "record again, or give a log with at least one sample"
        )
    lines = data.decode("utf-8-sig", "replace").split("\n")
    cut = int(
        bool(lines[-1].strip())
    )  # a last line without its newline may end inside a number: nobody can tell
    lines = [line.rstrip("\r") for line in lines[:-1]]
    if not lines:
        raise ReportError(
            f"{path}: not one whole line", "record again, or give a log with at least one sample"
        )
    if columns is None and any("RAM " in line and _RAIL.search(line) for line in lines[:20]):
        segment, notes = tegrastats(path, lines, period_s)
    elif columns is None and any(
        line.startswith("Time,") and ",Watts," in line for line in lines[:20]
    ):
        segment, notes = ptdaemon(path, lines)
    else:
        segment, notes = import_csv(path, lines, columns, NW_PER_W)
    return PowerTrace.of(path, [segment._replace(damaged=segment.damaged + cut)], NW_PER_W, notes)


def tegrastats(path: str, lines: list[str], period_s: float) -> tuple[Segment, tuple[str, ...]]:
    """A log of NVIDIA's tegrastats: instant milliwatts of each rail; lines without the rails are damaged."""
    found = [
        (number, line, _RAIL.findall(line)) for number, line in enumerate(lines, 1) if line.strip()
    ]
    rails = max((tuple(name for name, _, _ in row) for _, _, row in found), key=len)
    total = [name for name in _INPUTS if name in rails][:1]
    if not total:
        raise ReportError(
            f"{path}: tegrastats shows no input rail, only {', '.join(rails)}",
            "its rails nest, so their sum is not the board: record VDD_IN too",
        )
    kept = [
        (number, line, row)
        for number, line, row in found
        if tuple(name for name, _, _ in row) == rails
    ]
    stamps = [_STAMP.match(line) for _, line, _ in kept]
    notes: tuple[str, ...] = ()
    if all(stamps):
        t_us = [
            _stamp_us(path, number, stamp.group(1))
            for (number, _, _), stamp in zip(kept, stamps, strict=True)
            if stamp
        ]
    else:
        t_us = [round(i * period_s * 1e6) for i in range(len(kept))]
        notes = (f"the log holds no times: its lines are taken to be {period_s:g} s apart",)
    watts = np.array([[int(now) / 1e3 for _, now, _ in row] for _, _, row in kept])
    refuse_beyond(path, [number for number, _, _ in kept], watts, MAX_W, "W")
    power = np.rint(watts * 1e3).astype(np.int64) * (NW_PER_W // 1000)
    header = sum(1 for _, line, row in found if not row and not line.startswith("RAM"))
    source = {
        "name": "tegrastats",
        "sampling": "snapshot",
        "scope": "module",
        "rails": list(rails),
        "total": total,
        "real": True,
    }
    damaged = len(found) - len(kept) - min(header, 1)
    return Segment(
        source,
        {"boot_id": ""},
        rails,
        np.array(t_us, np.int64),
        power,
        np.ones(power.shape, bool),
        {},
        damaged,
    ), notes


def _stamp_us(path: str, number: int, text: str) -> int:
    try:
        return round(instant(text) * 1e6)
    except ValueError:
        raise ReportError(
            f"{path} line {number}: {text} is not a time", "remove the line, or repair it"
        ) from None


def ptdaemon(path: str, lines: list[str]) -> tuple[Segment, tuple[str, ...]]:
    """A log of SPEC's PTDaemon: `Time,<date>,Watts,<w>,Volts,...`; readings of -1 are failed."""
    times, watts, numbers, damaged = [], [], [], 0
    for number, line in enumerate(lines, 1):
        cells = dict(zip(line.split(",")[::2], line.split(",")[1::2], strict=False))
        try:
            times.append(instant(cells["Time"]))
        except (KeyError, ValueError):
            damaged += bool(line.strip())
            continue
        numbers.append(number)
        try:
            watts.append(float(cells["Watts"]))
        except (KeyError, ValueError):
            watts.append(-1.0)
    read = np.array(watts) >= 0.0
    power = np.where(read, watts, 0.0)
    refuse_beyond(path, numbers, times, MAX_S, "s")
    refuse_beyond(path, numbers, power, MAX_W, "W")
    source = {
        "name": "ptdaemon",
        "sampling": "average",
        "scope": "wall",
        "rails": ["Watts"],
        "total": ["Watts"],
        "real": True,
    }
    failures = {"unread": int((~read).sum())} if not read.all() else {}
    return Segment(
        source,
        {"boot_id": ""},
        ("Watts",),
        np.rint(np.array(times) * 1e6).astype(np.int64),
        np.rint(power * NW_PER_W).astype(np.int64).reshape(-1, 1),
        read.reshape(-1, 1),
        failures,
        damaged,
    ), ()
