"""`joulebird doctor` as a user meets it; its checks are tested in test_doctor.py."""

import json
import subprocess
import sys

import pytest

from joulebird.harness.doctor import CHECKS
from tests.devices.fake_tx2_tree import FakeTX2


@pytest.fixture
def board(tmp_path, monkeypatch):
    tree = FakeTX2(str(tmp_path / "tree"), state="train").build()
    monkeypatch.setenv("FAKE_ROOT", tree.root)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tree
    tree.close()


def doctor(*words):
    process = subprocess.run(
        [sys.executable, "-m", "joulebird", "doctor"] + list(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    return process.returncode, process.stdout, process.stderr


def test_all_checks_as_json(board):
    code, out, errors = doctor("--root", board.root, "--json")
    facts = json.loads(out)
    assert [check["name"] for check in facts["checks"]] == [check.name for check in CHECKS]
    assert errors == ""
    found = {check["name"]: check for check in facts["checks"]}
    assert found["board"]["found"] == "a Jetson TX2, L4T 32.7.1, JetPack 4.6.1"
    assert found["reading"]["status"] == "ok"
    assert found["torch"]["status"] == "bad"
    assert found["torch"]["remedy"]
    assert code == 6
    assert facts["wrong"] >= 1


def test_some_checks_and_the_exit_code(board):
    code, out, _ = doctor("--root", board.root, "rails", "reading", "sampling")
    assert code == 0
    assert len(out.splitlines()) == 4
    assert "0 wrong, 0 warnings, 3 fine" in out
    board.set_rails({"VDD_IN": 80.0})
    code, out, _ = doctor("--root", board.root, "reading")
    assert code == 6
    assert out.startswith("WRONG  reading")
    assert " do: " in out


def test_a_warning_is_not_wrong(board):
    code, out, _ = doctor("--root", board.root, "clocks")
    assert code == 0
    assert "not locked" in out
    assert "1 warnings" in out


def test_this_machine():
    code, out, errors = doctor()
    assert code in (0, 6)
    assert errors == ""
    assert " wrong, " in out


def test_to_a_file_and_mistakes(board, tmp_path):
    path = tmp_path / "doctor.json"
    assert doctor("--root", board.root, "--json", "-o", str(path), "fan")[:2] == (0, "")
    assert json.loads(path.read_text())["checks"][0]["name"] == "fan"
    code, _, errors = doctor("nosuch")
    assert code == 2
    assert "unknown check 'nosuch'" in errors
    assert "rails" in errors
