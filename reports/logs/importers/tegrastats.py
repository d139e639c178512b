"""Read logs of NVIDIA's tegrastats: instant milliwatts of each rail."""

import re
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers.cells import instant
from joulebird.reports.logs.importers.segment import MAX_W, foreign_segment, refuse_beyond
from joulebird.reports.logs.powerlog import Segment

_RAIL = re.compile(r"\b((?:VDD|VIN|POM|CV|NC)[A-Z0-9_]*) (\d+)(?:mW)?/(\d+)(?:mW)?")
_STAMP = re.compile(r"^\s*(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\s")
_INPUTS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")


class _Line(NamedTuple):
    number: int
    text: str
    rails: tuple[str, ...]
    watts: tuple[float, ...]


def matches(lines: list[str]) -> bool:
    """Return whether these are lines of tegrastats."""
    return any("RAM " in line and _RAIL.search(line) for line in lines[:20])


def read(path: str, lines: list[str], period_s: float) -> tuple[Segment, tuple[str, ...]]:
    """Return the log's segment and notes; lines without the log's rails count as damaged."""
    parsed = [_parsed(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    rails = max((line.rails for line in parsed), key=len)
    total = [name for name in _INPUTS if name in rails][:1]
    if not total:
        raise HarnessError(
            f"{path}: tegrastats shows no input rail, only {', '.join(rails)}",
            "its rails nest, so their sum is not the board: record VDD_IN too",
        )
    kept = [line for line in parsed if line.rails == rails]
    times_s, notes = _times(path, kept, period_s)
    watts = np.array([line.watts for line in kept])
    refuse_beyond(path, [line.number for line in kept], watts, MAX_W, "W")
    headers = sum(not line.rails and not line.text.startswith("RAM") for line in parsed)
    damaged = len(parsed) - len(kept) - min(headers, 1)
    facts = {"name": "tegrastats", "sampling": "snapshot", "scope": "module", "total": total}
    read_all = np.ones(watts.shape, bool)
    return foreign_segment(facts, rails, times_s, watts, read_all, damaged), notes


def _parsed(number: int, text: str) -> _Line:
    rails = _RAIL.findall(text)
    names = tuple(name for name, _, _ in rails)
    return _Line(number, text, names, tuple(int(now) / 1e3 for _, now, _ in rails))


def _times(path: str, lines: list[_Line], period_s: float) -> tuple[list[float], tuple[str, ...]]:
    """Return the time of each line in seconds; notes when the log holds none."""
    stamps = [_STAMP.match(line.text) for line in lines]
    known = [
        _stamp_s(path, line.number, stamp.group(1))
        for line, stamp in zip(lines, stamps, strict=True)
        if stamp and all(stamps)
    ]
    if known:
        return known, ()
    note = f"the log holds no times: its lines are taken to be {period_s:g} s apart"
    return [i * period_s for i in range(len(lines))], (note,)


def _stamp_s(path: str, number: int, text: str) -> float:
    try:
        return instant(text)
    except ValueError:
        raise HarnessError(
            f"{path} line {number}: {text} is not a time", "remove the line, or repair it"
        ) from None
