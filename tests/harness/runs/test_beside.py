"""Foreign load beside a study: real neighbours, in a session of its own process."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

from joulebird.devices.foreign import Look, between
from joulebird.harness.core import records as record
from joulebird.harness.runs import monitor
from joulebird.harness.runs.spec import from_dict

if not os.path.exists("/proc/stat"):
    pytest.skip("LOUD: no /proc here, so foreign load is unknown", allow_module_level=True)

STUDY = """
import json, os, sys
os.environ["JOULEBIRD_PROC"] = "/proc"
from joulebird.harness.cli.progress import Progress
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.run import run_spec
from joulebird.harness.runs.session import Session
from joulebird.harness.runs.spec import from_dict
from tests.harness import toy
recorders = Recorders({"": lambda: toy.FakeRecorder([])})
with Session(sys.argv[1], recorders, Progress(), backend=toy.Backend(), idle_s=0.3) as session:
    run_spec(session, from_dict(json.loads(sys.argv[2])))
"""
NAMES = ("before", "beside", "alone", "short", "after")
TOUCHED = ("beside", "short")
BURN = "import time\nt = time.time()\nwhile time.time() - t < %f: pass"


def study(task, run, *, folder: str):
    """Ask for one stage after another, each when the test says so."""
    for name in NAMES:
        with open(os.path.join(folder, "at-" + name), "w"):
            pass
        wait_for(os.path.join(folder, "go-" + name))
        last = run.stage(name, toil, task, name)
    return last


def toil(stage, task, name):
    """Work a little, with a child that works more; the stage `short` has no epoch."""
    looks = stage._session.look
    before = looks()
    for epoch in range(1, 1 if name == "short" else 3):
        begin_s = time.monotonic()
        child = subprocess.Popen([sys.executable, "-c", BURN % 0.4])
        time.sleep(0.4)
        child.wait()
        numbers = {"loss": 0.1, "test_accuracy": 0.5, "images": 1}
        stage.epoch(epoch=epoch, of=2, begin_s=begin_s, train_end_s=time.monotonic(), **numbers)
    load = between(before, looks())
    stage.metric(test_accuracy=0.5, pid=os.getpid(), others=[other for other, _ in load.others])
    return {}


def wait_for(path):
    limit = time.monotonic() + 120.0
    while not os.path.exists(path):
        assert time.monotonic() < limit, path
        time.sleep(0.01)


@contextlib.contextmanager
def neighbours(folder):
    """Two processes outside the study that keep a core busy each."""
    made = []
    for number in range(2):
        name = os.path.join(str(folder), f"neighbour{number}")
        if not os.path.islink(name):
            os.symlink("/bin/sh", name)
        made.append(subprocess.Popen([name, "-c", "while :; do :; done"]))
    try:
        yield
    finally:
        for process in made:
            process.kill()
            process.wait()


def test_each_stage_beside_two_busy_neighbours_is_marked(tmp_path):
    """Other work of this machine may mark further stages: only our neighbours are asserted."""
    spec = {
        "method": "tests.harness.runs.test_beside:study",
        "model": "vgg16",
        "dataset": "digits",
        "prune_ratio": 0.5,
        "epochs": 2,
        "options": {"folder": str(tmp_path)},
    }
    root, talk = str(tmp_path / "runs"), tmp_path / "talk"
    with open(str(talk), "w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", STUDY, root, json.dumps(spec)], stderr=stream
        )
    for name in NAMES:
        wait_for(str(tmp_path / ("at-" + name)))
        with neighbours(tmp_path) if name in TOUCHED else contextlib.ExitStack():
            (tmp_path / ("go-" + name)).write_text("")
            following = NAMES[NAMES.index(name) + 1 :]
            if following:
                wait_for(str(tmp_path / ("at-" + following[0])))
            else:
                process.wait()
    assert process.returncode == 0, talk.read_text()

    done = record.read_run(root, from_dict(spec).id)
    stages = {stage.name: stage for stage in (record.read_stage(root, i) for i in done.stages)}
    text = {
        name: " ".join(one["what"] for one in stage.warnings if one["name"] == "foreign_load")
        for name, stage in stages.items()
    }
    for name, stage in stages.items():
        load, seen = stage.load, " ".join(stage.metrics["others"])
        assert load["own_cpu_s"] <= load["total_cpu_s"] + 0.5
        assert load["cores"] == os.sysconf("SC_NPROCESSORS_ONLN")
        assert f"({stage.metrics['pid']})" not in text[name]
        if name in TOUCHED:
            assert load["foreign_cores"] > 0.25
            assert text[name], f"{name}: {load}"
        else:
            assert "neighbour" not in seen + text[name]
    assert "neighbour0" in " ".join(stages["beside"].metrics["others"])
    assert "neighbour1" in " ".join(stages["beside"].metrics["others"])
    if not any(text[name] for name in NAMES if name not in TOUCHED):  # a quiet machine
        assert "neighbour0" in text["beside"]
        assert "neighbour1" in text["beside"]
        assert stages["beside"].load["foreign_cores"] > stages["alone"].load["foreign_cores"]
    assert talk.read_text().count("others took") >= len(TOUCHED)

    for name, stage_id in zip(NAMES, done.stages):
        events = record.read_events(os.path.join(record.stage_dir(root, stage_id), record.EVENTS))
        loads = [event["load"] for event in events if event["event"] == "epoch"]
        assert len(loads) == (0 if name == "short" else 2)
        assert all(load["own_cpu_s"] > 0.02 for load in loads)  # the child's, which has ended
        assert events[-1]["load"] == stages[name].load == events[-1]["record"]["load"]
    for when in ("before", "after"):
        folder = record.idle_dir(root, done.sessions[0], when)
        ends = record.read_events(os.path.join(folder, record.EVENTS))
        assert ends[-1]["load"]["foreign_cores"] is not None


@pytest.mark.slow
def test_each_stage_of_a_training_beside_two_busy_neighbours_is_marked(tmp_path):
    pytest.importorskip("torch")
    spec = {
        "method": "eb-train",
        "model": "vgg16",
        "dataset": "tests.baselines.tiny:TINY",
        "prune_ratio": 0.5,
        "width": 0.0625,
        "epochs": 6,
        "batch": 80,
        "options": {"draw_at": 2},
    }
    (tmp_path / "specs.json").write_text(json.dumps([spec]))
    words = ("run", "specs.json", "--runs", "runs", "--source", "simulated", "--idle", "0.3")
    environment = dict(os.environ, JOULEBIRD_PROC="/proc", OMP_NUM_THREADS="1")
    with neighbours(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-m", "joulebird", *words],
            cwd=str(tmp_path),
            stderr=subprocess.PIPE,
            env=environment,
        )
        talk = process.communicate()[1].decode()
    assert process.returncode == 0, talk
    (done,) = record.find_runs(str(tmp_path / "runs"))
    stages = [record.read_stage(str(tmp_path / "runs"), stage_id) for stage_id in done.stages]
    assert [stage.name for stage in stages] == ["search", "prune", "retrain"]
    for stage in stages:  # pruning takes a few hundredths of a second
        assert "foreign_load" in [one["name"] for one in stage.warnings], stage.load
    marked = [one["stage"] for one in done.warnings if one["name"] == "foreign_load"]
    assert marked == ["search", "prune", "retrain"]
    for when in ("before", "after"):
        folder = record.idle_dir(str(tmp_path / "runs"), done.sessions[0], when)
        events = record.read_events(os.path.join(folder, record.EVENTS))
        assert [one["name"] for one in events if one["event"] == "warning"] == ["foreign_load"]


class Clock:
    """Looks at a machine whose other work is set; own work is none."""

    def __init__(self):
        self.t_s = self.busy_s = 0.0

    def look(self):
        return Look(self.t_s, 8, self.busy_s)

    def pass_by(self, seconds, foreign_cores):
        self.t_s += seconds
        self.busy_s += seconds * foreign_cores


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(monitor.time, "sleep", lambda seconds: None)
    return Clock()


def test_one_busy_epoch_of_a_quiet_stage_is_enough(clock):
    watch = monitor.Beside(clock.look)
    for foreign_cores in (0.05, 0.05, 1.0, 0.05):
        clock.pass_by(10.0, foreign_cores)
        load, warnings = watch.epoch()
        assert load["foreign_cores"] == foreign_cores
        assert bool(warnings) == (load["foreign_cores"] == 1.0 or clock.t_s > 30.0)
    assert warnings[0][0] == "foreign_load"  # of the stage so far: 0.29 core
    assert warnings[0][1]["cores"] == 0.287
    assert warnings[0][1]["share"] == 0.036
    assert warnings[0][1]["busiest"] == [{"name": "kernel and unseen processes", "cpu_s": 11.5}]


def test_short_epochs_are_judged_together(clock):
    watch, found = monitor.Beside(clock.look), []
    for _ in range(5):
        clock.pass_by(0.3, 1.0)
        found.append(bool(watch.epoch()[1]))
    assert found == [False, False, False, True, True]
    clock.pass_by(0.1, 0.0)
    load, warnings = watch.end()
    assert load["foreign_cores"] == pytest.approx(1.5 / 1.6, abs=0.001)
    assert [name for name, _ in warnings] == ["foreign_load"]


def test_a_machine_that_shows_nothing_is_said_once(tmp_path):
    environment = dict(os.environ, JOULEBIRD_PROC=str(tmp_path))
    script = STUDY.replace('os.environ["JOULEBIRD_PROC"] = "/proc"', "")
    spec = {
        "method": "tests.harness.toy:prune_and_grow",
        "model": "vgg16",
        "dataset": "digits",
        "prune_ratio": 0.5,
        "epochs": 1,
    }
    root = str(tmp_path / "runs")
    process = subprocess.Popen(
        [sys.executable, "-c", script, root, json.dumps(spec)],
        stderr=subprocess.PIPE,
        env=environment,
    )
    talk = process.communicate()[1].decode()
    assert process.returncode == 0, talk
    assert talk.count("foreign load is not watched: this system shows no") == 1
    done = record.read_run(root, from_dict(spec).id)
    assert [one["name"] for one in done.warnings] == ["layer_emptied"]
    for stage_id in done.stages:
        load = record.read_stage(root, stage_id).load
        assert load["foreign_cores"] is None
        assert load["unknown"]
