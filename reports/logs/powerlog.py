"""Read `power.csv` in bulk: whole segments as arrays."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core import powerlog
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import Head
from joulebird.reports.logs.rows import read_rows


class Segment(NamedTuple):
    """One unbroken stretch of a log.

    Its source and clock, times in microseconds, (n, rails) powers, which of them were read, the
    failed rows by status, and the number of damaged lines.
    """

    source: dict[str, Any]
    clock: dict[str, Any]
    rails: tuple[str, ...]
    t_us: npt.NDArray[np.int64]
    power: npt.NDArray[np.integer[Any]]
    read: npt.NDArray[np.bool_]
    failures: dict[str, int]
    damaged: int


def read_segments(path: str, block_rows: int = 65536) -> Iterator[Segment]:
    """Read all segments of a log; raises HarnessError for an empty, damaged or newer file."""
    # never closed by hand: arrays look into the map while a segment is read
    data = powerlog.map_log(path, HarnessError)
    for head, begin, end in powerlog.segments(path, data, HarnessError):
        text = np.frombuffer(data, np.uint8, end - begin, begin) if begin < end else _NOTHING
        yield _filled(head, text, block_rows)


def first_source(path: str) -> dict[str, Any] | None:
    """Return the source of a log's first segment that has rows; None without any."""
    data = powerlog.map_log(path, HarnessError)
    for head, begin, end in powerlog.segments(path, data, HarnessError):
        if begin < end:
            return head.source
    return None


_NOTHING = np.zeros(0, np.uint8)


def _filled(head: Head, text: npt.NDArray[np.uint8], block_rows: int) -> Segment:
    """Return the segment whose rows are in `text`, decoded into arrays of their final size."""
    rails = len(head.rails)
    room = len(text) // powerlog.row_width(rails)
    t_us = np.empty(room, np.int64)
    power = np.empty((room, rails), np.int32)  # a reading has nine digits
    read = np.empty((room, rails), bool)
    failures: dict[str, int] = {}
    at = damaged = 0
    for rows, bad in read_rows(text, rails, block_rows):
        to = at + len(rows.t_us)
        t_us[at:to], power[at:to], read[at:to] = rows.t_us, rows.mw, rows.read
        at, damaged = to, damaged + bad
        for word in rows.words:
            failures[word] = failures.get(word, 0) + 1
    return Segment(*head, t_us[:at], power[:at], read[:at], failures, damaged)
