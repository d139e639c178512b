"""Read `power.csv` on the board, row by row (reports/logs/powerlog.py reads it in bulk)."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from joulebird.harness.core import powerlog
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import Head, Row

Timed = Tuple[float, Row, Head]  # seconds since the log's first row, the row, the log's first head


class Segment(NamedTuple):
    """A whole segment and how many of its lines are damaged."""

    source: Dict[str, Any]
    clock: Dict[str, Any]
    rows: List[Row]
    damaged: int


def read_log(path: str) -> List[Segment]:
    """Return all segments of a log of ours; raises SourceError for anything else."""
    data = powerlog.map_log(path, SourceError)
    found = []
    for head, begin, end in powerlog.segments(path, data, SourceError):
        lines = list(powerlog.rows(data, begin, end, head.rails))
        rows = [row for row in lines if row is not None]
        found.append(Segment(head.source, head.clock, rows, len(lines) - len(rows)))
    return found


def timeline(path: str) -> Iterator[Timed]:
    """Yield a log's undamaged rows in their order.

    Segments of one boot keep their distance, those of different boots the distance of their wall
    clocks. Raises SourceError for anything but a log of ours, and where the rails change.
    """
    data = powerlog.map_log(path, SourceError)
    first: Optional[Head] = None
    first_s, last_s = None, float("-inf")
    for head, begin, end in powerlog.segments(path, data, SourceError):
        first = first or head
        if head.rails != first.rails:
            raise SourceError(
                f"{path}: its segments have different rails", "replay a log of one source"
            )
        shift_s = _shift_s(first.clock, head.clock)
        for row in filter(None, powerlog.rows(data, begin, end, head.rails)):
            first_s = row.t_s if first_s is None else first_s
            at_s = row.t_s + shift_s - first_s
            if at_s <= last_s:  # a wall clock that was set back: follow on at once
                shift_s += last_s - at_s + 1e-6
                at_s = last_s + 1e-6
            last_s = at_s
            yield at_s, row, first


def _shift_s(first: Dict[str, Any], clock: Dict[str, Any]) -> float:
    """Return the seconds that shift a segment's times to the first segment's clock."""
    if clock.get("boot_id") == first.get("boot_id"):
        return 0.0
    wall_s, first_wall_s = (
        (line.get("wall_s") or 0.0) - (line.get("monotonic_s") or 0.0) for line in (clock, first)
    )
    return float(wall_s - first_wall_s)


def read_rows(path: str, rails: Sequence[str], offset: int) -> List[Row]:
    """Return the undamaged rows from a byte on, which lies in a segment of these rails.

    Raises SourceError when the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(0, offset - 1))
            if offset > 0:
                file.readline()  # up to the first whole line
            data = file.read()
    except OSError as error:
        raise powerlog.unreadable(path, error, SourceError) from error
    own, mark, rest = data.partition(powerlog.MAGIC)
    found = list(filter(None, powerlog.rows(own, 0, len(own), tuple(rails))))
    later = mark + rest
    for head, begin, end in powerlog.segments(path, later, SourceError):
        found.extend(filter(None, powerlog.rows(later, begin, end, head.rails)))
    return found
