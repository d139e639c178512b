"""A full disk: one clear error, the log stays readable, and the same command completes the run
once there is room.
"""

import json
import os
import subprocess
import sys

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import writing
from joulebird.harness.core.records import read_events, read_run
from joulebird.harness.runs.checkpoints import Saving
from joulebird.harness.runs.spec import from_dict
from tests.harness.runs.test_kill import SPEC, TOY


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KiB. Needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], stderr=subprocess.DEVNULL
    ):
        pytest.skip(
            "LEFT OUT: no right to mount a small disk here (run as root); the error itself is "
            "tested without one"
        )
    yield folder
    subprocess.check_call(["umount", "-l", str(folder)])


def run(root, spec):
    process = subprocess.Popen(
        [sys.executable, "-c", TOY, str(root), json.dumps(spec)], stderr=subprocess.PIPE
    )
    return process, process.communicate()[1].decode()


def test_a_disk_that_fills_up_while_training(small_disk):
    spec = dict(SPEC, epochs=400, options={}, method="tests.harness.toy:only_grow")
    stuffing = small_disk / "stuffing"
    stuffing.write_bytes(b"x" * 470000)
    process, errors = run(small_disk / "runs", spec)
    assert process.returncode != 0
    assert "the disk is full" in errors
    stages = os.listdir(str(small_disk / "runs" / "stages"))
    assert len(stages) == 1
    events = read_events(str(small_disk / "runs" / "stages" / stages[0] / record.EVENTS))
    assert events[0]["event"] == "attempt_begin"
    trained = [event["epoch"] for event in events if event["event"] == "epoch"]
    stuffing.unlink()
    process, errors = run(small_disk / "runs", spec)
    assert process.returncode == 0, errors
    done = read_run(str(small_disk / "runs"), from_dict(spec).id)
    after = read_events(str(small_disk / "runs" / "stages" / done.stages[0] / record.EVENTS))
    assert [event["epoch"] for event in after if event["event"] == "epoch"] == list(range(1, 401))
    assert len(trained) > 0


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded")]
)
def test_a_full_disk_is_told_from_its_error_number(tmp_path, error):
    class Full:
        @staticmethod
        def save(path, value):
            raise error

    with pytest.raises(HarnessError) as refused:
        Saving(Full).save(str(tmp_path / "result.pt"), {})
    assert refused.value.exit_code == 5
    assert "disk is full" in refused.value.message
    assert "result.pt" in refused.value.message


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(RuntimeError), writing(str(tmp_path / "x")):
        raise RuntimeError("shapes do not fit")
    with pytest.raises(FileNotFoundError), writing(str(tmp_path / "x")):
        raise FileNotFoundError(2, "No such file or directory", "data.bin")
