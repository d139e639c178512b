"""No file in the current folder shadows a module, in the command or in the processes it starts."""

import json
import os
import subprocess
import sys

import pytest

from tests import hostile
from tests.conftest import ROOT


def run(folder, *words):
    """Run the command in a folder of hostile names."""
    here = folder / "here"
    here.mkdir()
    hostile.fill(here)
    done = subprocess.run(
        [sys.executable, hostile.write_command(folder), *words],
        cwd=str(here),
        env=dict(os.environ, PYTHONPATH=ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=300,
    )
    said = done.stderr.decode()
    assert "SHADOWED" not in said
    assert done.returncode == 0, said
    return done.stdout.decode() + said


def test_measure(tmp_path):
    assert " J" in run(tmp_path, "measure", "--source", "simulated", "--", sys.executable, "-V")


def test_watch(tmp_path):
    output = run(tmp_path, "watch", "--source", "simulated", "-n", "2", "--json")
    assert output.count("VDD_IN") >= 2


def test_sources(tmp_path):
    assert "simulated" in run(tmp_path, "sources")


SPECS = [
    {
        "method": method,
        "model": "vgg16",
        "dataset": "digits",
        "prune_ratio": 0.5,
        "width": 0.0625,
        "epochs": 1,
    }
    for method in ("dense", "snip")
]


@pytest.mark.slow
def test_run(tmp_path):
    """Run a study at the desk, and its specs in the Python of a board."""
    study = "smoke"
    if sys.version_info < (3, 11):
        study = str(tmp_path / "specs.json")
        with open(study, "w") as file:
            json.dump(SPECS, file)
    run(tmp_path, "run", study, "--source", "simulated", "--idle", "0.5", "--runs", "../runs")
    assert len(list(tmp_path.glob("runs/*/record.json"))) == 2
