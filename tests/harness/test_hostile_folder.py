"""Commands given in a folder of files that are named like the modules that they import."""

import json
import os
import subprocess
import sys

import pytest

from joulebird.harness.core.process import python_command

FILES = "random json selectors platform typing subprocess argparse signal tempfile copy struct"
FOLDERS = "devices harness baselines reports joulebird collections logging numpy"
SPEC = {
    "method": "dense",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.5,
    "epochs": 1,
    "width": 0.0625,
    "batch": 512,
}


@pytest.fixture
def folder(tmp_path):
    """Every module in it says that it was imported."""
    for name in FILES.split():
        (tmp_path / (name + ".py")).write_text(f"raise RuntimeError('{name} was shadowed')\n")
    for name in FOLDERS.split():
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('{name} was shadowed')\n")
    return tmp_path


def run(folder, *words):
    done = subprocess.run(
        python_command("joulebird.harness.cli.main:main", *words),
        cwd=str(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert "shadowed" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("searched", ["/nowhere:", ":/nowhere", ".", "{}"])
def test_a_search_path_that_names_the_current_folder(tmp_path, monkeypatch, searched):
    """Python puts it on sys.path as an absolute path then."""
    (tmp_path / "random.py").write_text("raise RuntimeError('random was shadowed')\n")
    monkeypatch.setenv("PYTHONPATH", searched.format(tmp_path))
    code, _, _ = run(tmp_path, "sources", "--help")
    assert code == 0


def test_doctor(folder):
    code, out, _ = run(folder, "doctor", "--json", "python", "numpy", "torch", "source")
    assert code in (0, 6)
    assert "shadowed" not in out


def test_a_run(folder):
    pytest.importorskip("torch")
    (folder / "spec.json").write_text(json.dumps(SPEC))
    given = ["--source", "simulated", "--idle", "0.2", "--json"]
    code, out, errors = run(folder, "run", "spec.json", "--runs", "runs", *given)
    assert code == 0, errors
    assert json.loads(out)["runs"][0]["source"]["name"] == "simulated"
    assert not any("recorder" in one["name"] for one in json.loads(out)["runs"][0]["warnings"])


def test_the_measured_command_is_the_users(folder):
    """It finds the modules beside it, and the environment in which the user called us."""
    (folder / "ask.py").write_text("import os\nimport mine\nprint(mine.WORD, sorted(os.environ))\n")
    (folder / "mine.py").write_text("WORD = 'mine'\n")
    command = [sys.executable, "ask.py"]
    for name in (FILES + " " + FOLDERS).split():  # Python itself would not start among these
        path = folder / (name + ".py")
        if path.exists():
            path.unlink()
    for name in ("collections", "logging"):
        (folder / name / "__init__.py").unlink()
        (folder / name).rmdir()
    bare = subprocess.check_output(command, cwd=str(folder), universal_newlines=True)
    assert run(folder, "measure", "--source", "simulated", "--", *command)[:2] == (0, bare)
    assert bare.startswith("mine ")
    assert os.path.exists(str(folder / "joulebird"))
