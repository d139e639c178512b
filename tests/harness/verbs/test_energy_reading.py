"""`joulebird energy` of foreign logs: the reading is printed, kept and reused, or refused."""

import json
import os

import pytest

from joulebird.reports.logs.importers.formats import tegrastats
from joulebird.reports.logs.importers.origins import ORIGINS
from tests.conftest import ROOT
from tests.harness.command import joulebird, refused

SMI = "timestamp, index, power.draw [W]\n" + "".join(
    f"2026/03/01 10:{19 + i // 60}:{i % 60:02d}.000, {gpu}, {10 * (gpu + 1)}.00 W\n"
    for i in range(180)
    for gpu in (0, 1)
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smi.csv").write_text(SMI)
    rows = "".join(f"{100 * i},{5000 + i % 5},{900 + i % 3}\n" for i in range(100))
    (tmp_path / "lab.csv").write_text('time,"P, board",P2\n' + rows)
    return tmp_path


def test_the_reading_is_printed_and_in_json(here):
    code, out, _ = joulebird("energy", "smi.csv")
    assert code == 0
    assert "read as: nvidia-smi query: time 'timestamp'" in out
    assert "rows     360 used, 0 dropped, 0 repeated, 0 out of order" in out
    facts = json.loads(joulebird("energy", "smi.csv", "--json")[1])
    assert facts["reading"]["origin"] == "nvidia-smi query"
    assert facts["reading"]["columns"][1] == {"key": "w", "name": "power.draw [W]", "unit": "W"}
    assert facts["reading"]["rows"]["used"] == 360
    assert facts["energies"]["total"]["joules"] == pytest.approx(179 * 30)
    assert facts["scope"] == "gpu"


def test_the_printed_map_of_a_refusal_works(here):
    code, _, errors = joulebird("energy", "lab.csv")
    assert code == 2
    assert "the unit of 'time' is not stated" in errors
    assert "t=time[ms]" in errors
    mapping = 't=time[ms],w="P, board"[mW],w=P2[mW],total=P2'
    code, out, _ = joulebird("energy", "lab.csv", "--map", mapping, "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["energies"]["total"]["joules"] == pytest.approx(0.901 * 9.9, rel=1e-3)
    assert facts["reading"]["map"] == mapping
    both = json.loads(
        joulebird("energy", "lab.csv", "--map", mapping[:-8] + "total=*", "--json")[1]
    )
    assert both["energies"]["total"]["joules"] == pytest.approx(5.903 * 9.9, rel=1e-3)


def test_a_reading_is_kept_and_reused(here):
    mapping = "t=time[ms],w=P2[mW]"
    assert joulebird("energy", "lab.csv", "--map", mapping, "--reading", "lab.json")[0] == 0
    kept = json.loads((here / "lab.json").read_text())
    assert kept["map"] == mapping
    code, out, _ = joulebird("energy", "lab.csv", "--reading", "lab.json")
    assert code == 0
    assert "'P2' [mW]" in out
    assert joulebird("energy", "smi.csv", "--reading", "smi.json")[0] == 0
    assert joulebird("energy", "smi.csv", "--reading", "smi.json")[0] == 0
    refused(2, ["energy", "lab.csv", "--reading", "smi.json"], "lab.csv")
    refused(2, ["energy", "smi.csv", "--reading", "lab.json"], "no column 'time'")
    refused(2, ["energy", "lab.csv", "--reading", "lab.json", "--map", mapping], "give one of them")
    (here / "bad.json").write_text("[]")
    refused(2, ["energy", "lab.csv", "--reading", "bad.json"], "bad.json")


def test_several_logs_in_one_call(here):
    (here / "two.csv").write_text(SMI)
    facts = json.loads(joulebird("energy", "smi.csv", "two.csv", "--json")[1])
    assert [one["log"] for one in facts["logs"]] == ["smi.csv", "two.csv"]
    (here / "void.csv").write_text("t_s,w\n" + "".join(f"{t},1\n" for t in (0, 1, 2, 3, 4, 50)))
    code, out, errors = joulebird("energy", "smi.csv", "void.csv")
    assert code == 6
    assert out.count("read as:") == 2
    assert errors.count("void.csv") == 1


def test_windows_by_the_logs_clock(here):
    words = ["energy", "smi.csv", "--from", "10:20", "--to", "10:20:30", "--json"]
    facts = json.loads(joulebird(*words)[1])
    assert facts["energies"]["total"]["joules"] == pytest.approx(900)
    mapping = "t=time[ms],w=P2[mW]"
    refused(2, ["energy", "lab.csv", "--map", mapping, "--from", "10:20"], "times are no clock")
    refused(2, ["energy", "smi.csv", "--from", "25:20"], "--from")


@pytest.mark.parametrize(
    ("words", "joules"), [(["--interval", "100ms"], 0.4), (["--interval", "2s"], 8)]
)
def test_tegrastats_needs_its_interval(here, words, joules):
    (here / "tegra.txt").write_text("RAM 1/2MB (lfb 1x4MB) VDD_IN 2000/2000\n" * 3)
    refused(2, ["energy", "tegra.txt"], "have no times", "--interval 1s")
    facts = json.loads(joulebird("energy", "tegra.txt", "--json", *words)[1])
    assert facts["energies"]["total"]["joules"] == pytest.approx(joules)
    assert facts["reading"]["interval_s"] == joules / 4


def test_the_cause_of_a_traceback(here):
    (here / "three.csv").write_text("time,power\n0,10,5\n1,10,5\n")
    refused(2, ["energy", "three.csv"], "three.csv", "line 2, 3")


def test_every_known_tool_is_in_the_documentation():
    with open(os.path.join(ROOT, "docs", "formats.md"), encoding="utf-8") as file:
        text = file.read()
    assert tegrastats.__name__ in text
    for origin in ORIGINS:
        assert f"| {origin.name.partition(' (its')[0]} |" in text


@pytest.mark.parametrize("wrong", ['"abc"', "[1]", "-1", "true"])
def test_a_kept_interval_that_is_none_is_refused(here, wrong):
    kept = '{"origin": "csv", "map": "t=1,w=2", "interval_s": %s}'
    (here / "kept.json").write_text(kept % wrong)
    refused(2, ["energy", "lab.csv", "--reading", "kept.json"], "kept.json: an interval of")


def test_a_reading_that_cannot_be_kept_is_one_line(here):
    refused(2, ["energy", "smi.csv", "--reading", "none/kept.json"], "cannot be written")


def test_the_standard_input_is_given_once(here):
    refused(2, ["energy", "-", "smi.csv", "-"], "read once")
