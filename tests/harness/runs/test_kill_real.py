"""The real thing: `joulebird run` killed with SIGKILL, and the same command again; accuracies
are those of an undisturbed run.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from joulebird.harness.core.records import find_runs, read_events, read_stage, stage_dir

pytest.importorskip("torch")

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1")  # the same on a busy machine

SPECS = [
    {
        "method": method,
        "model": "vgg16",
        "dataset": "digits",
        "prune_ratio": 0.5,
        "width": 0.0625,
        "epochs": 6,
        "batch": 128,
        "options": options,
    }
    for method, options in (("lottery-ticket", {}), ("eb-train", {"window": 2, "epsilon": 0.5}))
]


# 240 images, two epochs of search and 14 of retraining, a tenth of a second each: what `make test`
# has time for
SMALLEST = [
    {
        "method": "eb-train",
        "model": "vgg16",
        "dataset": "tests.baselines.tiny:TINY",
        "prune_ratio": 0.5,
        "width": 0.0625,
        "epochs": 16,
        "batch": 80,
        "options": {"draw_at": 2},
    }
]


def command(folder, specs=SPECS):
    spec = folder / "specs.json"
    spec.write_text(json.dumps(specs))
    return [
        sys.executable,
        "-m",
        "joulebird",
        "run",
        str(spec),
        "--runs",
        str(folder / "runs"),
        "--source",
        "simulated",
        "--idle",
        "0.1",
        "--lock",
        str(folder / "lock"),  # the undisturbed run goes on beside the other
    ]


def outcomes(folder):
    return {
        one.id: (
            one.accuracy,
            one.stages,
            {name: dict(facts.items()) for name, facts in one.metrics.items()},
        )
        for one in find_runs(str(folder / "runs"))
    }


def test_a_killed_training_goes_on_to_identical_accuracies(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    undisturbed = subprocess.Popen(
        command(whole, SMALLEST), stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )  # at the same time
    try:
        process = subprocess.Popen(
            command(killed, SMALLEST),
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=ENVIRONMENT,
        )
        for line in process.stderr:
            if "epoch 5/16" in line:  # the third of the retraining
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not list(find_runs(str(killed / "runs")))
        subprocess.run(
            command(killed, SMALLEST), check=True, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
    finally:
        code = undisturbed.wait()
    assert code == 0
    assert outcomes(killed) == outcomes(whole)
    assert len(outcomes(whole)) == 1
    (run,) = find_runs(str(killed / "runs"))
    assert [read_stage(str(killed / "runs"), stage).attempts for stage in run.stages] == [1, 1, 2]


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_identical_accuracies(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    subprocess.run(command(whole), check=True, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    chance = random.Random(11)
    finished_before = {}
    for _ in range(4):
        process = subprocess.Popen(
            command(killed), stderr=subprocess.PIPE, universal_newlines=True, env=ENVIRONMENT
        )
        wanted, epochs = chance.randint(2, 7), 0
        for line in process.stderr:
            epochs += "epoch" in line
            if epochs >= wanted:
                break
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        finished_before = {
            path.parent.name: path.stat().st_mtime
            for path in (killed / "runs" / "stages").glob("*/stage.json")
        }
    subprocess.run(command(killed), check=True, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    assert outcomes(killed) == outcomes(whole)
    assert len(outcomes(whole)) == 2
    for stage_id, written in finished_before.items():
        assert (killed / "runs" / "stages" / stage_id / "stage.json").stat().st_mtime == written
    attempts = [
        read_stage(str(killed / "runs"), stage).attempts
        for one in find_runs(str(killed / "runs"))
        for stage in one.stages
    ]
    assert max(attempts) > 1


@pytest.mark.slow
def test_the_log_of_a_killed_stage_goes_on_in_a_new_segment(tmp_path):
    process = subprocess.Popen(
        command(tmp_path), stderr=subprocess.PIPE, universal_newlines=True, env=ENVIRONMENT
    )
    for line in process.stderr:
        if "epoch 3/6" in line:
            break
    process.kill()
    process.communicate()
    subprocess.run(command(tmp_path), check=True, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    root = str(tmp_path / "runs")
    cut = [
        stage
        for one in find_runs(root)
        for stage in one.stages
        if read_stage(root, stage).attempts == 2
    ][0]
    with open(stage_dir(root, cut) + "/power.csv") as file:
        assert file.read().count("# joulebird-power-log 1") == 2
    events = read_events(stage_dir(root, cut) + "/events.jsonl")
    assert [event["event"] for event in events].count("stage_resume") == 1
    assert "resumed" in [one["name"] for one in read_stage(root, cut).warnings]


def flip(path):
    """Change one byte of the largest tensor, as a worn card does; between the parts none counts."""
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(str(path)) as parts:
        largest = max(parts.infolist(), key=lambda part: part.compress_size)
        following = [part.header_offset for part in parts.infolist()] + [parts.start_dir]
    end = min(offset for offset in following if offset > largest.header_offset)
    content[end - largest.compress_size // 2 - 64] ^= 0x10
    path.write_bytes(content)


@pytest.mark.slow
def test_files_that_a_card_damaged_are_made_again_to_identical_accuracies(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    subprocess.run(command(whole, SMALLEST), check=True, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    process = subprocess.Popen(
        command(killed, SMALLEST), stderr=subprocess.PIPE, universal_newlines=True, env=ENVIRONMENT
    )
    for line in process.stderr:
        if "epoch 6/16" in line:
            break
    process.kill()
    process.communicate()
    (checkpoint,) = (killed / "runs" / "stages").glob("train-thin-*/checkpoint.pt")
    flip(checkpoint)
    again = subprocess.run(
        command(killed, SMALLEST), stderr=subprocess.PIPE, universal_newlines=True, env=ENVIRONMENT
    )
    assert again.returncode == 0, again.stderr
    assert "checkpoint.pt was not used: it cannot be read" in again.stderr
    assert outcomes(killed) == outcomes(whole)
    (run,) = find_runs(str(killed / "runs"))
    for stage in run.stages:
        for path in (killed / "runs" / "stages" / stage).glob("result.pt"):
            flip(path)
    shutil.rmtree(stage_dir(str(killed / "runs"), run.stages[-1]))
    again = subprocess.run(
        command(killed, SMALLEST), stderr=subprocess.PIPE, universal_newlines=True, env=ENVIRONMENT
    )
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("the stage was done again") == 2
    assert outcomes(killed) == outcomes(whole)
    stages = [read_stage(str(killed / "runs"), stage) for stage in run.stages]
    assert [stage.attempts for stage in stages] == [2, 2, 1]
    if sys.version_info >= (3, 11):  # the desk's verb
        check = [sys.executable, "-m", "joulebird", "check", str(killed / "runs")]
        assert subprocess.run(check, stdout=subprocess.DEVNULL).returncode == 0
