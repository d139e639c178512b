"""Tables in all their forms."""

import csv
import html.parser
import io
import json

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.tables.table import FORMS, Cell, Column, Table

TABLE = Table(
    "Energy & ratio of 2 runs",
    (
        Column("Method", number=False),
        Column("p=30%", "Energy (kJ)"),
        Column("p=50%", "Energy (kJ)"),
    ),
    (
        (Cell("LT"), Cell("6322", 6.322e6), Cell("6322±3", {"energy_j": 6322000.0})),
        None,
        (Cell("EB_Train | x"), Cell("2.7×"), Cell("void")),
    ),
    ("one note: 5 % <b>",),
    {"unit": "J"},
)

TEXT = """\
Energy & ratio of 2 runs

               Energy (kJ)
Method        p=30%   p=50%
---------------------------
LT             6322  6322±3
---------------------------
EB_Train | x   2.7×    void

one note: 5 % <b>
"""

MARKDOWN = """\
**Energy & ratio of 2 runs**

| Method | Energy (kJ), p=30% | Energy (kJ), p=50% |
| --- | ---: | ---: |
| LT | 6322 | 6322±3 |
| EB_Train \\| x | 2.7× | void |

* one note: 5 % <b>
"""

TEX = r"""\begin{table}
\caption{Energy \& ratio of 2 runs}
\begin{tabular}{lrr}
\toprule
 & \multicolumn{2}{c}{Energy (kJ)} \\
\cmidrule(lr){2-3}
Method & p=30\% & p=50\% \\
\midrule
LT & 6322 & 6322$\pm$3 \\
\midrule
EB\_Train | x & 2.7$\times$ & void \\
\bottomrule
\end{tabular}
\par\footnotesize one note: 5 \% <b>
\end{table}
"""

CSV = """\
Method,"Energy (kJ), p=30%","Energy (kJ), p=50%"
LT,6322,6322±3
EB_Train | x,2.7×,void
# Energy & ratio of 2 runs
# one note: 5 % <b>
"""


@pytest.mark.parametrize(
    ("form", "expected"), [("text", TEXT), ("md", MARKDOWN), ("tex", TEX), ("csv", CSV)]
)
def test_the_written_forms(form, expected):
    assert TABLE.render(form) == expected


def test_json_holds_exact_values_and_facts():
    data = json.loads(TABLE.render("json"))
    assert data["format"] == 1
    assert data["unit"] == "J"
    assert data["notes"] == ["one note: 5 % <b>"]
    assert data["rows"][0]["Energy (kJ), p=50%"] == {
        "text": "6322±3",
        "value": {"energy_j": 6322000.0},
    }
    assert len(data["rows"]) == 2


def test_html_is_well_formed_and_escaped():
    seen, cells = [], []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.append(tag)

        def handle_endtag(self, tag):
            assert tag in seen
            seen.remove(tag)

        def handle_data(self, data):
            cells.append(data)

    Reader().feed(TABLE.render("html"))
    assert seen == []
    assert "one note: 5 % <b>" in cells
    assert "EB_Train | x" in cells


def test_csv_reads_back():
    lines = [line for line in CSV.splitlines() if not line.startswith("#")]
    rows = list(csv.reader(io.StringIO("\n".join(lines))))
    assert [len(row) for row in rows] == [3, 3, 3]


def test_an_unknown_form_is_refused():
    with pytest.raises(HarnessError, match="docx") as caught:
        TABLE.render("docx")
    assert all(form in caught.value.hint for form in FORMS)
