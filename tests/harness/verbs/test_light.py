"""`pip install joulebird` brings no torch: every verb that trains nothing works without it, the
others say what to install.
"""

import json
import subprocess
import sys

import pytest

from joulebird.harness.runs.spec import from_dict
from joulebird.harness.verbs import BOARD_VERBS, HELPERS, VERBS
from tests.harness.command import joulebird
from tests.reports.write_runs import small_study

# One process for all commands: each line of its output is a JSON list of exit code, stdout and
# stderr.
SCRIPT = """
import json, sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in ("torch", "torchvision"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=top)
sys.meta_path.insert(0, NoTorch())
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name.startswith("torch") else find_spec(name)
from tests.harness.command import joulebird
for words in json.loads(sys.argv[1]):
    print(json.dumps(joulebird(*words)), flush=True)
"""
SPEC = {"method": "dense", "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5}
REMEDY = "needs the package 'torch', which is not installed\n  pip install 'joulebird[train]'"


def without_torch(folder, *commands):
    """Exit code, stdout and stderr of each command in a process that cannot import torch."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, words], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def folder(tmp_path):
    small_study(str(tmp_path / "runs"))
    (tmp_path / "log.csv").write_text("t_s,power_w\n0,5\n1,5\n2,5\n")
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    return tmp_path


def test_no_torch_is_needed_to_read_measure_and_explain(folder):
    commands = [
        ["energy", "log.csv"],
        ["table", "2", "runs"],
        ["table", "2", "--recount"],
        ["check", "runs"],
        ["compare", "runs", "runs"],
        ["figure", "power", "runs", "-o", "power.png"],
        ["report", "runs", "-o", "report.html"],
        ["export", "runs", "--each", "stage", "-o", "stages.csv"],
        ["export", "log.csv", "-o", "power.csv"],
        ["measure", "--source", "simulated", "--", "true"],
        ["watch", "--source", "simulated", "-n", "1", "--every", "0.1"],
        ["sources", "--source", "simulated"],
        ["doctor"],
        ["plan", "spec.json", "--ids"],
        ["run", "spec.json", "-n"],
        ["run", "--list"],
        ["completion", "bash"],
    ]
    commands += [["help", verb] for verb in (*VERBS, *HELPERS)]
    commands += [["help", "board", verb] for verb in BOARD_VERBS]
    results = without_torch(folder, *commands)
    assert len(results) == len(commands)
    for command, (code, _, errors) in zip(commands, results, strict=True):
        assert code in ((0, 6) if command[0] in ("check", "doctor") else (0,)), (command, errors)


def test_training_and_counting_say_what_to_install(folder):
    commands = [
        ["run", "spec.json", "--runs", "new", "--source", "none", "-q"],
        ["plan", "spec.json"],
        ["flops", "--model", "vgg16", "--dataset", "digits"],
        ["demo", "--runs", "new", "--source", "none", "-q"],
    ]
    for code, out, errors in without_torch(folder, *commands):
        assert (code, out) == (2, "")
        assert REMEDY in errors
        assert len(errors.splitlines()) == 2


def test_a_plan_of_finished_runs_needs_no_torch(folder):
    pytest.importorskip("torch")
    words = ["spec.json", "--runs", "done"]
    given = dict(SPEC, epochs=1, width=0.0625, batch=512)
    (folder / "spec.json").write_text(json.dumps(given))
    path = str(folder / "done")
    assert joulebird("run", folder / "spec.json", "--runs", path, "--source", "none", "-q")[0] == 0
    [[code, out, errors]] = without_torch(folder, ["plan", *words, "--json"])
    assert (code, errors) == (0, "")
    assert json.loads(out)["runs"][from_dict(given).id]["done"]
    assert json.loads(joulebird("plan", folder / "spec.json", "--runs", path, "--json")[1]) == (
        json.loads(out)
    )
