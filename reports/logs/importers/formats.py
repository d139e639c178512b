"""Read power logs written by others: any CSV with times and watts, tegrastats, PTDaemon."""

from pathlib import Path
from typing import NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import ptdaemon, tegrastats
from joulebird.reports.logs.importers.csvlog import import_csv
from joulebird.reports.logs.importers.segment import NW_PER_W
from joulebird.reports.logs.powerlog import Segment


class Foreign(NamedTuple):
    """A foreign log: its segments, the unit of their powers, and notes about guesses."""

    segments: list[Segment]
    per_watt: int
    notes: tuple[str, ...]


def read_foreign(path: str, columns: str | None = None, period_s: float = 1.0) -> Foreign:
    """Read a foreign log. `columns` maps a CSV: "t=COL,w=COL".

    `period_s` is the period of a log without times (old tegrastats). Raises HarnessError for an
    empty or unreadable file, an unknown form, an absent column, or an impossible value.
    """
    lines, cut = _lines(path)
    notes: tuple[str, ...] = ()
    if columns is None and tegrastats.matches(lines):
        segment, notes = tegrastats.read(path, lines, period_s)
    elif columns is None and ptdaemon.matches(lines):
        segment = ptdaemon.read(path, lines)
    else:
        segment = import_csv(path, lines, columns)
    return Foreign([segment._replace(damaged=segment.damaged + cut)], NW_PER_W, notes)


def _lines(path: str) -> tuple[list[str], int]:
    """Return the whole lines of a file, and 1 if a last line without its newline was left out.

    Such a line may end inside a number.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HarnessError(
            f"{path}: cannot be read ({error.strerror})",
            "check the name and the permissions of the file",
        ) from None
    remedy = "record again, or give a log with at least one sample"
    if not data.strip():
        raise HarnessError(f"{path}: the log is empty", remedy)
    *lines, rest = data.decode("utf-8-sig", "replace").split("\n")
    if not lines:
        raise HarnessError(f"{path}: not one whole line", remedy)
    return [line.rstrip("\r") for line in lines], int(bool(rest.strip()))
