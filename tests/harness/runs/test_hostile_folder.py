"""From a folder whose names shadow the standard library and this package, all works as
elsewhere.
"""

import json
import os
import subprocess
import sys
import time

import pytest

from joulebird.devices.health.log import HealthLog
from joulebird.harness.core.process import python_command
from joulebird.harness.core.records import POWER, find_runs, read_health, stage_dir
from joulebird.harness.onboard import jobs
from joulebird.harness.power.recorders import log_name
from tests.devices.changing_board import Board

MODULES = ("random", "json", "selectors", "platform", "csv", "signal", "torch", "numpy", "uuid")
PACKAGES = ("devices", "baselines", "harness", "reports", "joulebird")
CLI, ONBOARD = "joulebird.harness.cli.main:main", "joulebird.harness.onboard.verbs:main"
MINE = """
def work(stage, task):
    stage.metric(test_accuracy=0.5)
    return {"value": 1}


def method(task, run, *, rounds: int = 3):
    return run.stage("only", work, task, **({"rounds": rounds} if rounds < 3 else {}))
"""
SPEC = {"method": "mine:method", "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's folder, which is the current one."""
    hostile = tmp_path / "hostile"
    for name in PACKAGES:
        (hostile / name).mkdir(parents=True)
        (hostile / name / "__init__.py").write_text(f"raise SystemExit('hostile {name}')\n")
    for name in MODULES:
        (hostile / (name + ".py")).write_text(f"raise SystemExit('hostile {name}')\n")
    (hostile / "mine.py").write_text(MINE)
    (hostile / "spec.json").write_text(json.dumps(SPEC))
    monkeypatch.chdir(hostile)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return hostile


def output_of(command, text=""):
    done = subprocess.run(
        command,
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, OMP_NUM_THREADS="1"),
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def test_a_run_with_a_method_of_the_folder(folder):
    pytest.importorskip("torch")
    options = ["--source", "simulated", "--source", "simulated", "--idle", "0.1"]
    said = output_of(python_command(CLI, "run", "spec.json", *options))
    assert "hostile" not in said
    (run,) = find_runs("runs")
    assert run.warnings == ()
    for name in (POWER, log_name("simulated")):
        assert os.path.getsize(os.path.join(stage_dir("runs", run.stages[0]), name))


def test_a_job_of_a_board_in_such_a_workdir(folder):
    job = {
        "id": "20260101T000000Z-a",
        "argv": python_command(CLI, "run", "--list"),
        "env": {},
        "launcher": [],
        "python": "python3",
        "owner": {"user": "ann"},
        "runs": [],
        "lock": str(folder / "lock"),
    }
    asked = {"workdir": str(folder), "job": job, "lock": job["lock"]}
    answer = json.loads(output_of(python_command(ONBOARD, "start"), json.dumps(asked)))
    path = jobs.folder(str(folder), answer["job"]["id"])
    deadline = time.monotonic() + 60
    while jobs.is_alive(path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert jobs.read(path)["exit"]["code"] == 0, jobs.read(path)
    assert "eb-train" in jobs.read(path)["exit"]["tail"]


def test_the_health_log_of_a_stage(folder, tmp_path):
    board = Board(tmp_path / "tree", state="train")
    with HealthLog("events.jsonl", board.tree.root, period_s=0.05) as log:
        assert log.ended is None
    board.tree.close()
    assert read_health("events.jsonl")
