"""A training beside another measurement, and beside a second training."""

import contextlib
import os
import subprocess
import sys

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from tests.harness.runs.test_conditions import Here, spec_of

MEASURE = [sys.executable, "-m", "joulebird", "measure", "--source", "simulated", "--"]


@contextlib.contextmanager
def measuring():
    """A command that is measured meanwhile."""
    script = "echo begun; read line"
    words = MEASURE + ["sh", "-c", script]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"begun\n"
        yield process
    finally:
        process.communicate(b"\n")


def shared(done):
    return [one for one in done.warnings if one["name"] == "shared"]


def slow(seed):
    return spec_of("prune_and_grow", options={"pause_s": 0.1}, epochs=3, seed=seed)


# Trains beside the test's process, not below it: those that nest are no strangers.
SCRIPT = """
import sys
from pathlib import Path
from tests.harness.runs.test_shared import Here, slow, spec_of
here = Here(Path(sys.argv[1]))
if sys.argv[2] == "stopped":
    here.stop_after(2, spec_of())
else:
    here.run(slow(1))
print(here.root, flush=True)
sys.stdin.readline()
here.run(slow(2))
here.run(spec_of())
sys.stdout.write(here.talk.getvalue())
"""


def study_beside(tmp_path, kind):
    """Train with a measurement beside the first part; gives the root, its process, and the talk."""
    words = [sys.executable, "-c", SCRIPT, str(tmp_path), kind]
    with measuring() as other:
        study = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        root = study.stdout.readline().decode().strip()
    talk = study.communicate(b"\n")[0].decode()
    assert study.returncode == 0
    return root, other.pid, talk


def test_a_stage_names_the_measurements_beside_it(tmp_path):
    root, pid, talk = study_beside(tmp_path, "whole")
    beside, alone = (record.read_run(root, slow(seed).id) for seed in (1, 2))
    assert shared(alone) == []
    found = {one["stage"]: one for one in shared(beside)}
    assert set(found) >= {"dense", "retrain"}
    assert len(found) == len(shared(beside))  # the seconds of the whole stage alone are kept
    assert found["dense"]["pid"] == pid
    assert found["dense"]["command"].startswith("sh -c echo begun")
    seconds = record.read_stage(root, beside.stages[0]).seconds
    assert 0.3 <= found["dense"]["seconds"] <= seconds + 0.1
    assert f"process {pid}: sh -c" in talk


def test_an_attempt_that_was_stopped_keeps_the_measurements_beside_it(tmp_path):
    root, pid, _ = study_beside(tmp_path, "stopped")
    (found,) = shared(record.read_run(root, spec_of().id))
    assert found["pid"] == pid


def test_a_deleted_lock_file_lets_no_second_training_in(tmp_path):
    lock = str(tmp_path / "lock")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = Here(tmp_path / "one"), Here(tmp_path / "two")
    with one.session(lock=lock):
        os.remove(lock)
        with pytest.raises(HarnessError, match="trains already") as refused, two.session(lock=lock):
            pass
        assert refused.value.exit_code == 75
        assert f"process {os.getpid()}, joulebird run: runs in {one.root}" in refused.value.message
        with two.session(lock=str(tmp_path / "another")):
            pass
    with two.session(lock=lock):
        pass
