"""Reports of the user's own: a line in the registry, and a dotted path, reached by `table` and
`figure` from anywhere.
"""

import sys

import pytest

from joulebird.reports import REPORTS
from tests.harness.command import joulebird, process, refused

MINE = """
from joulebird.reports.tables.table import Cell, Column, Table

def my_report(paths, energy="measured"):
    return Table("Mine", (Column("folder", number=False),), ((Cell(paths[0] + energy),),))

def my_figure(paths, output):
    with open(output, "w") as file:
        file.write(paths[0])

def wrong(paths):
    return 3
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder outside the repository with a package of reports; nothing of it stays imported."""
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "__init__.py").write_text("")
    (tmp_path / "mylab" / "reports.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mylab"]:
        del sys.modules[name]


def test_a_dotted_path_from_outside_the_repository(lab):
    code, out, errors = process("table", "mylab.reports:my_report", "RUNS", cwd=lab)
    assert (code, errors) == (0, "")
    assert "Mine" in out
    assert "RUNSmeasured" in out
    given = ["mylab.reports:my_report", "RUNS", "--energy", "per-epoch", "--format", "csv"]
    assert "RUNSper-epoch" in joulebird("table", *given)[1]


def test_a_line_in_the_registry(lab, monkeypatch):
    monkeypatch.setitem(REPORTS, "my-report", "mylab.reports:my_report")
    monkeypatch.setitem(REPORTS, "figure-mine", "mylab.reports:my_figure")
    assert "Mine" in joulebird("table", "my-report", "RUNS")[1]
    assert joulebird("figure", "mine", "RUNS", "-o", "f.svg") == (0, "", "")
    assert (lab / "f.svg").read_text() == "RUNS"
    assert "my-report" in joulebird("table", "--help")[1]
    refused(2, ["table", "my-reprot", "RUNS"], "unknown table", "did you mean 'my-report'")


def test_a_figure_on_stdout_needs_a_form(lab):
    given = ["figure", "mylab.reports:my_figure", "RUNS", "-o", "-"]
    refused(2, given, "a figure on stdout needs a form", "--form svg")
    assert joulebird(*given, "--form", "png") == (0, "RUNS", "")


def test_mistakes(lab):
    refused(2, ["table", "mylab.reports:my_reprot", "R"], "no 'my_reprot'", "'my_report'")
    refused(2, ["table", "mylab.nowhere:x", "R"], "mylab.nowhere")
    refused(2, ["table", "mylab.reports:wrong", "R"], "is a int", "Table")
    refused(2, ["table", "mylab.reports:my_report", "R", "--net"], "has no --net")
    refused(2, ["table", "figure-power", "R"], "unknown table 'figure-power'")
    refused(2, ["figure", "power", "R", "-o", "x.png", "--energy", "per-epoch"], "no --energy")
