"""`joulebird sources` as a user meets it."""

import glob
import json
import os
import subprocess
import sys

import pytest

from joulebird.devices.simulated.source import SimulatedSource
from joulebird.harness.verbs.sources import rate
from tests.devices.fake_tx2_tree import FakeTX2
from tests.devices.faulty import Rare, Script


def sources(*words):
    process = subprocess.run(
        [sys.executable, "-m", "joulebird", "sources"] + list(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    return process.returncode, process.stdout, process.stderr


@pytest.fixture
def board(tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), state="train").build()
    yield tree
    tree.close()


def test_every_registered_source_is_tried():
    from joulebird.devices import SOURCES

    code, out, _ = sources("--json")
    found = {facts["name"]: facts for facts in json.loads(out)["sources"]}
    assert code == 0
    assert set(SOURCES) <= set(found)
    assert all(facts["reason"] for facts in found.values() if not facts["usable"])
    simulated = found["simulated"]
    assert simulated["usable"]
    assert simulated["real"] is False
    assert simulated["rate_hz"] > 0
    assert simulated["present_w"]["VDD_IN"] > 0
    assert simulated["total"] == ["VDD_IN"]


def test_the_text_says_what_is_no_measurement_and_why_others_cannot():
    code, out, _ = sources()
    assert code == 0
    assert "simulated: module (no sensor behind it: not a measurement), up to " in out
    assert out.index("simulated: module") < out.index("not usable here")
    assert "\n    " in out[out.index("not usable here") :]


def test_one_source_with_its_options(board):
    code, out, _ = sources("--source", "ina3221", "--source-option", "root=" + board.root)
    assert code == 0
    assert out.startswith("ina3221: module (average), up to ")
    assert "VDD_IN           14.034 W   (total)" in out
    assert "VDD_MUX" not in out


def test_a_named_source_that_cannot_be_used_is_exit_code_4(tmp_path):
    code, out, _ = sources("--source", "ina3221", "--source-option", "root=" + str(tmp_path))
    assert code == 4
    assert "not usable here: no INA3221" in out


def test_wrong_names_and_options_are_told(tmp_path):
    code, out, errors = sources("--source", "ina3222")
    assert (code, out) == (4, "")
    assert errors == "joulebird: unknown source 'ina3222'\n  did you mean 'ina3221'?\n"
    assert sources("--source-option", "x")[0] == 2
    code, _, errors = sources("--source-option", "root=/")
    assert code == 2
    assert "--source-option without --source" in errors


@pytest.mark.parametrize(
    "words",
    [
        ("simulated", "cores=x"),
        ("simulated", "profile=5"),
        ("simulated", "profile=[]"),
        ("ina3221", "rails={}"),
        ("simulated", "cores=0"),
    ],
)
def test_an_option_of_a_wrong_type_is_told_and_never_a_traceback(words):
    code, out, errors = sources("--source", words[0], "--source-option", words[1])
    assert code == 4
    assert out.startswith(f"{words[0]}: not usable here: ")
    assert "Traceback" not in errors


def test_a_total_that_cannot_be_read_is_not_usable(board):
    for path in glob.glob(board.root + "/sys/bus/i2c/drivers/ina3221x/*/iio:device*/*_input*"):
        os.chmod(path, 0o644)
        with open(path, "w") as file:
            file.write("garbage")
    code, out, _ = sources("--source", "ina3221", "--source-option", "root=" + board.root)
    assert code == 4
    assert "not usable here" in out


def test_to_a_file(tmp_path):
    path = tmp_path / "sources.json"
    assert sources("--source", "simulated", "--json", "-o", str(path))[:2] == (0, "")
    assert json.loads(path.read_text())["sources"][0]["name"] == "simulated"


def test_the_rate_counts_new_readings_only():
    with Rare() as source:
        assert rate(source, 1.1) == pytest.approx(5.0, abs=1.5)
    with SimulatedSource(profile=[[1.0, 5.0]]) as source:
        assert rate(source, 0.3) > 50.0
    assert rate(Script(["EIO"]), 0.05) == 0.0
