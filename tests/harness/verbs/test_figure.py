"""`joulebird figure`: which figures take logs, and the options by which logs are read."""

import json
import os
import threading

import pytest

from tests.harness.command import joulebird, refused
from tests.reports.write_runs import Folder


@pytest.fixture
def lab(tmp_path):
    """A stage in low precision, and a log of two columns without units."""
    folder = Folder(tmp_path / "runs")
    folder.run("snip", 0.5, [folder.stage("s-1", 3, precision="bfp8")])
    (tmp_path / "log.csv").write_text("t,a,b\n" + "".join(f"{k},5000,3000\n" for k in range(60)))
    return tmp_path


def drawn(*words):
    code, out, errors = joulebird("figure", "power", *words, "--form", "svg", "-o", "-")
    assert (code, errors) == (0, "")
    return out


def test_a_log_is_read_by_the_options_of_energy(lab):
    mapped = ["--map", "t=t,w=a[mW],w=b[mW],total=a"]
    kept = ["--reading", lab / "kept.json"]
    assert "log.csv: a (unknown) by csv" in drawn(lab / "log.csv", *mapped, *kept)
    assert json.loads((lab / "kept.json").read_text())["map"] == "t=t,w=a[mW],w=b[mW],total=a"
    assert "log.csv: b (unknown) by csv" in drawn(lab / "log.csv", *kept, "--rail", "b")
    refused(2, ["figure", "power", lab / "log.csv", "-o", lab / "x.svg"], "--map")
    assert not (lab / "x.svg").exists()


def test_the_log_of_a_stage_has_its_epochs_and_words(lab):
    text = drawn(lab / "runs" / "stages" / "s-1" / "power.csv")
    assert all(f"<!-- epoch {number} -->" in text for number in (1, 2, 3))
    assert "power.csv: VDD_IN (module) by ina3221 [estimated]" in text
    assert "<!-- s (estimated) -->" in drawn(lab / "runs")


@pytest.mark.parametrize("verb", [("figure", "power"), ("export",)])
def test_a_pipe_is_read_once(tmp_path, verb):
    os.mkfifo(tmp_path / "pipe")
    text = "time_s,power_w\n" + "".join(f"{k},5.25\n" for k in range(5000))
    threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,), daemon=True).start()
    out = tmp_path / ("x.svg" if len(verb) > 1 else "x.csv")
    assert joulebird(*verb, tmp_path / "pipe", "-o", out) == (0, "", "")
    assert (
        "power_w (" in out.read_text() if len(verb) > 1 else out.read_bytes().count(b"\n") == 5005
    )


def test_mistakes(lab):
    log, out = lab / "log.csv", ["-o", lab / "x.png"]
    refused(2, ["figure", "5", log, *out], "figure 5 is of finished runs", "figure power")
    refused(2, ["figure", "power", log, lab / "runs", *out], "two figures", "give one kind")
    refused(2, ["figure", "power", log, "--board", "b", *out], "--board is for folders of runs")
    refused(2, ["figure", "power", lab / "runs", "--interval", "1", *out], "--interval is for logs")
    refused(2, ["figure", "power", lab / "none", *out], "no such folder")
    assert not (lab / "x.png").exists()
