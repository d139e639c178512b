"""A checkpoint that is not this training's is one clear error, and stays where it is; a bug still
shows itself.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from stages import Stage

from joulebird.baselines.methods.eb_train import find_ticket
from joulebird.baselines.training import saving
from joulebird.baselines.training.hooks import Hook, Hooks
from joulebird.baselines.training.loop import train
from joulebird.baselines.training.precision import Averaging
from joulebird.harness.core.errors import SpecError

OPTIONS = {"sparsity": 1e-4, "window": 2}


@pytest.fixture(scope="module")
def begun():
    """The stage of a search, killed after its first epoch, as bytes."""
    torch.set_num_threads(1)
    stage = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        find_ticket(stage, small(1 / 16), 0.5, **OPTIONS)
    return stage


def small(width):
    from joulebird.baselines.training.task import Schedule, Task

    return Task(
        "vgg16",
        "tests.baselines.tiny:TINY",
        width=width,
        schedule=Schedule(epochs=2, milestones=(1,), batch=120),
    )


def without(name):
    return lambda saved: saved.pop(name)


def changed(path, value):
    """Puts `value` at the path of keys."""

    def change(saved):
        for key in path[:-1]:
            saved = saved[key]
        saved[path[-1]] = value

    return change


def of_another_optimiser(saved):
    saved["optimizer"]["param_groups"][0].pop("momentum")


CHANGES = [
    without(name) for name in ("state", "optimizer", "watch", "epoch", "accuracy_best", "done")
] + [
    changed(["state"], {}),
    changed(["state"], None),
    changed(["state", "classifier.bias"], torch.zeros(3)),
    changed(["optimizer"], {}),
    changed(["optimizer", "param_groups"], []),
    of_another_optimiser,
    changed(["optimizer", "state", 0], {"momentum_buffer": torch.ones(2)}),
    changed(["optimizer", "state", 999], {"momentum_buffer": torch.ones(2)}),
    changed(["watch"], {}),
    changed(["watch", "0"], {}),
    changed(["watch", "0", "masks"], [torch.ones(5) > 0]),
    changed(["watch", "0", "masks"], 3),
    changed(["epoch"], "one"),
    changed(["epoch"], 3),
    changed(["epoch"], -1),
]


@pytest.mark.parametrize("change", CHANGES)
def test_another_checkpoint_is_one_clear_error(begun, change):
    stage = Stage(saved=begun.saved)
    saved = stage.resume()
    change(saved)
    stage.checkpoint(saved)
    before = stage.saved
    with pytest.raises(SpecError) as error:
        find_ticket(stage, small(1 / 16), 0.5, **OPTIONS)
    assert error.value.exit_code == 2
    assert error.value.hint
    assert "\n" not in error.value.message
    assert os.path.join("stage", "checkpoint.pt") in error.value.message
    assert "another network's" in error.value.message
    assert stage.saved is before
    assert stage.epochs == []


@pytest.mark.parametrize("other", [[], 3, {"state": {}}])
def test_what_is_no_checkpoint_at_all_is_one_too(begun, other):
    stage = Stage()
    stage.checkpoint(other)
    with pytest.raises(SpecError, match="another network's"):
        find_ticket(stage, small(1 / 16), 0.5, **OPTIONS)


def test_the_checkpoint_itself_goes_on(begun):
    stage = Stage(saved=begun.saved)
    assert find_ticket(stage, small(1 / 16), 0.5, **OPTIONS)["epoch"] == 2
    assert len(stage.epochs) == 1


def test_averaged_weights_of_another_network_are_refused(begun):
    stage = Stage(die_after=1)
    with pytest.raises(KeyboardInterrupt):
        train(stage, small(1 / 16), hook=Averaging(0, 2))
    saved = stage.resume()
    saved["watch"]["mean"]["classifier.bias"] = torch.zeros(3)
    stage.checkpoint(saved)
    with pytest.raises(SpecError, match="averaged weights"):
        train(Stage(saved=stage.saved), small(1 / 16), hook=Averaging(0, 2))


def test_masks_of_another_shape_are_refused(task):
    with pytest.raises(SpecError, match="another shape"):
        train(Stage(), task, masks={"classifier.bias": torch.ones(3)})


def test_a_bug_and_a_lack_of_memory_still_show(begun):
    class Broken(Hook):
        def __init__(self, words):
            self.words = words

        def begin(self, loop):
            if self.words == "a bug":
                raise KeyError(self.words)

        def load_state(self, state):
            raise RuntimeError(self.words)

    with pytest.raises(KeyError, match="a bug"):
        train(Stage(saved=begun.saved), small(1 / 16), hook=Broken("a bug"))
    with pytest.raises(RuntimeError, match="out of memory"):
        train(Stage(saved=begun.saved), small(1 / 16), hook=Hooks([Broken("CUDA out of memory")]))


def test_a_result_of_another_network_is_one_clear_error(task):
    state = task.build().state_dict()
    for result in (
        {},
        {"widths": [3], "state": state},
        {"widths": task.dense_widths(), "state": {}},
        {"widths": None, "state": None},
    ):
        with pytest.raises(SpecError, match="do not fit"):
            task.network(result)


@pytest.mark.slow
def test_a_killed_run_with_another_networks_checkpoint_names_it_and_keeps_everything(tmp_path):
    """The command itself: two epochs of a dense run, a foreign checkpoint in its place, the command
    again, its own checkpoint again.
    """
    spec = {
        "method": "dense",
        "model": "vgg16",
        "dataset": "digits",
        "prune_ratio": 0.0,
        "width": 0.0625,
        "epochs": 40,
        "batch": 128,
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    words = [
        sys.executable,
        "-m",
        "joulebird",
        "run",
        str(tmp_path / "spec.json"),
        "--runs",
        str(tmp_path / "runs"),
        "--source",
        "simulated",
        "--idle",
        "0.1",
    ]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, universal_newlines=True, env=environment
    )
    epochs = 0
    for line in process.stderr:
        epochs += "epoch" in line
        if epochs == 3:
            process.kill()
            break
    process.communicate()
    (stage,) = os.listdir(str(tmp_path / "runs" / "stages"))
    path = tmp_path / "runs" / "stages" / stage / "checkpoint.pt"
    shutil.copy(str(path), str(tmp_path / "own.pt"))
    for other in (
        {"state": {}},
        dict(saving.load(str(path)), state=small(1 / 8).build().state_dict()),
    ):
        saving.save(str(path), other)
        foreign, log = path.read_bytes(), (path.parent / "events.jsonl").read_bytes()
        again = subprocess.run(
            words, stderr=subprocess.PIPE, universal_newlines=True, env=environment
        )
        assert again.returncode == 2, again.stderr
        assert "Traceback" not in again.stderr
        assert str(path) in again.stderr
        assert "another network's" in again.stderr
        assert path.read_bytes() == foreign
        assert (path.parent / "events.jsonl").read_bytes().startswith(log)
    shutil.copy(str(tmp_path / "own.pt"), str(path))
    process = subprocess.Popen(
        words, stderr=subprocess.PIPE, universal_newlines=True, env=environment
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "epoch" in line:
            process.kill()
            break
    process.communicate()
    assert "Traceback" not in "".join(lines)
    assert "epoch" in lines[-1]
