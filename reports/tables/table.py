"""A table with grouped columns: text, Markdown, LaTeX, CSV, HTML and JSON, written by hand so that nothing else is needed."""

import csv
import html
import io
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from joulebird.harness.core.errors import HarnessError

FORMAT = 1
FORMS = ("text", "md", "tex", "csv", "html", "json")
_TEX = {
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
_ASCII = {"±": "+-", "×": "x", "†": "(!)", "–": "-", "−": "-", "≥": ">=", "·": "*"}


class Column(NamedTuple):
    """A column: its heading, the heading of the group it belongs to (equal neighbours are drawn as one), and whether it holds numbers."""

    title: str
    group: str = ""
    number: bool = True


class Cell(NamedTuple):
    """What a cell shows, and the exact value behind it (JSON values with units in their names)."""

    text: str
    data: Any = None


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of cells (None draws a line between blocks), notes, and facts that only the JSON form carries."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...] | None, ...]
    notes: tuple[str, ...] = ()
    facts: dict = field(default_factory=dict)

    def render(self, form: str = "text") -> str:
        """The table in one of FORMS, ending with a newline; raises HarnessError for another form."""
        writers = {
            "text": _text,
            "md": _markdown,
            "tex": _tex,
            "csv": _csv,
            "html": _html,
            "json": _json,
        }
        if form not in writers:
            raise HarnessError(
                f"no such form of a table: {form!r}", f"use one of {', '.join(FORMS)}"
            )
        return writers[form](self)

    @property
    def lines(self) -> list[tuple[Cell, ...]]:
        """The rows without the lines between blocks."""
        return [row for row in self.rows if row is not None]


def ascii_text(text: str) -> str:
    """The text with signs that a plain terminal lacks replaced.

    >>> ascii_text("6.1 ± 0.2 ×")
    '6.1 +- 0.2 x'
    """
    for sign, plain in _ASCII.items():
        text = text.replace(sign, plain)
    return text.encode("ascii", "replace").decode("ascii")


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int, int]]:
    """Runs of columns with one group heading: (heading, first, count)."""
    found: list[tuple[str, int, int]] = []
    for i, column in enumerate(columns):
        if found and column.group and found[-1][0] == column.group:
            found[-1] = (column.group, found[-1][1], found[-1][2] + 1)
        else:
            found.append((column.group, i, 1))
    return found


def _text(table: Table) -> str:
    widths = [
        max([len(c.title), *(len(row[i].text) for row in table.lines)])
        for i, c in enumerate(table.columns)
    ]
    for heading, first, count in _groups(table.columns):
        room = sum(widths[first : first + count]) + 2 * (count - 1)
        widths[first + count - 1] += max(len(heading) - room, 0)
    top = "  ".join(
        heading.center(sum(widths[a : a + n]) + 2 * (n - 1))
        for heading, a, n in _groups(table.columns)
    ).rstrip()
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [
        table.title,
        "",
        *([top] if top else []),
        _line([c.title for c in table.columns], table.columns, widths),
        rule,
    ]
    for row in table.rows:
        lines.append(
            rule if row is None else _line([cell.text for cell in row], table.columns, widths)
        )
    return "\n".join([*lines, *([""] if table.notes else []), *table.notes]) + "\n"


def _line(texts: list[str], columns: tuple[Column, ...], widths: list[int]) -> str:
    cells = (
        text.rjust(w) if c.number else text.ljust(w)
        for text, c, w in zip(texts, columns, widths, strict=True)
    )
    return "  ".join(cells).rstrip()


def _headings(table: Table) -> list[str]:
    return [f"{c.group}, {c.title}" if c.group else c.title for c in table.columns]


def _markdown(table: Table) -> str:
    def line(texts: list[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    marks = ["---:" if column.number else "---" for column in table.columns]
    rows = [line([cell.text for cell in row]) for row in table.lines]
    notes = ["", *(f"* {note}" for note in table.notes)] if table.notes else []
    return (
        "\n".join([f"**{table.title}**", "", line(_headings(table)), line(marks), *rows, *notes])
        + "\n"
    )


def _tex(table: Table) -> str:
    """A booktabs table with grouped headings; the preamble needs \\usepackage{booktabs}."""
    columns = "".join("r" if column.number else "l" for column in table.columns)
    groups = _groups(table.columns)
    top = " & ".join(
        f"\\multicolumn{{{n}}}{{c}}{{{_escape(h)}}}" if h else " & ".join([""] * n)
        for h, _, n in groups
    )
    rules = " ".join(f"\\cmidrule(lr){{{a + 1}-{a + n}}}" for h, a, n in groups if h)
    lines = [
        "\\begin{table}",
        f"\\caption{{{_escape(table.title)}}}",
        f"\\begin{{tabular}}{{{columns}}}",
        "\\toprule",
    ]
    lines += [top + r" \\", rules] if rules else []
    lines += [" & ".join(_escape(column.title) for column in table.columns) + r" \\", "\\midrule"]
    lines += [
        "\\midrule" if row is None else " & ".join(_escape(cell.text) for cell in row) + r" \\"
        for row in table.rows
    ]
    lines += ["\\bottomrule", "\\end{tabular}"]
    lines += [f"\\par\\footnotesize {_escape(note)}" for note in table.notes]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def _escape(text: str) -> str:
    return "".join(_TEX.get(sign, sign) for sign in text)


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_headings(table))
    writer.writerows([cell.text for cell in row] for row in table.lines)
    return out.getvalue() + "".join(f"# {note}\n" for note in (table.title, *table.notes))


def _html(table: Table) -> str:
    groups = _groups(table.columns)
    head = "".join(f'<th colspan="{n}">{html.escape(h)}</th>' for h, _, n in groups)
    lines = ["<table>", f"<caption>{html.escape(table.title)}</caption>", "<thead>"]
    lines += [f"<tr>{head}</tr>"] if any(h for h, _, _ in groups) else []
    lines += [
        "<tr>" + "".join(f"<th>{html.escape(c.title)}</th>" for c in table.columns) + "</tr>",
        "</thead>",
        "<tbody>",
    ]
    for row in table.rows:
        if row is None:
            lines += ["</tbody>", "<tbody>"]
        else:
            cells = [
                f"<td{' class=number' if column.number else ''}>{html.escape(cell.text)}</td>"
                for cell, column in zip(row, table.columns, strict=True)
            ]
            lines.append("<tr>" + "".join(cells) + "</tr>")
    notes = [f"<p class=note>{html.escape(note)}</p>" for note in table.notes]
    return "\n".join([*lines, "</tbody>", "</table>", *notes]) + "\n"


def _json(table: Table) -> str:
    """Exact values: every row an object of column -> {"text", "value"}."""
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
