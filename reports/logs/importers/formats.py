"""Read power logs written by others: any CSV with times and watts, tegrastats, PTDaemon."""

import re

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers.cells import (
    MAX_S,
    MAX_W,
    NW_PER_W,
    foreign_segment,
    instant,
    refuse_beyond,
)
from joulebird.reports.logs.importers.csvlog import import_csv
from joulebird.reports.logs.powerlog import Segment

_RAIL = re.compile(r"\b((?:VDD|VIN|POM|CV|NC)[A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?")
_STAMP = re.compile(r"^\s*(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\s")
_INPUTS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")
Foreign = tuple[list[Segment], int, tuple[str, ...]]


def read_foreign(path: str, data: bytes, columns: str | None = None) -> Foreign:
    """Return the segments of a foreign log, the unit of their powers, and notes about guesses.

    `columns` maps a CSV: "t=COL,w=COL". Raises HarnessError for an empty log, an unknown form, an
    absent column, or an impossible value.
    """
    lines, cut = _lines(path, data)
    notes: tuple[str, ...] = ()
    first = lines[:20] if columns is None else []
    if any("RAM " in line and _RAIL.search(line) for line in first):
        segment, notes = tegrastats(path, lines)
    elif any(line.startswith("Time,") and ",Watts," in line for line in first):
        segment = ptdaemon(path, lines)
    else:
        segment = import_csv(path, lines, columns)
    return [segment._replace(damaged=segment.damaged + cut)], NW_PER_W, notes


def _lines(path: str, data: bytes) -> tuple[list[str], int]:
    """Return the whole lines of a log, and 1 if a last line without its newline was left out.

    Such a line may end inside a number.
    """
    remedy = "record again, or give a log with at least one sample"
    if not data.strip():
        raise HarnessError(f"{path}: the log is empty", remedy)
    *lines, rest = data.decode("utf-8-sig", "replace").split("\n")
    if not lines:
        raise HarnessError(f"{path}: not one whole line", remedy)
    return [line.rstrip("\r") for line in lines], int(bool(rest.strip()))


def tegrastats(path: str, lines: list[str]) -> tuple[Segment, tuple[str, ...]]:
    """Return the log's segment and notes: instant milliwatts of each rail.

    Lines without the log's rails count as damaged, but for one header.
    """
    texts = {number: line for number, line in enumerate(lines, 1) if line.strip()}
    readings = {number: dict(_RAIL.findall(line)) for number, line in texts.items()}
    rails = max(map(tuple, readings.values()), key=len)
    total = [name for name in _INPUTS if name in rails][:1]
    if not total:
        raise HarnessError(
            f"{path}: tegrastats shows no input rail, only {', '.join(rails)}",
            "its rails nest, so their sum is not the board: record VDD_IN too",
        )
    kept = [number for number, reading in readings.items() if tuple(reading) == rails]
    times_s, notes = _times(path, {number: texts[number] for number in kept})
    watts = np.array([[int(now) / 1e3 for now in readings[number].values()] for number in kept])
    refuse_beyond(path, kept, watts, MAX_W, "W")
    headers = sum(not readings[n] and not text.startswith("RAM") for n, text in texts.items())
    facts = {"name": "tegrastats", "sampling": "snapshot", "scope": "module", "total": total}
    damaged = len(texts) - len(kept) - min(headers, 1)
    return foreign_segment(facts, rails, times_s, watts, watts >= 0, damaged), notes


def _times(path: str, lines: dict[int, str]) -> tuple[list[float], tuple[str, ...]]:
    """Return the time of each line in seconds; a note when the log (old tegrastats) holds none."""
    stamps = {number: _STAMP.findall(line) for number, line in lines.items()}
    if all(stamps.values()):
        return [_stamp_s(path, number, stamp) for number, (stamp,) in stamps.items()], ()
    note = "the log holds no times: its lines are taken to be 1 s apart"
    return [float(second) for second in range(len(lines))], (note,)


def _stamp_s(path: str, number: int, text: str) -> float:
    try:
        return instant(text)
    except ValueError:
        raise HarnessError(
            f"{path} line {number}: {text} is not a time", "remove the line, or repair it"
        ) from None


def ptdaemon(path: str, lines: list[str]) -> Segment:
    """Return the log's segment; readings of -1 are failed reads."""
    times_s, watts, numbers = [], [], []
    damaged = 0
    for number, line in enumerate(lines, 1):
        cells = dict(zip(line.split(",")[::2], line.split(",")[1::2], strict=False))
        try:
            times_s.append(instant(cells["Time"]))
        except (KeyError, ValueError):
            damaged += bool(line.strip())
            continue
        numbers.append(number)
        try:
            watts.append(float(cells["Watts"]))
        except (KeyError, ValueError):
            watts.append(-1.0)
    table = np.array(watts).reshape(-1, 1)
    was_read = table >= 0.0
    refuse_beyond(path, numbers, times_s, MAX_S, "s")
    refuse_beyond(path, numbers, np.where(was_read, table, 0.0), MAX_W, "W")
    facts = {"name": "ptdaemon", "sampling": "average", "scope": "wall", "total": ["Watts"]}
    return foreign_segment(facts, ["Watts"], times_s, table, was_read, damaged)
