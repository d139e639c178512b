"""A record and events that contradict each other give no number: the cell is void and marked."""

import json
import os

import pytest

from joulebird.harness.core import records as record
from joulebird.reports.checks.check import check
from joulebird.reports.checks.finding import FAIL
from joulebird.reports.runs.records import load
from joulebird.reports.tables.runs import runs_table
from joulebird.reports.tables.table2 import table2
from joulebird.reports.tables.table3 import table3
from tests.reports.write_runs import Folder, write_events


def study(root, epochs=8):
    """A run of one stage, whose last event holds the record as the harness writes it."""
    folder = Folder(root, epoch_s=1.0)
    folder.run("snip", 0.5, [folder.stage("s-1", epochs)], 0.93, 0.92)
    path = record.stage_dir(folder.root, "s-1")
    events = read(path)
    events[-1]["record"] = record.read_json(os.path.join(path, record.STAGE))
    write_events(path, events)
    return path


def read(path):
    return record.read_events(os.path.join(path, record.EVENTS))


def edit(path, name, change):
    """Change the values of a JSON file, as an editor does."""
    whole = os.path.join(path, name)
    with open(whole) as file:
        facts = json.load(file)
    change(facts)
    with open(whole, "w") as file:
        json.dump(facts, file)


def cut(path):
    write_events(path, [event for event in read(path) if event.get("epoch", 0) <= 3][:5])


def cut_last(path):
    write_events(path, read(path)[:-1])


def others(path):
    other = Folder(os.path.join(path, os.pardir, os.pardir, "other"), epoch_s=2.0)
    other.stage("s-2", 5)
    write_events(path, read(record.stage_dir(other.root, "s-2")))


def others_as_long(path):
    events = read(path)
    events[-1]["record"]["id"] = "s-2"
    write_events(path, events)


def more_epochs(path):
    edit(path, record.STAGE, lambda facts: facts["work"].update(epochs=500))


def no_work(path):
    edit(path, record.STAGE, lambda facts: facts.pop("work"))


def more_flops(path):
    edit(path, record.STAGE, lambda facts: facts["work"].update(forward_flops=16 * 10**8))


FAULTS = {
    cut: "missing epochs: 3 are marked, the record says 8",
    cut_last: "missing epochs: the events stop",
    others: "missing epochs: 5 are marked",
    others_as_long: "altered record: id differ",
    more_epochs: "missing epochs: 8 are marked, the record says 500",
    no_work: "missing epochs: 8 are marked, the record says 0",
    more_flops: "altered record: work differ",
}


def test_an_intact_study_is_whole(tmp_path):
    study(tmp_path)
    (row,) = table2([tmp_path]).lines
    assert row[2].text == "93.00"
    assert row[3].data["energy_j"] == pytest.approx(80.0)
    assert row[3].data["flops"] > 0


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_record_unlike_its_events_is_void(tmp_path, fault):
    fault(study(tmp_path))
    table = table2([tmp_path])
    accuracy, cost = table.lines[0][2:4]
    word = FAULTS[fault].partition(":")[0]
    assert accuracy.text.startswith("93.00 (")
    assert word in accuracy.text
    assert cost.text == "void / void"
    assert (cost.data["energy_j"], cost.data["flops"]) == (None, None)
    assert any(FAULTS[fault] in note for note in table.notes)
    assert table3([tmp_path]).lines[0][-1].text == "void"
    found = [f.text for f in check([tmp_path]).findings if f.rule == "R12" and f.status == FAIL]
    assert any(FAULTS[fault] in text for text in found)


def test_an_accuracy_that_no_epoch_has_is_marked(tmp_path):
    study(tmp_path)
    (run,) = load([tmp_path])
    edit(run.folder, record.RECORD, lambda facts: facts["accuracy"].update(best=0.99))
    table = table2([tmp_path])
    assert table.lines[0][2].text == "99.00 (altered record)"
    assert any("best 93.00 %, recorded 99.00 %" in note for note in table.notes)
    assert table.lines[0][3].data["energy_j"] == pytest.approx(80.0)
    assert runs_table(load([tmp_path])).lines[0][1].text == "99.00 (altered record)"
    (fault,) = [f for f in check([tmp_path]).findings if f.rule == "R2" and f.status == FAIL]
    assert "recorded 99.00 %" in fault.text
