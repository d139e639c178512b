"""A stage of two conditions has no energy, and its accuracy is marked; so has one with a hole."""

import json
import os

import pytest

from joulebird.harness.core import records as record
from joulebird.reports.checks.check import check
from joulebird.reports.checks.finding import FAIL
from joulebird.reports.runs.records import load
from joulebird.reports.tables.compare import compare
from joulebird.reports.tables.table2 import table2
from joulebird.reports.tables.table3 import table3
from tests.reports.write_runs import BOOT, Folder, write_events

MAXN = {"power_mode": "MAXN", "threads": 2, "clock_limits_hz": {"cpu0": [345600, 2035200]}}
MAXQ = {**MAXN, "power_mode": "MAXQ", "clock_limits_hz": {"cpu0": [345600, 1190400]}}


def killed(root, first=None, second=None, health=(), between=(), epochs=(1, 2, 3, 4)):
    """A stage of four epochs whose process was killed after the second one, and resumed.

    `first` and `second` are facts of the attempts, `health` each one's state, `between` events in
    the second one, `epochs` those that are marked.
    """
    folder = Folder(root, environment=MAXQ, epoch_s=5.0)
    folder.run("snip", 0.5, [folder.stage("s-1", 4)], 0.93)
    path = record.stage_dir(folder.root, "s-1")
    attempt, begin, *work = record.read_events(os.path.join(path, record.EVENTS))
    work = [event for event in work if event.get("epoch", 1) in epochs]
    done = [event for event in work if event.get("epoch", 9) <= 2]
    resumed = {**attempt, "attempt": 2, "t_s": done[-1]["t_s"] + 0.1, "from_epoch": 2}
    events = [
        {**attempt, **(first or {})},
        begin,
        *health[:1],
        *done,
        {**resumed, **(second or {})},
        {"event": "stage_resume", "t_s": resumed["t_s"] + 0.1},
        *health[1:],
        *between,
        *work[len(done) :],
    ]
    if (second or {}).get("restarted"):
        again = iter(range(1, 5))
        events[-3:-1] = [{**event, "epoch": next(again)} for event in events[-3:-1]]
        stage = record.read_stage(folder.root, "s-1")
        record.write_stage(folder.root, stage._replace(work={**stage.work, "epochs": 2}))
    write_events(path, events)
    return folder


def stated(environment, conditions, **facts):
    return {"environment": environment, "conditions": conditions, **facts}


def state(mode, t_s):
    """The first health event of an attempt, as the board's monitor writes it."""
    return {"event": "health", "t_s": t_s, "boot_id": BOOT, "power_mode": mode, "limits": {}}


MIXED = {
    "stated": {"first": stated(MAXN, "aaaa"), "second": stated(MAXQ, "bbbb")},
    "old, by health": {"health": (state(0, 101.0), state(3, 111.0))},
    "old, by event": {
        "between": ({"event": "mode_change", "t_s": 115.0, "before": 0, "after": 3},)
    },
}


@pytest.mark.parametrize("how", sorted(MIXED))
def test_killed_in_one_mode_and_resumed_in_another(tmp_path, how):
    killed(tmp_path, **MIXED[how])
    table = table2([tmp_path])
    accuracy, energy = table.lines[0][2:4]
    assert accuracy.text == "93.00 (mixed conditions)"
    assert energy.text.startswith("void")
    assert energy.data["energy_j"] is None
    assert energy.data["runs"][0]["joules"] is None
    (note,) = [note for note in table.notes if note.startswith("Void: ")]
    assert "mixed conditions: power mode" in note
    assert table3([tmp_path]).lines[0][3].text == "93.00 (mixed conditions)"
    report = check([tmp_path])
    (fault,) = [f for f in report.findings if f.rule == "R7" and "mixed" in f.text]
    assert fault.status == FAIL
    assert "MAXN / MAXQ" in fault.text or "0 / 3" in fault.text
    assert report.exit_code() == 6
    row = compare([tmp_path], [tmp_path]).lines[0]
    assert row[3].text == "void"
    assert row[7].text == "93.00 (mixed conditions)"


