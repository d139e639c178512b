"""Read power logs written by others: any CSV with times and watts, tegrastats, PTDaemon."""
import re
from pathlib import Path

import numpy as np

from reports.cells import instant
from reports.csvlog import import_csv
from reports.errors import ReportError
from reports.powerlog import Segment
from reports.trace import PowerTrace

NW_PER_W = 1_000_000_000
_RAIL = re.compile(r"\b((?:VDD|VIN|POM|CV|NC)[A-Z0-9_]*) (\d+)(?:mW)?/(\d+)(?:mW)?")
_STAMP = re.compile(r"^\s*(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\s")
_INPUTS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")


def import_log(path: str, columns: str | None = None, period_s: float = 1.0) -> PowerTrace:
    """Load a foreign log. `columns` maps a CSV ("t=COL,w=COL"); `period_s` is used where a log holds no times (old tegrastats).

    Raises ReportError for an empty or unreadable file, a form that is not known, or a column that is not there.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror})", "check the name and the permissions of the file") from None
    if not data.strip():
        raise ReportError(f"{path}: the log is empty", "record again, or give a log with at least one sample")
    lines = data.decode("utf-8-sig", "replace").split("\n")
    cut = int(bool(lines[-1].strip()))          # a last line without its newline may end inside a number: nobody can tell
    lines = [line.rstrip("\r") for line in lines[:-1]]
    if not lines:
        raise ReportError(f"{path}: not one whole line", "record again, or give a log with at least one sample")
    if columns is None and any("RAM " in line and _RAIL.search(line) for line in lines[:20]):
        segment, notes = tegrastats(path, lines, period_s)
    elif columns is None and any(line.startswith("Time,") and ",Watts," in line for line in lines[:20]):
        segment, notes = ptdaemon(path, lines)
    else:
        segment, notes = import_csv(path, lines, columns, NW_PER_W)
    return PowerTrace.of(path, [segment._replace(damaged=segment.damaged + cut)], NW_PER_W, notes)


def tegrastats(path: str, lines: list[str], period_s: float) -> tuple[Segment, tuple[str, ...]]:
    """A log of NVIDIA's tegrastats: instant milliwatts of each rail; lines without the rails are damaged."""
    found = [(line, _RAIL.findall(line)) for line in lines if line.strip()]
    rails = max((tuple(name for name, _, _ in row) for _, row in found), key=len)
    total = [name for name in _INPUTS if name in rails][:1]
    if not total:
        raise ReportError(f"{path}: tegrastats shows no input rail, only {', '.join(rails)}",
                          "its rails nest, so their sum is not the board: record VDD_IN too")
    kept = [(line, row) for line, row in found if tuple(name for name, _, _ in row) == rails]
    stamps = [_STAMP.match(line) for line, _ in kept]
    notes: tuple[str, ...] = ()
    if all(stamps):
        t_us = [round(instant(stamp.group(1)) * 1e6) for stamp in stamps if stamp]
    else:
        t_us = [round(i * period_s * 1e6) for i in range(len(kept))]
        notes = (f"the log holds no times: its lines are taken to be {period_s:g} s apart",)
    power = np.array([[int(now) for _, now, _ in row] for _, row in kept], dtype=np.int64) * (NW_PER_W // 1000)
    header = sum(1 for line, row in found if not row and not line.startswith("RAM"))
    source = {"name": "tegrastats", "sampling": "snapshot", "scope": "module", "rails": list(rails), "total": total, "real": True}
    damaged = len(found) - len(kept) - min(header, 1)
    return Segment(source, {"boot_id": ""}, rails, np.array(t_us, np.int64), power, np.ones(power.shape, bool), {}, damaged), notes


def ptdaemon(path: str, lines: list[str]) -> tuple[Segment, tuple[str, ...]]:
    """A log of SPEC's PTDaemon: `Time,<date>,Watts,<w>,Volts,...`; readings of -1 are failed."""
    t_us, power, read, damaged = [], [], [], 0
    for line in lines:
        cells = dict(zip(line.split(",")[::2], line.split(",")[1::2], strict=False))
        try:
            t_us.append(round(instant(cells["Time"]) * 1e6))
        except (KeyError, ValueError):
            damaged += bool(line.strip())
            continue
        try:
            watts = float(cells["Watts"])
        except (KeyError, ValueError):
            watts = -1.0
        power.append(round(max(watts, 0.0) * NW_PER_W))
        read.append(watts >= 0.0)
    source = {"name": "ptdaemon", "sampling": "average", "scope": "wall", "rails": ["Watts"], "total": ["Watts"], "real": True}
    failures = {"unread": read.count(False)} if False in read else {}
    return Segment(source, {"boot_id": ""}, ("Watts",), np.array(t_us, np.int64), np.array(power, np.int64).reshape(-1, 1),
                   np.array(read, bool).reshape(-1, 1), failures, damaged), ()
