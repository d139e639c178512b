"""Read logs of SPEC's PTDaemon: `Time,<date>,Watts,<w>,Volts,...`."""

import numpy as np

from joulebird.reports.logs.importers.cells import instant
from joulebird.reports.logs.importers.segment import MAX_S, MAX_W, foreign_segment, refuse_beyond
from joulebird.reports.logs.powerlog import Segment


def matches(lines: list[str]) -> bool:
    """Return whether these are lines of PTDaemon."""
    return any(line.startswith("Time,") and ",Watts," in line for line in lines[:20])


def read(path: str, lines: list[str]) -> Segment:
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