def test_the_facts_that_differ_are_named(tmp_path):
    killed(tmp_path, **MIXED["stated"])
    (stage,) = load([tmp_path])[0].stages
    assert stage.spoilt == (
        "mixed conditions: power mode MAXN / MAXQ, "
        "limits of cpu0 [345600, 2035200] / [345600, 1190400]"
    )


@pytest.mark.parametrize(
    "alike",
    [
        {},
        {"first": stated(MAXN, "aaaa"), "second": stated(MAXN, "aaaa")},
        {
            "first": stated(MAXN, "aaaa"),
            "second": stated(MAXQ, "bbbb", from_epoch=0, restarted=True),
        },
        {"health": (state(0, 101.0), state(0, 111.0))},
        {"health": (state(0, 101.0),)},
    ],
)
def test_attempts_that_are_alike_unknown_or_void_are_no_mixture(tmp_path, alike):
    killed(tmp_path, **alike)
    (stage,) = load([tmp_path])[0].stages
    assert stage.spoilt == ""


def test_conditions_that_change_within_an_attempt_are_a_mixture(tmp_path):
    folder = Folder(tmp_path)
    warning = {"name": "conditions_changed", "what": "threads 2 -> 1"}
    folder.run("snip", 0.5, [folder.stage("s-1", 2, warnings=[warning])])
    path = record.stage_dir(folder.root, "s-1")
    events = record.read_events(os.path.join(path, record.EVENTS))
    marks = iter(["aaaa", "aaaa", "bbbb"])
    for event in events:
        if event["event"] in ("attempt_begin", "epoch"):
            event["conditions"] = next(marks)
    write_events(path, events)
    (stage,) = load([tmp_path])[0].stages
    assert stage.spoilt == "mixed conditions: threads 2 -> 1"


def test_an_epoch_without_a_mark_voids_the_energy(tmp_path):
    """The energy of that epoch lies in no window: the sum would be smaller than the training's."""
    whole = killed(tmp_path, epochs=(1, 3, 4))
    table = table2([tmp_path])
    assert table.lines[0][2].text == "93.00 (missing epochs)"
    assert table.lines[0][3].data["energy_j"] is None
    assert any("missing epochs: 2 of 4" in note for note in table.notes)
    faults = [f for f in check([tmp_path]).findings if f.rule == "R12" and f.status == FAIL]
    assert any("missing epochs: 2 of 4" in fault.text for fault in faults)
    whole.run("snip", 0.7, [whole.stage("s-2", 4)])
    first, second = table2([tmp_path], energy="per-epoch").lines[0][4:6]
    assert first.data["energy_j"] is None
    assert second.data["energy_j"] > 0


def test_a_retraining_begins_after_the_epochs_of_the_search(tmp_path):
    folder = Folder(tmp_path)
    folder.run("eb-train", 0.5, [folder.stage("search-1", 4), folder.stage("retrain-1", 2)])
    path = record.stage_dir(folder.root, "retrain-1")
    events = record.read_events(os.path.join(path, record.EVENTS))
    write_events(path, [{**e, "epoch": e["epoch"] + 4} if "epoch" in e else e for e in events])
    assert table2([tmp_path]).lines[0][3].data["energy_j"] == pytest.approx(600.0)
    assert not [f for f in check([tmp_path]).findings if f.rule == "R12" and f.status == FAIL]


def test_an_epoch_marked_twice_in_one_attempt_is_found(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 3)])
    path = os.path.join(record.stage_dir(folder.root, "s-1"), record.EVENTS)
    with open(path) as file:
        lines = file.readlines()
    twice = {**json.loads(lines[3]), "begin_s": json.loads(lines[3])["t_s"] - 0.1}
    with open(path, "w") as file:
        file.writelines([*lines[:4], json.dumps(twice) + "\n", *lines[4:]])
    faults = [f.text for f in check([tmp_path]).findings if f.rule == "R12" and f.status == FAIL]
    assert any("one attempt has the epochs 1, 2, 2, 3" in fault for fault in faults)
