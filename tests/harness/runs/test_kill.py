"""SIGKILL at any moment, the same command again: the same numbers, nothing finished done twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.events import attempts, kept_epochs
from joulebird.harness.core.records import read_events, read_run, read_stage, stage_dir
from joulebird.harness.runs.spec import from_dict

TOY = """
import sys
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.cli.progress import Progress
from joulebird.harness.runs.run import run_spec
from joulebird.harness.runs.session import Session
from joulebird.harness.runs.spec import from_dict
from tests.harness import toy
with Session(sys.argv[1], Recorders({}), Progress(quiet=True), backend=toy.Backend()) as session:
    run_spec(session, from_dict(__import__("json").loads(sys.argv[2])))
"""
SPEC = {
    "method": "tests.harness.toy:prune_and_grow",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.5,
    "epochs": 30,
    "options": {"pause_s": 0.02},
}


def start(root, spec):
    return subprocess.Popen(
        [sys.executable, "-c", TOY, str(root), json.dumps(spec)], stderr=subprocess.PIPE
    )


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


def results(root, spec):
    done = read_run(str(root), from_dict(spec).id)
    return done.accuracy, done.metrics, done.stages


def test_killed_at_random_moments_it_ends_like_an_undisturbed_run(tmp_path):
    begin_s = time.monotonic()
    finish(start(tmp_path / "whole", SPEC))
    whole_s = time.monotonic() - begin_s
    moments = random.Random(5)
    root = tmp_path / "killed"
    kills = 0
    for _ in range(12):
        process = start(root, SPEC)
        time.sleep(whole_s * moments.uniform(0.15, 0.5))
        kills += process.poll() is None
        process.kill()
        process.communicate()
    finish(start(root, SPEC))
    assert kills >= 2
    assert results(root, SPEC) == results(tmp_path / "whole", SPEC)
    for stage_id in results(root, SPEC)[2]:
        events = read_events(os.path.join(stage_dir(str(root), stage_id), record.EVENTS))
        stage = read_stage(str(root), stage_id)
        check_attempts(events, stage)
        assert stage.digests == record.digests(stage_dir(str(root), stage_id))


def check_attempts(events, stage):
    """Every epoch that counts is there once; each attempt goes on where the last committed epoch
    was.
    """
    tries = attempts(events)
    assert stage.attempts == len(tries)
    trained = [event["epoch"] for one in tries for event in one.epochs]
    assert trained == list(range(1, len(trained) + 1))
    assert len(kept_epochs(tries)) == len(trained)
    last = 0
    for one in tries:
        assert one.first["from_epoch"] == last
        last = max([last] + [event["epoch"] for event in one.epochs])
    assert len([event for event in events if event["event"] == "stage_end"]) == 1


@pytest.mark.parametrize("instant", ["after save", "after event", "after rename"])
def test_a_kill_within_the_commit_of_an_epoch_loses_at_most_that_epoch(tmp_path, instant):
    script = TOY.replace(
        "with Session",
        """
import os, signal
from joulebird.harness.core import events
from joulebird.harness.runs import checkpoints
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
def kill_after(owner, name, turn):
    inner, count = getattr(owner, name), []
    def outer(self, *args, **options):
        result = inner(self, *args, **options)
        if name != "write" or args[0] == "epoch":
            count.append(1)
        if len(count) == turn:
            die()
        return result
    setattr(owner, name, outer)
kill_after(*{}, 3)
with Session""".format(
            {
                "after save": '(checkpoints.Checkpoints, "save")',
                "after event": '(events.EventLog, "write")',
                "after rename": '(checkpoints.Checkpoints, "commit")',
            }[instant]
        ),
    )
    spec = dict(SPEC, method="tests.harness.toy:only_grow", epochs=5, options={})
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), json.dumps(spec)])
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    finish(start(tmp_path, spec))
    stage_id = read_run(str(tmp_path), from_dict(spec).id).stages[0]
    events = read_events(os.path.join(stage_dir(str(tmp_path), stage_id), record.EVENTS))
    check_attempts(events, read_stage(str(tmp_path), stage_id))
    assert attempts(events)[1].first["from_epoch"] == (2 if instant == "after save" else 3)
    with open(os.path.join(stage_dir(str(tmp_path), stage_id), record.EPOCHS)) as file:
        assert [line.split(",")[0] for line in file] == ["epoch", "1", "2", "3", "4", "5"]
