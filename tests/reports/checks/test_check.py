"""Every rule of the check passes a good study, and finds the violation that is planted for it."""

import atexit
import copy
import functools
import json
import os
import shutil
import tempfile

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.checks.check import check
from joulebird.reports.checks.finding import FAIL, NOTE, PASS, WARN
from joulebird.reports.runs.accounting import stage_energy
from joulebird.reports.runs.records import load, unique_stages
from tests.reports.write_logs import write_log
from tests.reports.write_runs import Folder, small_study, write_events

GOOD = {
    "environment": {"code": "c0ffee", "l4t": "# R32", "power_mode": {"id": 0, "name": "MAXN"}},
    "ripple": 0.2,
    "epoch_s": 1.0,
    "source": {
        "accuracy": {"gain": 0.005, "offset_mw": 76, "quantum_mw": 38},
        "recorder": {"period_s": 0.05},
        "range_w": 120.0,
    },
}


def good(root, **changes):
    """A study that passes, but for the changes; gives the folder, to which more may be added."""
    if changes:
        return small_study(
            root, ratios=(0.5,), seeds=(1, 2, 3), idle_s=60.0, **dict(GOOD, **changes)
        )
    model, folder = pattern()
    shutil.copytree(model, root, dirs_exist_ok=True)
    copied = copy.deepcopy(folder)
    copied.root = str(root)
    return copied


