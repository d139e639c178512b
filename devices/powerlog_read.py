"""Read `power.csv`, format 1, row by row: what the board itself needs of it (reports/powerlog.py reads it in bulk)."""
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from devices.base import SourceError
from devices.powerlog import FORMAT, MAGIC, RAIL_WIDTH, STATUS_WIDTH, T_WIDTH


class Row(NamedTuple):
    """One row as read: seconds, watts by rail (unreadable ones absent), status."""

    t_s: float
    watts: Dict[str, float]
    status: str


class Segment(NamedTuple):
    """One stretch of a log: what the source said of itself, the clock line, the rows, and how many lines were damaged."""

    source: Dict[str, Any]
    clock: Dict[str, Any]
    rows: List[Row]
    damaged: int


def read_log(path: str) -> List[Segment]:
    """All segments of a log of ours; raises SourceError for anything else."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise SourceError("cannot read the power log %s: %s" % (path, os.strerror(error.errno or 0)), "check its name") from error
    if not data.startswith(MAGIC.encode()):
        raise SourceError("%s is not a power log of joulebird" % path, "give a power.csv; `joulebird energy` reads foreign logs")
    return list(_segments(path, data.decode("utf-8", "replace").split("\n")))


def _segments(path: str, lines: List[str]) -> Iterator[Segment]:
    notes: Dict[str, str] = {}
    segment: Optional[Segment] = None
    rails: Tuple[str, ...] = ()
    for line in lines[:-1]:                 # the text behind the last newline is an unfinished line, or nothing
        if line.startswith(MAGIC):
            if segment is not None:
                yield segment
            segment, notes = None, {}
            if not line[len(MAGIC):].isdigit() or int(line[len(MAGIC):]) > FORMAT:
                raise SourceError("%s: %s is newer than this joulebird reads" % (path, line[2:]), "update joulebird")
        elif line.startswith("# "):
            word, _, rest = line[2:].partition(" ")
            notes[word] = rest
        elif segment is None and line.startswith("t_us,"):
            segment = Segment(_json(path, notes, "source"), _json(path, notes, "clock"), [], 0)
            rails = tuple(segment.source["rails"])
        elif segment is not None:
            row = parse_row(line, rails)
            if row is None:
                segment = segment._replace(damaged=segment.damaged + 1)
            else:
                segment.rows.append(row)
    if segment is not None:
        yield segment


def parse_row(line: str, rails: Tuple[str, ...]) -> Optional[Row]:
    """A row without its newline; None when it has not the layout of the format.

    >>> parse_row("        12300000,     3056,          ok", ("VDD_IN",))
    Row(t_s=12.3, watts={'VDD_IN': 3.056}, status='ok')
    >>> parse_row("        12300000,     30", ("VDD_IN",))
    """
    if len(line) != T_WIDTH + (1 + RAIL_WIDTH) * len(rails) + 1 + STATUS_WIDTH:
        return None
    fields = line.split(",")
    if len(fields) != len(rails) + 2:
        return None
    try:
        watts = {rail: int(field) / 1e3 for rail, field in zip(rails, fields[1:-1]) if field.strip()}
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
    raise SourceError("%s: its `# %s` line is missing or damaged" % (path, word), "repair that line (JSON), or record again")
