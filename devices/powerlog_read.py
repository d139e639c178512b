"""Read `power.csv` on the board, row by row (reports/logs/powerlog.py reads it in bulk)."""

from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Union

from joulebird.harness.core import powerlog
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import Head, Row


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


def walk_log(path: str) -> Iterator[Union[Head, Row]]:
    """Yield a log's undamaged rows, the `Head` of each segment before its rows.

    Raises SourceError for anything but a log of ours.
    """
    data = powerlog.map_log(path, SourceError)
    for head, begin, end in powerlog.segments(path, data, SourceError):
        yield head
        yield from filter(None, powerlog.rows(data, begin, end, head.rails))


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