@functools.cache
def pattern():
    """The good study, written once."""
    root = tempfile.mkdtemp(prefix="joulebird-test-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root, small_study(root, ratios=(0.5,), seeds=(1, 2, 3), idle_s=60.0, **GOOD)


@pytest.fixture(scope="module")
def clean():
    return pattern()[0]


def of(report, rule):
    """The findings of one rule."""
    return [finding for finding in report.findings if finding.rule == rule]


def statuses(root, rule):
    return {finding.status for finding in of(check([root]), rule)}


def events_of(folder, stage_id):
    return record.read_events(os.path.join(record.stage_dir(folder.root, stage_id), record.EVENTS))


def test_a_good_study_passes_every_rule(clean):
    report = check([clean])
    assert [finding for finding in report.findings if finding.status != PASS] == []
    assert [finding.rule for finding in report.findings] == [f"R{i}" for i in range(1, 17)]
    assert report.exit_code() == 0
    assert report.exit_code(strict=True) == 0
    assert "16 pass, 0 note, 0 warn, 0 fail" in report.text()


def unknown_scope(root):
    good(root, source=dict(GOOD["source"], scope="somewhere"))


def edited_spec(root):
    folder = good(root)
    name = sorted(name for name in os.listdir(root) if name.startswith("snip"))[0]
    path = os.path.join(folder.root, name, record.SPEC)
    record.write_json(path, dict(record.read_json(path), lr=0.2))


def two_codes(root):
    folder = good(root)
    folder.environment["code"] = "other"
    folder.run("snip", 0.7, [folder.stage("late-1", 16)])


def one_seed(root):
    small_study(root, ratios=(0.5,), idle_s=60.0, **GOOD)


def left_out(root):
    good(root)
    os.makedirs(os.path.join(root, "snip-vgg16-cifar10-p90-s1-abc"))
    record.write_json(
        os.path.join(root, "snip-vgg16-cifar10-p90-s1-abc", record.SPEC), {"method": "snip"}
    )


def holed(root):
    folder = good(root)
    folder.run("snip", 0.7, [folder.stage("holed-1", 16, hole=(4.0, 8.0))])


def thin_coverage(root):
    folder = good(root)
    folder.run("snip", 0.7, [folder.stage("thin-1", 120, hole=(4.0, 7.0))])


def slow_samples(root):
    folder = good(root)
    stage_id = folder.stage("slow-1", 100)
    begin = next(e["t_s"] for e in events_of(folder, stage_id) if e["event"] == "stage_begin")
    path = os.path.join(record.stage_dir(folder.root, stage_id), record.POWER)
    write_log(
        path,
        [(round(1e6 * (begin + 2 * i)), 10_000 + i % 2) for i in range(-1, 52)],
        folder.source,
        "boot-1",
    )
    folder.run("snip", 0.7, [stage_id])


def clock_back(root):
    folder = good(root)
    stage_id = folder.stage("back-1", 16)
    begin = next(e["t_s"] for e in events_of(folder, stage_id) if e["event"] == "stage_begin")
    times = [round(1e6 * (begin + 0.05 * i - (3 if i > 200 else 0))) for i in range(-1, 400)]
    write_log(
        os.path.join(record.stage_dir(folder.root, stage_id), record.POWER),
        [(t, 10_000) for t in times],
        folder.source,
        "boot-1",
    )
    folder.run("snip", 0.7, [stage_id])


def wall_clock_set(root):
    folder = good(root)
    stage_id = folder.stage("set-1", 16)
    events = events_of(folder, stage_id)
    events[0]["wall_s"] += 86400
    write_events(record.stage_dir(folder.root, stage_id), events)
    folder.run("snip", 0.7, [stage_id])


def foreign_clock(root):
    folder = good(root)
    stage_id = folder.stage("foreign-1", 16)
    events = events_of(folder, stage_id)
    write_log(
        os.path.join(record.stage_dir(folder.root, stage_id), record.POWER),
        [(round(1e6 * (events[1]["t_s"] + 0.05 * i)), 10_000) for i in range(400)],
        folder.source,
        "another-machine",
    )
    folder.run("snip", 0.7, [stage_id])


def throttled(root):
    folder = good(root)
    stage_id = folder.stage("hot-1", 16)
    events = events_of(folder, stage_id)
    events.insert(3, {"event": "throttle", "t_s": events[3]["t_s"]})
    write_events(record.stage_dir(folder.root, stage_id), events)
    folder.run("snip", 0.7, [stage_id])


def warned_of_mode(root):
    folder = good(root)
    folder.run(
        "snip",
        0.7,
        [
            folder.stage(
                "mode-1", 16, warnings=[{"name": "mode_changed", "text": "x", "remedy": "y"}]
            )
        ],
    )


def mode_unknown(root):
    good(root, environment={"code": "c0ffee", "l4t": "# R32"})


def clocks_free(root):
    good(root, environment=dict(GOOD["environment"], clocks_locked=False, fan={"temp_control": 1}))


def clocks_mixed(root):
    folder = good(
        root, environment=dict(GOOD["environment"], clocks_locked=True, fan={"temp_control": 0})
    )
    folder.environment["clocks_locked"] = False
    folder.run("snip", 0.7, [folder.stage("free-1", 16)])


def fan_mixed(root):
    folder = good(
        root, environment=dict(GOOD["environment"], clocks_locked=True, fan={"temp_control": 0})
    )
    folder.environment["fan"] = {"temp_control": 1}
    folder.run("snip", 0.7, [folder.stage("free-1", 16)])


def threads_mixed(root):
    folder = good(root, environment=dict(GOOD["environment"], threads=2))
    folder.environment["threads"] = 1
    folder.run("snip", 0.7, [folder.stage("single-1", 16)])


def supply_weak(root):
    folder = good(root)
    folder.run(
        "snip",
        0.7,
        [
            folder.stage(
                "weak-1", 16, warnings=[{"name": "supply_sagged", "text": "x", "remedy": "y"}]
            )
        ],
    )


def outside_sees_less(root):
    good(root).beside("dense-1", 8.0)


def twice_the_same_differs(root):
    good(root).beside("dense-1", 11.0, scope="module", accuracy={"gain": 0.01})


def no_idle(root):
    folder = Folder(root, **GOOD)
    folder.run("snip", 0.5, [folder.stage("s-1", 16)])


def short_idle(root):
    small_study(root, ratios=(0.5,), seeds=(1, 2, 3), idle_s=20.0, **GOOD)


def accuracy_unknown(root):
    good(root, source={"recorder": {"period_s": 0.05}})


def near_offset(root):
    folder = good(root)
    folder.run("snip", 0.7, [folder.stage("weak-1", 16, 0.25)])


def stuck_at_zero(root):
    folder = good(root, ripple=0.0)
    folder.run("snip", 0.7, [folder.stage("dead-1", 16, 0.0)])


def over_range(root):
    good(root, source=dict(GOOD["source"], range_w=10.6))


CHIP = {"shunt_mohm": 20, "volts": 19.12, "path": "/sys/x", "number": 0}
OLD_INA3221 = {**GOOD["source"], "range_w": None, "channels": {"VDD_IN": CHIP}}


def rewrite(folder, stage_id, change, period_s=0.05):
    """Write the log of a stage anew: `change` gives the milliwatts of each number of a row."""
    begin, end = (
        next(e["t_s"] for e in events_of(folder, stage_id) if e["event"] == name)
        for name in ("stage_begin", "stage_end")
    )
    count = round((end - begin) / period_s) + 3
    rows = [(round(1e6 * (begin + period_s * (i - 1))), change(i)) for i in range(count)]
    path = os.path.join(record.stage_dir(folder.root, stage_id), record.POWER)
    write_log(path, rows, folder.source, "boot-1")


def garbled_file(root):
    """One file of the chip says `19120 2000000` for a whole stage."""
    folder = good(root, source=OLD_INA3221)
    folder.run("snip", 0.7, [folder.stage("wrong-1", 16)])
    rewrite(folder, "wrong-1", lambda i: 38_240_000)


def spikes(root):
    """1.2 s of a stage of 60 s lie beyond all that the sensor can read."""
    folder = good(root, source=OLD_INA3221)
    folder.run("snip", 0.7, [folder.stage("spiky-1", 60)])
    rewrite(folder, "spiky-1", lambda i: 38_240_000 if 200 <= i < 224 else 10_000 + i % 2)


def negative(root):
    folder = good(root)
    folder.run("snip", 0.7, [folder.stage("turned-1", 16)])
    rewrite(folder, "turned-1", lambda i: 500 if i % 50 == 0 else -10_000)


def range_rows(share):
    """A stage of which the recorder rejected a share of the readings, as `RANGE`."""

    def plant(root):
        folder = good(root)
        folder.run("snip", 0.7, [folder.stage("beyond-1", 20)])
        rewrite(folder, "beyond-1", lambda i: None if i % round(1 / share) == 0 else 10_000 + i % 2)
        path = os.path.join(record.stage_dir(folder.root, "beyond-1"), record.POWER)
        with open(path) as file:
            text = file.read().replace("EAGAIN", " RANGE")
        with open(path, "w") as file:
            file.write(text)

    return plant


def no_range(root):
    good(root, source={**GOOD["source"], "range_w": None})


def longer_gap(root):
    """The recorder counted no gap of 0.4 s before a reading of the total."""
    folder = good(root, source={**GOOD["source"], "log": {"worst_gap_s": 0.05}})
    folder.run("snip", 0.7, [folder.stage("gap-1", 100, hole=(4.0, 4.4))])


def loaded(root):
    folder = good(root)
    warning = {"name": "foreign_load", "text": "others took 60 % of the cores", "remedy": "wait"}
    folder.run("snip", 0.7, [folder.stage("busy-1", 16, warnings=[warning])])


def shared(root):
    folder = good(root)
    warning = {"name": "shared", "text": "another measurement ran beside this", "remedy": "wait"}
    folder.run("snip", 0.7, [folder.stage("busy-1", 16, warnings=[warning])])


def never_moves(root):
    good(root, ripple=0.0)


def rules_differ(root, step_s=0.2):
    folder = good(root, ripple=0.0)
    stage_id = folder.stage("ramp-1", 16)
    begin = next(e["t_s"] for e in events_of(folder, stage_id) if e["event"] == "stage_begin")
    samples = range(-1, round(18 / step_s))
    ramp = [(round(1e6 * (begin + step_s * i)), round(1000 * step_s * i)) for i in samples]
    write_log(
        os.path.join(record.stage_dir(folder.root, stage_id), record.POWER),
        ramp,
        folder.source,
        "boot-1",
    )
    folder.run("snip", 0.7, [stage_id])


def few_samples_differ(root):
    rules_differ(root, 0.95)


def epochs_overlap(root):
    folder = good(root)
    stage_id = folder.stage("over-1", 16)
    events = events_of(folder, stage_id)
    events[4]["begin_s"] -= 0.5
    write_events(record.stage_dir(folder.root, stage_id), events)
    folder.run("snip", 0.7, [stage_id])


def search_left_out(root):
    folder = good(root)
    folder.run("eb-train", 0.7, ["ebretrain-50-1"])


def seconds_differ(root):
    folder = good(root)
    path = os.path.join(record.stage_dir(folder.root, "snip-50-1"), record.STAGE)
    record.write_json(path, dict(record.read_json(path), seconds=12.0))


def recorder_unknown(root):
    good(root, source={"accuracy": GOOD["source"]["accuracy"]})


def log_gone(root):
    folder = good(root)
    os.remove(os.path.join(record.stage_dir(folder.root, "snip-50-1"), record.POWER))


def log_damaged(root):
    folder = good(root)
    with open(os.path.join(record.stage_dir(folder.root, "snip-50-1"), record.POWER), "a") as file:
        file.write("rubbish\n")
    folder.finish("snip-50-1")


def log_edited(root):
    """By -10 %, which no other rule can see."""
    folder = good(root)
    path = os.path.join(record.stage_dir(folder.root, "snip-50-1"), record.POWER)
    with open(path) as file:
        rows = file.read()
    assert "    9800,    " in rows
    with open(path, "w") as file:
        file.write(rows.replace("    9800,    ", "    8820,    "))


def epochs_edited(root):
    folder = good(root)
    events = events_of(folder, "snip-50-1")
    events[-2]["loss"] = 0.001
    write_events(record.stage_dir(folder.root, "snip-50-1"), events)


def log_added(root):
    folder = record.stage_dir(good(root).root, "snip-50-1")
    shutil.copy(os.path.join(folder, record.POWER), os.path.join(folder, "power-other.csv"))


def boards_mixed(root):
    folder = good(root)
    folder.environment["host"] = "tx2-b"
    folder.run("snip", 0.7, [folder.stage("b-1", 16)])


def one_after_another(root):
    folder = Folder(root, **GOOD)
    for method in ("snip", "thinet"):
        for seed in (1, 2, 3):
            folder.run(method, 0.5, [folder.stage(f"{method}-{seed}", 4)], seed=seed)


@pytest.mark.parametrize(
    ("rule", "status", "plant"),
    [
        ("R1", FAIL, unknown_scope),
        ("R2", FAIL, edited_spec),
        ("R2", WARN, two_codes),
        ("R3", WARN, one_seed),
        ("R3", WARN, left_out),
        ("R4", FAIL, holed),
        ("R4", WARN, thin_coverage),
        ("R4", WARN, slow_samples),
        ("R4", WARN, longer_gap),
        ("R5", FAIL, clock_back),
        ("R5", WARN, wall_clock_set),
        ("R6", FAIL, foreign_clock),
        ("R7", FAIL, throttled),
        ("R7", FAIL, warned_of_mode),
        ("R7", WARN, mode_unknown),
        ("R7", WARN, clocks_free),
        ("R7", FAIL, clocks_mixed),
        ("R7", WARN, fan_mixed),
        ("R7", WARN, threads_mixed),
        ("R7", WARN, supply_weak),
        ("R7", WARN, loaded),
        ("R7", WARN, shared),
        ("R8", WARN, no_idle),
        ("R8", WARN, short_idle),
        ("R9", WARN, accuracy_unknown),
        ("R9", WARN, near_offset),
        ("R9", FAIL, outside_sees_less),
        ("R9", WARN, twice_the_same_differs),
        ("R10", FAIL, stuck_at_zero),
        ("R10", FAIL, over_range),
        ("R10", FAIL, garbled_file),
        ("R10", FAIL, spikes),
        ("R10", FAIL, negative),
        ("R10", FAIL, range_rows(0.1)),
        ("R10", WARN, range_rows(0.01)),
        ("R10", WARN, never_moves),
        ("R11", FAIL, rules_differ),
        ("R11", WARN, few_samples_differ),
        ("R12", FAIL, epochs_overlap),
        ("R12", FAIL, search_left_out),
        ("R12", FAIL, seconds_differ),
        ("R13", WARN, recorder_unknown),
        ("R14", FAIL, log_gone),
        ("R14", WARN, log_damaged),
        ("R14", FAIL, log_edited),
        ("R14", FAIL, epochs_edited),
        ("R14", FAIL, log_added),
        ("R16", FAIL, boards_mixed),
        ("R16", WARN, one_after_another),
    ],
)
def test_a_planted_violation_is_found(tmp_path, rule, status, plant):
    plant(tmp_path)
    report = check([tmp_path])
    found = [finding for finding in of(report, rule) if finding.status == status]
    assert found, report.text()
    assert all(finding.remedy for finding in found)
    assert report.exit_code() == (6 if report.worst == FAIL else 0)
    assert report.exit_code(strict=True) == 6


def test_readings_beyond_the_range_are_in_no_energy(tmp_path):
    """1.2 s of spikes once made 211.3 kJ of 0.15."""
    garbled_file(tmp_path / "a")
    spikes(tmp_path / "b")
    stages = {stage.id: stage for stage in unique_stages(load([tmp_path / "a", tmp_path / "b"]))}
    wrong, spiky = (stage_energy(stages[name]) for name in ("wrong-1", "spiky-1"))
    assert wrong.joules is None
    assert spiky.joules == pytest.approx(600, rel=0.001)
    assert spiky.peak_w < 11
    assert spiky.failed == 24


def test_a_source_without_a_range_is_a_note_and_no_pass(tmp_path):
    no_range(tmp_path)
    report = check([tmp_path])
    (note,) = of(report, "R10")
    assert (note.status, note.text) == (NOTE, "source ina3221: no range stated")
    assert report.exit_code(strict=True) == 0


def test_every_rule_but_the_rule_about_rules_has_a_planted_violation():
    marks = [
        mark for mark in test_a_planted_violation_is_found.pytestmark if mark.name == "parametrize"
    ]
    assert {case[0] for case in marks[0].args[1]} == {f"R{i}" for i in range(1, 17)} - {"R15"}


def test_the_json_form(clean):
    data = json.loads(check(load([clean])).json())
    assert data["worst"] == PASS
    assert len(data["findings"]) == 16
    assert data["format"] == 1


def test_nothing_to_check_is_an_error(tmp_path):
    with pytest.raises(HarnessError):
        check([tmp_path / "none"])
