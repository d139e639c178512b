"""torch is an extra: finished runs are read without it, and a training names the remedy."""

import io
import json
import subprocess
import sys

import pytest

from joulebird.harness.cli.progress import Progress
from joulebird.harness.core.registry import missing_package
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from tests.harness import toy
from tests.test_layers import ROOT

SPEC = {
    "method": "tests.harness.toy:only_grow",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.5,
    "epochs": 2,
}
BARE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.modules.update({"torch": None, "torchvision": None})
from joulebird.harness.cli.main import main
sys.exit(main())
"""


def joulebird(*words):
    """Run the command in a Python that has no torch; gives exit code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-c", BARE, ROOT] + [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return path


@pytest.fixture
def runs(tmp_path):
    """A folder with the finished run."""
    progress = Progress(io.StringIO(), environ={})
    with Session(str(tmp_path / "runs"), Recorders({}), progress, backend=toy.Backend()) as session:
        run_all(session, [from_dict(SPEC)])
    return tmp_path / "runs"


def test_a_training_names_the_missing_package_and_its_extra(spec, tmp_path):
    words = ("run", spec, "--runs", tmp_path / "runs", "--source", "none")
    code, out, errors = joulebird(*words)
    assert (code, out) == (2, "")
    first, second = errors.strip().splitlines()[-2:]
    assert "'torch', which is not installed" in first
    assert "joulebird[train]" in second
    assert "Traceback" not in errors


def test_what_is_to_do_and_what_is_done_needs_no_torch(spec, runs):
    code, out, _ = joulebird("run", spec, "--runs", runs, "-n")
    assert code == 0
    assert out.startswith("done")
    code, out, errors = joulebird("run", spec, "--runs", runs, "--json")
    assert code == 0, errors
    assert json.loads(out)["runs"][0]["accuracy"]["last"] == 0.7


@pytest.mark.skipif(sys.version_info < (3, 11), reason="reports are the desk's")
def test_reports_of_finished_runs_need_no_torch(runs):
    for words in (("table", "2", runs), ("check", runs)):
        code, _, errors = joulebird(*words)
        assert "torch" not in errors
        assert code in (0, 6), errors


def test_the_remedy_for_a_package_of_the_users_own_is_not_joulebird():
    assert "joulebird" not in missing_package("source 'a:B'", "scipy.signal").hint
    assert "joulebird[train]" in missing_package("a data set", "PIL").hint
