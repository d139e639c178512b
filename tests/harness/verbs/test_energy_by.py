"""`joulebird energy LOG --by`: a row for each second, minute or mark, in every form."""

import csv
import json

import pytest

from tests.harness.command import joulebird, refused
from tests.reports.write_logs import write_log
from tests.reports.write_runs import Folder

SIMULATED = {"name": "simulated", "simulated": True, "real": False}


@pytest.fixture
def stage(tmp_path):
    """A stage of four epochs of 10 s at 8 W; 2.5 s of the second epoch are not recorded."""
    folder = Folder(tmp_path, source=SIMULATED)
    folder.run("snip", 0.5, [folder.stage("retrain-1", 4, 8.0, hole=(12, 14.5))])
    return tmp_path / "stages" / "retrain-1" / "power.csv"


def rows_of(text):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_a_row_for_each_mark(stage):
    code, out, errors = joulebird("energy", stage, "--by", "mark", "--format", "csv")
    assert code == 6  # of the whole: 93.8 % of it was recorded
    assert "this window has no energy" in errors
    rows = rows_of(out)
    names = [row["part"] for row in rows]
    assert names == ["unmarked", *(f"epoch {n}" for n in (1, 2, 3, 4)), "unmarked"]
    joules = [row["total (J)"] for row in rows]
    assert joules == ["0.4", "80", "void", "80", "80", "0.4"]
    assert all(row["note"].startswith("simulated") for row in rows)
    assert "void: only 75.0 % of 10 s" in rows[2]["note"]
    assert rows[2]["mean (W)"] == rows[2]["± 95 % (J)"] == ""
    assert "# 6 parts: 300.8 J recorded, exactly as in the whole" in out
    assert "1 void, without a number" in out


def test_the_forms_agree(stage):
    given = ["energy", stage, "--by", "second", "--from", "0", "--to", "10.4"]
    code, out, _ = joulebird(*given, "--json")
    facts = json.loads(out)
    assert code == 0
    assert len(facts["parts"]) == 11
    assert facts["parts"][-1]["note"] == "partial: 0.4 of 1 s"
    total = [part["energies"]["total"] for part in facts["parts"]]
    assert sum(part["joules"] for part in total) == pytest.approx(83.2)
    assert all(part["words"] == ["simulated"] for part in total)
    whole = facts["energies"]["total"]["joules"]
    assert facts["sum"]["total"] == {
        "recorded_j": whole,
        "whole_recorded_j": whole,
        "exact": True,
        "void": 0,
    }
    rows = rows_of(joulebird(*given, "--form", "csv")[1])
    assert [float(row["total (J)"]) for row in rows] == pytest.approx([p["joules"] for p in total])
    assert [row["from (s)"] for row in rows] == [str(k) for k in range(11)]
    text = joulebird(*given)[1]
    assert "Energy of parts (by second)" in text
    assert "partial: 0.4 of 1 s" in text


def test_joules_that_a_counter_cannot_divide_are_said(tmp_path):
    rows = [(0, 0), (1_000_000, 6000), (61_000_000, 6000), (62_000_000, 6000)]
    log = write_log(tmp_path / "power.csv", rows, {"sampling": "counter"})
    code, out, _ = joulebird("energy", log, "--by", "minute", "--json")
    facts = json.loads(out)["sum"]["total"]
    assert code == 0
    assert facts == {"recorded_j": 12.0, "whole_recorded_j": 372.0, "exact": False, "void": 2}
    text = joulebird("energy", log, "--by", "minute")[1]
    assert "12 J recorded, 372 J in the whole: its counter shows the rest" in text


def test_a_whole_whose_times_go_back_has_parts_beside_the_fault(tmp_path):
    times = [*range(0, 5_000_001, 100_000), *range(3_050_000, 9_000_001, 100_000)]
    log = write_log(tmp_path / "power.csv", [(t, 5000) for t in times], boot_id="")
    code, out, errors = joulebird("energy", log, "--by", "second")
    assert code == 6
    assert "the times of the log go back" in errors
    assert "45 J" not in out
    rows = rows_of(joulebird("energy", log, "--by", "second", "--format", "csv")[1])
    voids = [int(row["part"]) for row in rows if row["total (J)"] == "void"]
    assert voids == [4, 5]
    assert "J in the whole: the times of the log go back" in out


def test_csv_without_parts_is_a_row_for_each_log(stage, tmp_path):
    other = tmp_path / "log.csv"
    other.write_text("t_s,power_w\n0,5\n1,5\n2,5\n")
    rows = rows_of(joulebird("energy", stage, other, "--format", "csv")[1])
    assert [row["log"] for row in rows] == [str(stage), str(other)]
    assert [row["total (J)"] for row in rows] == ["void", "10"]
    assert rows[1]["note"] == ""


def test_mistakes(stage, tmp_path):
    refused(2, ["energy", stage, "--by", "hour"], "--by: invalid choice")
    other = tmp_path / "log.csv"
    other.write_text("t_s,power_w\n0,5\n1,5\n2,5\n")
    refused(2, ["energy", other, "--by", "second", "--to", "2e9"], "make more than 1000000 parts")
    refused(2, ["energy", other, "--by", "mark"], "log.csv: this log has no marks", "--events")
