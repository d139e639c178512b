"""Divide a foreign log into rows and named columns, and note the lines that are no rows."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import cells

_HEADER_WITHIN = 200
_ONE = re.compile(r"-?\d+\.?\d*")


class Sheet(NamedTuple):
    """The rows of a log, each with its line; the names and units of its columns, if it has any.

    `lost` are the lines that are no rows, `preamble` is the text above the names.
    """

    path: str
    header: list[str]
    units: list[str]
    rows: list[list[str]]
    lines: list[int]
    lost: list[int]
    preamble: list[str]

    @property
    def width(self) -> int:
        """Return the number of columns."""
        return len(self.header) or (len(self.rows[0]) if self.rows else 0)

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return [row[index] for row in self.rows]

    def name(self, index: int) -> str:
        """Return the name of a column, or its number from 1."""
        return self.header[index] if self.header else f"column{index + 1}"

    def unit(self, index: int, kind: str) -> str:
        """Return the unit of a column, from its name or the row of units; "" for none."""
        below = self.units[index] if self.units else ""
        return cells.unit_in(self.name(index), kind) or (
            below if cells.factor_of(below, kind) else ""
        )


def no_sample(path: str, lost: list[int]) -> HarnessError:
    """Return the refusal of a log without a row, with the first lines that are none."""
    shown = f" ({len(lost)} damaged lines: line {', '.join(map(str, lost[:5]))})" if lost else ""
    remedy = "give as many cells in each row as there are names, and a time in each"
    return HarnessError(f"{path}: the log holds no sample{shown}", remedy)


def read_sheet(path: str, lines: list[str]) -> Sheet:
    """Return the sheet of a log's lines; raises HarnessError for a file that is no table."""
    mark = _delimiter(lines)
    table = list(_rows(path, lines, mark))
    counts = [sum(map(is_number, row)) for _, row, _ in table]
    widths = Counter(len(row) for (_, row, _), count in zip(table, counts, strict=True) if count)
    width = max(widths, key=lambda count: (widths[count], count)) if widths else 0
    at = _header_at([row for _, row, _ in table[:_HEADER_WITHIN]], counts, width)
    header = list(table[at][1]) if at is not None else []
    begin = 0 if at is None else at + 1
    top = zip(table[: at or 0], counts, strict=False)
    above = [line for (line, row, _), count in top if len(row) == width and count > 1]
    if len(above) > 1:
        raise HarnessError(
            f"{path} line {above[0]}: rows of numbers stand above the names of the columns",
            "put the names into the first line",
        )
    units: list[str] = []
    if header and begin < len(table) and _is_units(table[begin][1]):
        units = [cell.strip("()[] ") for cell in table[begin][1]] + [""] * len(header)
        begin += 1
    size = len(header) or width
    rows, numbers, lost = [], [], above
    short: list[str] = []
    timeless = "t" not in map(cells.kind_of, header)
    for (first, row, last), count in zip(table[begin:], counts[begin:], strict=True):
        row = row if any(row[size:]) else row[:size]
        if first != last:
            raise HarnessError(
                f"{path} line {first}: a quote opens there and does not close in its line",
                "close it, or remove it",
            )
        cut = short if timeless and len(short) == 1 and lost[-1] == first - 1 else []
        if len(row) == size and count and not (cut and _ONE.fullmatch(cut[0] + row[0])):
            rows.append(row)
            numbers.append(first)
        elif mark is not None or row not in (header, table[begin - 1][1]):
            _same_columns(path, first, row, header)
            lost.append(first)
            short = row  # the next line may be its rest
    preamble = lines[: table[at][0] - 1] if at is not None else []
    return Sheet(path, header, units, rows, numbers, lost, preamble)


def _same_columns(path: str, line: int, row: list[str], header: list[str]) -> None:
    names = {cell for cell in row if cell and not is_number(cell)}
    if row != header and len(names & set(header)) > 1 and len(names) == len(row):
        raise HarnessError(
            f"{path} line {line}: the columns change here",
            "divide the log there, and read each part by itself",
        )


def _rows(path: str, lines: list[str], mark: str | None) -> Iterator[tuple[int, list[str], int]]:
    """Walk over (first line, cells, last line) of the rows that are not blank."""
    if mark is None:
        for line, text in enumerate(lines, 1):
            row = text.strip().lstrip("#").split()
            if row:
                yield line, row, line
        return
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    try:
        first = 1
        for row in reader:
            row = [cell.strip() for cell in row]
            if any(row):
                row[0] = row[0].lstrip("#").strip()
                yield first, row, reader.line_num
            first = reader.line_num + 1
    except csv.Error as error:
        raise HarnessError(
            f"{path} line {reader.line_num}: this is no CSV ({str(error).partition(' - ')[0]})",
            "give a power log as plain text; unpack a compressed one",
        ) from None


def _delimiter(lines: list[str]) -> str | None:
    """Return the mark between columns; None for blanks."""
    sample = [line for line in lines[:_HEADER_WITHIN] if line.strip() and line[0] != "#"]
    sample = sample or lines[:1]
    for mark in "\t;,|":
        counts = sorted(line.count(mark) for line in sample)
        if counts[len(counts) // 2]:
            return mark
    return None if any(len(line.split()) > 1 for line in sample) else ","


def _header_at(rows: list[list[str]], counts: list[int], width: int) -> int | None:
    """Return the row of names: one without a number, above rows of numbers.

    The first one with two names that are known, else the first of the rows' width, else the last
    one above all numbers.
    """
    named = [
        at
        for at, row in enumerate(rows)
        if len(row) > 1 and not counts[at] and any(counts[at + 1 : at + 4])
    ]
    known = [at for at in named if sum(bool(cells.kind_of(cell)) for cell in rows[at]) > 1]
    fitting = [at for at in named if len(rows[at]) == width]
    above = next((at for at, count in enumerate(counts) if count), 0)
    return next(iter(known or fitting or [at for at in named if at < above][-1:]), None)


def _is_units(row: list[str]) -> bool:
    """Return whether a row has units alone, at least one of watts, joules, volts or amperes."""
    texts = [cell.strip("()[] ") for cell in row]
    found = [any(cells.factor_of(text, kind) for kind in "wjva") for text in texts if text]
    return any(found) and not any(map(is_number, texts))


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number, with or without a unit."""
    return any(map(str.isdigit, cell)) and bool(cells.NUMBER.fullmatch(cell.strip()))
