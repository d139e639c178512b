"""A table with grouped columns, written as text, Markdown, LaTeX, CSV, HTML or JSON."""

import csv
import html
import io
import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from joulebird.harness.core.errors import HarnessError

FORMAT = 1
_TEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "†": r"$\dagger$",
        "–": "--",
        "≥": r"$\ge$",
    }
)


class Column(NamedTuple):
    """A column: its heading, its group's (equal neighbours are one), whether it has numbers."""

    title: str
    group: str = ""
    number: bool = True


class Cell(NamedTuple):
    """The text of a cell, and the exact value behind it (JSON with units in its names)."""

    text: str
    data: Any = None


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of cells (None is a line between blocks), notes, and JSON's facts."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row | None, ...]
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def render(self, form: str = "text") -> str:
        """Return the table in one of FORMS; raises HarnessError for another form."""
        if form not in FORMS:
            raise HarnessError(
                f"no such form of a table: {form!r}", f"use one of {', '.join(FORMS)}"
            )
        return _WRITERS[form](self)

    @property
    def lines(self) -> list[Row]:
        """Return the rows without the lines between blocks."""
        return [row for row in self.rows if row is not None]


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int, int]]:
    """Return the groups of neighbouring columns: (heading, first, count)."""
    runs = groupby(range(len(columns)), key=lambda i: columns[i].group or i)
    return [(columns[first].group, first, 1 + len(more)) for _, (first, *more) in runs]


def _text(table: Table) -> str:
    widths = [
        max([len(column.title), *(len(row[i].text) for row in table.lines)])
        for i, column in enumerate(table.columns)
    ]
    top = []
    for heading, first, count in _groups(table.columns):
        room = sum(widths[first : first + count]) + 2 * (count - 1)
        widths[first + count - 1] += max(len(heading) - room, 0)
        top.append(heading.center(max(len(heading), room)))
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    groups = [heading for heading in ["  ".join(top).rstrip()] if heading]
    titles = _line([column.title for column in table.columns], table, widths)
    rows = [rule if row is None else _line(_texts(row), table, widths) for row in table.rows]
    notes = ["", *table.notes] if table.notes else []
    return "\n".join([table.title, "", *groups, titles, rule, *rows, *notes]) + "\n"


def _texts(row: Row) -> list[str]:
    return [cell.text for cell in row]


def _line(texts: list[str], table: Table, widths: list[int]) -> str:
    cells = (
        text.rjust(width) if column.number else text.ljust(width)
        for text, column, width in zip(texts, table.columns, widths, strict=True)
    )
    return "  ".join(cells).rstrip()


def _headings(table: Table) -> list[str]:
    return [f"{c.group}, {c.title}" if c.group else c.title for c in table.columns]


