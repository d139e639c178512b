"""What two sources saw of the same stages, in words and in numbers that are known."""

import os

import pytest

from joulebird.harness.core import records as record
from joulebird.reports.checks.check import check
from joulebird.reports.checks.finding import PASS
from joulebird.reports.runs.cross import other_logs, sightings
from joulebird.reports.runs.records import load, unique_stages
from joulebird.reports.tables.table2 import table2
from tests.reports.write_runs import Folder, small_study

MODULE = {"source": {"accuracy": {"gain": 0.005}}}


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path, epoch_s=1.0, **MODULE)
    made.run("snip", 0.5, [made.stage("score-1", 16, 5.0), made.stage("train-1", 16, 10.0)])
    return made


def stages_of(folder):
    return unique_stages(load([folder.root]))


def test_the_meter_outside_saw_more(folder):
    folder.beside("score-1", 7.0, accuracy={"gain": 0.001})
    folder.beside("train-1", 12.0, accuracy={"gain": 0.001})
    (found,) = sightings(stages_of(folder))
    assert (found.one, found.other, found.stages, found.wider, found.real) == (
        "serial (dc)",
        "ina3221 (module)",
        2,
        True,
        True,
    )
    assert found.share == pytest.approx(19 / 15 - 1, rel=1e-3)
    assert found.low == pytest.approx(0.2, rel=1e-3)
    assert found.high == pytest.approx(0.4, rel=1e-3)
    assert not found.impossible
    assert not found.differs
    assert (
        found.text()
        == "serial (dc) saw 26.7 % more than ina3221 (module) (2 stages, +20 % to +40 % by stage)"
    )


def test_it_does_not_matter_which_of_them_counts(folder):
    """A meter on the desk takes the place of the board's own log, which stays beside it."""
    folder.source.update(name="serial", scope="dc")
    folder.run("snip", 0.7, [folder.stage("desk-1", 16, 12.0)])
    folder.beside("desk-1", 10.0, "board", name="ina3221", scope="module")
    (found,) = sightings(stages_of(folder))
    assert found.text() == "serial (dc) saw 20 % more than ina3221 (module) (1 stage)"


@pytest.mark.parametrize(
    ("watts", "scope", "impossible", "differs"),
    [
        (9.0, "dc", True, False),
        (9.99, "dc", False, False),
        (10.3, "module", False, True),
        (10.03, "module", False, False),
        (9.0, "somewhere", False, False),
    ],
)
def test_what_cannot_be_and_what_should_not(folder, watts, scope, impossible, differs):
    folder.beside("train-1", watts, scope=scope, accuracy={"gain": 0.005})
    (found,) = sightings(stages_of(folder))
    assert (found.impossible, found.differs) == (impossible, differs)


def test_a_simulated_board_is_no_second_witness(folder):
    folder.beside("train-1", 8.0, "simulated", real=False)
    (found,) = sightings(stages_of(folder))
    assert not found.real
    assert "not both are measurements" in found.text()
    assert not [one for one in check([folder.root]).findings if "saw" in one.text]


def test_void_and_empty_logs_are_left_out(folder):
    folder.beside("train-1", 12.0)
    path = os.path.join(record.stage_dir(folder.root, "train-1"), "power-serial.csv")
    with open(path) as file:
        lines = file.readlines()
    with open(path, "w") as file:
        file.writelines(lines[:60])
    open(os.path.join(record.stage_dir(folder.root, "score-1"), "power-board.csv"), "w").close()
    stages = stages_of(folder)
    assert sightings(stages) == []
    assert [len(other_logs(stage)) for stage in stages] == [0, 1]


def test_the_table_and_the_check_tell_it(tmp_path):
    folder = small_study(tmp_path, **MODULE)
    folder.beside("dense-1", 12.0, accuracy={"gain": 0.001})
    told = "serial (dc) saw 20 % more than ina3221 (module) (1 stage)"
    assert f"Beside it: {told}." in table2([folder.root]).notes
    findings = check([folder.root]).findings
    assert told in [one.text for one in findings if (one.rule, one.status) == ("R9", PASS)]
