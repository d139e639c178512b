"""Read `power.csv`, format 1, row by row: what the board itself needs of it (reports/logs/powerlog.py reads it in bulk)."""

import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from joulebird.devices.powerlog import FORMAT, MAGIC, row_width
from joulebird.harness.core.errors import SourceError


class Head(NamedTuple):
    """The beginning of a segment: what the source said of itself, and the clock line."""

    source: Dict[str, Any]
    clock: Dict[str, Any]


class Row(NamedTuple):
    """One row: seconds, watts by rail (unreadable ones absent), status."""

    t_s: float
    watts: Dict[str, float]
    status: str


class Damaged(NamedTuple):
    """A line that has not the layout of the format, by its number in the file, counted from 1."""

    line: int


class Segment(NamedTuple):
    """A whole segment and how many of its lines are damaged."""

    source: Dict[str, Any]
    clock: Dict[str, Any]
    rows: List[Row]
    damaged: int


def read_log(path: str) -> List[Segment]:
    """All segments of a log of ours; raises SourceError for anything else."""
    segments: List[Segment] = []
    for item in walk_log(path):
        if isinstance(item, Head):
            segments.append(Segment(item.source, item.clock, [], 0))
        elif isinstance(item, Row):
            segments[-1].rows.append(item)
        else:
            segments[-1] = segments[-1]._replace(damaged=segments[-1].damaged + 1)
    return segments


def walk_log(path: str) -> Iterator[Union[Head, Row, Damaged]]:
    """A log line by line, a `Head` before the rows of each segment; raises SourceError for anything but a log of ours."""
    notes: Dict[str, str] = {}
    rails: Optional[Tuple[str, ...]] = None
    for number, line in _lines(path):
        if number == 1 and not line.startswith(MAGIC):
            raise SourceError(
                f"{path} is not a power log of joulebird",
                "give a power.csv; `joulebird energy` reads foreign logs",
            )
        if line.startswith(MAGIC):
            rails, notes = None, {}
            if not line[len(MAGIC) :].isdigit() or int(line[len(MAGIC) :]) > FORMAT:
                raise SourceError(
                    f"{path}: {line[2:]} is newer than this joulebird reads",
                    "update joulebird",
                )
        elif line.startswith("# "):
            word, _, rest = line[2:].partition(" ")
            notes[word] = rest
        elif rails is None and line.startswith("t_us,"):
            head = Head(_json(path, notes, "source"), _json(path, notes, "clock"))
            rails = tuple(head.source["rails"])
            yield head
        elif rails is not None:
            yield parse_row(line, rails) or Damaged(number)


def _lines(path: str) -> Iterator[Tuple[int, str]]:
    """The finished lines of a file; what stands behind the last newline was cut short."""
    try:
        with open(path, "rb") as file:
            number = 0
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield number, line[:-1].decode("utf-8", "replace")
    except OSError as error:
        raise _unreadable(path, error) from error
    if number == 0:
        raise SourceError(
            f"the power log {path} is empty", "record again: a log has at least its header lines"
        )


def read_rows(path: str, rails: Sequence[str], offset: int) -> List[Row]:
    """The undamaged rows of one segment from a byte on; raises SourceError when the file cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, offset - 1))
            if offset > 0:
                file.readline()  # up to the first whole line
            lines = [line[:-1].decode("utf-8", "replace") for line in file if line.endswith(b"\n")]
    except OSError as error:
        raise _unreadable(path, error) from error
    return [row for row in (parse_row(line, rails) for line in lines) if row is not None]


def _unreadable(path: str, error: OSError) -> SourceError:
    return SourceError(
        f"cannot read the power log {path}: {os.strerror(error.errno or 0)}", "check its name"
    )


def parse_row(line: str, rails: Sequence[str]) -> Optional[Row]:
    """A row without its newline; None when it has not the layout of the format.

    >>> parse_row("        12300000,     3056,          ok", ("VDD_IN",))
    Row(t_s=12.3, watts={'VDD_IN': 3.056}, status='ok')
    >>> parse_row("        12300000,     30", ("VDD_IN",))
    """
    if len(line) != row_width(len(rails)) - 1:
        return None
    fields = line.split(",")
    if len(fields) != len(rails) + 2:
        return None
    try:
        watts = {
            rail: int(field) / 1e3 for rail, field in zip(rails, fields[1:-1]) if field.strip()
        }
        return Row(int(fields[0]) / 1e6, watts, fields[-1].strip())
    except ValueError:
        return None


def _json(path: str, notes: Dict[str, str], word: str) -> Dict[str, Any]:
    try:
        value = json.loads(notes[word])
        if isinstance(value, dict):
            return value
    except (KeyError, ValueError):
        pass
    raise SourceError(
        f"{path}: its `# {word}` line is missing or damaged",
        "repair that line (JSON), or record again",
    )