def _markdown(table: Table) -> str:
    def line(texts: list[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    marks = ["---:" if column.number else "---" for column in table.columns]
    rows = [line(_texts(row)) for row in table.lines]
    notes = ["", *(f"* {note}" for note in table.notes)] if table.notes else []
    lines = [f"**{table.title}**", "", line(_headings(table)), line(marks), *rows, *notes]
    return "\n".join(lines) + "\n"


def _tex(table: Table) -> str:
    """Write a booktabs table with grouped headings; the preamble needs the package booktabs."""
    columns = "".join("r" if column.number else "l" for column in table.columns)
    groups = _groups(table.columns)
    top = " & ".join(
        f"\\multicolumn{{{count}}}{{c}}{{{heading.translate(_TEX)}}}"
        if heading
        else " & " * (count - 1)
        for heading, _, count in groups
    )
    rules = " ".join(
        f"\\cmidrule(lr){{{first + 1}-{first + count}}}"
        for heading, first, count in groups
        if heading
    )
    lines = [
        "\\begin{table}",
        f"\\caption{{{table.title.translate(_TEX)}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
    ]
    lines += [top + r" \\", rules] if rules else []
    lines += [_tex_row([column.title for column in table.columns]), "\\midrule"]
    lines += ["\\midrule" if row is None else _tex_row(_texts(row)) for row in table.rows]
    lines += ["\\bottomrule", "\\end{tabular}"]
    lines += [f"\\par\\footnotesize {note.translate(_TEX)}" for note in table.notes]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def _tex_row(texts: list[str]) -> str:
    return " & ".join(text.translate(_TEX) for text in texts) + r" \\"


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_headings(table))
    writer.writerows(_texts(row) for row in table.lines)
    return out.getvalue() + "".join(f"# {note}\n" for note in (table.title, *table.notes))


def _html(table: Table) -> str:
    groups = _groups(table.columns)
    top = "".join(
        f'<th colspan="{count}">{html.escape(heading)}</th>' for heading, _, count in groups
    )
    titles = "".join(f"<th>{html.escape(column.title)}</th>" for column in table.columns)
    lines = ["<table>", f"<caption>{html.escape(table.title)}</caption>", "<thead>"]
    lines += [f"<tr>{top}</tr>"] if any(heading for heading, _, _ in groups) else []
    lines += [f"<tr>{titles}</tr>", "</thead>", "<tbody>"]
    lines += [_html_row(row, table.columns) for row in table.rows]
    notes = [f"<p class=note>{html.escape(note)}</p>" for note in table.notes]
    return "\n".join([*lines, "</tbody>", "</table>", *notes]) + "\n"


def _html_row(row: Row | None, columns: tuple[Column, ...]) -> str:
    cells = (
        f"<td{' class=number' if column.number else ''}>{html.escape(cell.text)}</td>"
        for cell, column in zip(row or (), columns, strict=True)
    )
    return "</tbody>\n<tbody>" if row is None else f"<tr>{''.join(cells)}</tr>"


def _json(table: Table) -> str:
    """Write exact values: every row is an object of column -> {"text", "value"}."""
    names = _headings(table)
    rows = [
        {
            name: {"text": cell.text, "value": cell.data}
            for name, cell in zip(names, row, strict=True)
        }
        for row in table.lines
    ]
    whole = {
        "format": FORMAT,
        "title": table.title,
        "columns": names,
        "rows": rows,
        "notes": list(table.notes),
        **table.facts,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_WRITERS = {
    "text": _text,
    "md": _markdown,
    "tex": _tex,
    "csv": _csv,
    "html": _html,
    "json": _json,
}
FORMS = tuple(_WRITERS)


def with_rules(blocks: Iterable[Iterable[Row]]) -> tuple[Row | None, ...]:
    """Return the rows of some blocks, with a line between two blocks."""
    return tuple(row for block in blocks for row in (None, *block))[1:]


_PREFIX = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"))


def unit_for(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Return one unit for many values, with its factor.

    The largest prefix that leaves the smallest (non-zero) value at one or more.

    >>> unit_for([9120.0, 745.0], "J"), unit_for([6.3e6, 48e3], "J"), unit_for([], "J")
    ((1.0, 'J'), (1000.0, 'kJ'), (1.0, 'J'))
    """
    smallest = min((abs(value) for value in values if value), default=1.0)
    fitting = (entry for entry in _PREFIX if smallest >= entry[0])
    factor, prefix = next(fitting, _PREFIX[-1])
    return factor, prefix + unit


def digits(value: float, count: int = 4) -> str:
    """Write `count` significant digits, without an exponent.

    >>> digits(6322.4), digits(256.38), digits(0.0123456), digits(75.42, 3), digits(0)
    ('6322', '256.4', '0.01235', '75.4', '0')
    """
    if not value or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = max(count - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{places}f}"


def si(value: float, unit: str) -> str:
    """Write a value with its own prefix.

    >>> si(9120, "J"), si(0.0764, "W")
    ('9.12 kJ', '76.4 mW')
    """
    factor, name = unit_for([value], unit)
    return f"{digits(value / factor, 3)} {name}"


def worded(text: str, words: Iterable[str]) -> str:
    """Write an energy's number with its words.

    >>> worded("12.3 J", ("simulated", "estimated")), worded("12.3 J", ())
    ('12.3 J (estimated, simulated)', '12.3 J')
    """
    named = ", ".join(sorted(words))
    return f"{text} ({named})" if named else text


def spread_of(values: list[float]) -> float | None:
    """Return the standard deviation of a sample; None for a single value.

    >>> spread_of([1.0]), spread_of([1.0, 3.0])
    (None, 1.4142135623730951)
    """
    return statistics.stdev(values) if len(values) > 1 else None


def mean_and_spread(values: list[float]) -> tuple[str, dict[str, Any]]:
    """Write accuracies in percent as "mean±spread"; also return the exact values.

    >>> mean_and_spread([90.0, 92.0])[0], mean_and_spread([90.0])[0]
    ('91.00±1.41', '90.00')
    """
    mean, spread = statistics.fmean(values), spread_of(values)
    text = f"{mean:.2f}" + ("" if spread is None else f"±{spread:.2f}")
    return text, {"percent": mean, "spread": spread, "seeds": values}
