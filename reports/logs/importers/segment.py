"""Make the segment of a foreign log: powers in nanowatts, refused beyond what a log can hold."""

from collections.abc import Sequence

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.powerlog import Segment

NW_PER_W = 1_000_000_000
MAX_W = 1e6  # the limit of our own logs too; nanowatts and microseconds below both fit integers
MAX_S = 1e10  # counted from 1970, the year 2286
SPOILT = (
    "mend or cut that line, or name the columns of times and watts, and their unit: "
    "--map t=COL,w=COL (or mw=)"
)


def foreign_segment(
    facts: dict[str, object],
    rails: Sequence[str],
    times_s: Sequence[float] | np.ndarray,
    watts: np.ndarray,
    read: np.ndarray,
    damaged: int,
) -> Segment:
    """Return one segment of an unknown boot: seconds, (n, rails) watts, which of them were read.

    `facts` are the source's name, sampling, scope and total.
    """
    t_us = np.rint(np.asarray(times_s, dtype=np.float64) * 1e6).astype(np.int64)
    power = np.rint(np.where(read, watts, 0.0) * NW_PER_W).astype(np.int64)
    failed = int((~read).any(axis=1).sum())
    return Segment(
        {**facts, "rails": list(rails), "real": True},
        {"boot_id": ""},
        tuple(rails),
        t_us,
        power,
        read,
        {"unread": failed} if failed else {},
        damaged,
    )


def refuse_beyond(
    path: str, lines: list[int], values: Sequence[float] | np.ndarray, limit: float, unit: str
) -> None:
    """Raise HarnessError for the first value beyond a limit (or NaN); `lines` are its rows' lines.

    >>> refuse_beyond("log.csv", [2, 3], np.array([[5.0], [1e300]]), 1e6, "W")
    Traceback (most recent call last):
    joulebird.harness.core.errors.HarnessError: log.csv line 3: 1e+300 W cannot be
    """
    table = np.asarray(values, dtype=np.float64).reshape(len(lines), -1)
    wrong = np.argwhere(~(np.abs(table) <= limit))
    if len(wrong):
        row, column = wrong[0]
        raise HarnessError(
            f"{path} line {lines[row]}: {table[row, column]:g} {unit} cannot be", SPOILT
        )
