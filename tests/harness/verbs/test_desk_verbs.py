"""The desk's verbs on a study that really ran: table, figure, energy, plan, and their mistakes."""

import json
import subprocess
import sys

import pytest

from joulebird.harness.core import records as record
from tests.harness.command import joulebird, refused

pytestmark = pytest.mark.slow

STUDY = """
[study]
methods = ["lottery-ticket", "snip"]
models = ["vgg16"]
datasets = ["digits"]
prune_ratios = [0.5]
width = 0.0625

[schedule]
epochs = 2
batch = 256
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of two finished runs, recorded from the simulated board."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.toml").write_text(STUDY)
    code, out, errors = joulebird(
        "run",
        folder / "tiny.toml",
        "--runs",
        folder / "runs",
        "--source",
        "simulated",
        "--idle",
        "0.3",
        "--json",
    )
    assert code == 0, errors
    assert len(json.loads(out)["runs"]) == 2
    assert "2 of 2 runs to do" in errors
    assert "about" in errors
    return folder / "runs"


def stage_of(runs, function):
    for one in record.find_runs(str(runs)):
        for stage_id in one.stages:
            stage = record.read_stage(str(runs), stage_id)
            if stage.function.endswith(":" + function):
                return stage
    raise AssertionError(function)


def test_shared_stages_are_recorded_once_and_every_log_is_there(runs):
    for folder in (runs / "stages").iterdir():
        assert (folder / "stage.json").exists()
        assert (folder / "power.csv").stat().st_size > 0
    stage = stage_of(runs, "train")
    assert stage.source["name"] == "simulated"
    assert stage.source["log"]["rows"] >= 2
    assert stage.work["epochs"] == 2
    assert stage.work["images_per_epoch"] + 355 == 1797


@pytest.mark.parametrize(
    ("form", "starts"),
    [
        ("text", "Table 2"),
        ("md", "**Table 2"),
        ("tex", "\\begin{table}"),
        ("csv", "Setting,"),
        ("html", "<table>"),
        ("json", "{"),
    ],
)
def test_table_2_in_every_form_says_simulated(runs, form, starts):
    code, out, errors = joulebird("table", "2", runs, "--form", form)
    assert code == 0
    assert errors == ""
    assert out.startswith(starts)
    assert "simulated" in out


def test_table_2_has_energy_and_flops_in_every_cell(runs, tmp_path):
    assert joulebird("table", "2", runs, "--json", "-o", tmp_path / "t.json")[:2] == (0, "")
    table = json.loads((tmp_path / "t.json").read_text())
    cells = [
        value["value"]
        for row in table["rows"]
        for name, value in row.items()
        if name.startswith("Energy")
    ]
    found = [cell for cell in cells if isinstance(cell, dict) and "flops" in cell]
    assert len(found) == 2
    assert all(cell["flops"] > 0 for cell in found)


@pytest.mark.parametrize("name", ["power.png", "power.svg"])
def test_the_figure_of_power(runs, tmp_path, name):
    assert joulebird("figure", "power", runs, "-o", tmp_path / name) == (0, "", "")
    assert (tmp_path / name).stat().st_size > 5000


def test_the_demo_on_a_study_that_is_done_prints_the_table_and_writes_the_files(runs):
    code, out, errors = joulebird("demo", "--study", runs.parent / "tiny.toml", "--runs", runs)
    assert code == 0
    assert out.startswith("Table 2")
    assert "simulated" in out
    assert "epoch" not in errors
    for name in ("table2.md", "table2.json", "power.png", "power.svg"):
        assert (runs / name).stat().st_size > 500
        assert name in errors
    assert out == joulebird("table", "2", runs)[1]


def test_energy_of_a_log_by_window_and_by_events(runs):
    folder = runs / "stages" / stage_of(runs, "train").id
    code, out, errors = joulebird(
        "energy", folder / "power.csv", "--events", folder / "events.jsonl", "--json"
    )
    assert code == 0
    assert errors == ""
    whole = json.loads(out)
    total = whole["energies"]["total"]
    assert whole["words"] == ["simulated"]
    assert total["joules"] > 0
    assert total["coverage"] > 0.95
    assert total["seconds"] == pytest.approx(
        record.read_stage(str(runs), folder.name).seconds, abs=1e-4
    )
    code, out, _ = joulebird("energy", folder / "power.csv", "--from", "0.1", "--to", "0.4")
    assert code == 0
    assert "window   0.3 s" in out
    assert "simulated" in out
    code, out, _ = joulebird("energy", folder / "power.csv", "--rail", "VDD_IN", "--json")
    assert list(json.loads(out)["energies"]) == ["VDD_IN"]


def test_a_plan_of_a_finished_study_has_nothing_ahead(runs):
    code, out, errors = joulebird("plan", runs.parent / "tiny.toml", "--runs", runs, "--json")
    plan = json.loads(out)
    assert code == 0
    assert errors == ""
    assert all(run["done"] for run in plan["runs"].values())
    assert plan["ahead"] == {
        "seconds": [0.0, 0.0],
        "joules": [0.0, 0.0],
        "flops": [0.0, 0.0],
        "words": [],
    }
    assert joulebird("plan", runs.parent / "tiny.toml", "--runs", runs, "--ids")[1].strip() == ""


def test_a_plan_learns_from_what_ran_and_says_unknown_otherwise(runs, tmp_path):
    study = tmp_path / "more.toml"
    study.write_text(STUDY.replace("[0.5]", "[0.5, 0.7]"))
    plan = json.loads(joulebird("plan", study, "--runs", runs, "--json")[1])
    ahead = [stage for stage in plan["stages"].values() if not stage["done"]]
    assert ahead
    assert plan["ahead"]["joules"][1] > 0
    assert plan["ahead"]["flops"][1] > 0
    assert plan["ahead"]["words"] == ["simulated"]
    assert " J (simulated)" in joulebird("plan", study, "--runs", runs)[1]
    assert [stage for stage in plan["stages"].values() if stage["done"] and len(stage["runs"]) == 2]
    study.write_text(STUDY.replace("0.0625", "0.125"))
    code, out, _ = joulebird("plan", study, "--runs", tmp_path / "none")
    assert code == 0
    assert "energy   unknown" in out
    assert "time     unknown" in out
    assert len(joulebird("plan", study, "--runs", tmp_path / "none", "--ids")[1].split()) == 2


def test_full_precision_teaches_a_plan_nothing_of_8_bits(runs, tmp_path):
    seconds, study = {}, tmp_path / "search.toml"
    for precision in ("fp32", "bfp8"):
        study.write_text(
            STUDY.replace('methods = ["lottery-ticket", "snip"]\n', "")
            + f'[[variant]]\nmethod = "eb-train"\noptions = {{search_precision = "{precision}"}}\n'
        )
        stages = json.loads(joulebird("plan", study, "--runs", runs, "--json")[1])[
            "stages"
        ].values()
        [seconds[precision]] = [stage["seconds"] for stage in stages if stage["name"] == "search"]
    assert seconds["fp32"][1] > 0
    assert seconds["bfp8"][1] is None


def test_flops_of_a_stage_are_those_that_were_counted_while_training(runs):
    stage = stage_of(runs, "train")
    code, out, _ = joulebird(
        "flops",
        "--model",
        "vgg16",
        "--dataset",
        "digits",
        "--channels",
        runs / "stages" / stage.id / "stage.json",
        "--epochs",
        "2",
        "--json",
    )
    facts = json.loads(out)
    assert code == 0
    assert facts["macs"] == stage.work["macs"]
    assert facts["counter_flops"] == stage.work["forward_flops"]
    assert facts["counter_training_flops"] == 3 * stage.work["forward_flops"] * 1442 * 2


def test_one_run_of_a_study_can_be_named(runs):
    study = runs.parent / "tiny.toml"
    names = json.loads(joulebird("run", study, "--runs", runs, "-n", "--json")[1])["done"]
    code, out, _ = joulebird("run", study, "--runs", runs, "--only", names[1], "-n", "--json")
    assert code == 0
    assert json.loads(out) == {"format": 1, "done": [names[1]], "ahead": []}
    refused(2, ["run", study, "--only", names[1][:-1] + "x"], "no run", "did you mean")


@pytest.mark.parametrize(
    ("code", "words", "parts"),
    [
        (2, ["table", "7", "."], ["unknown table '7'", "known: 1, 2, 3, 4"]),
        (2, ["table", "2"], ["name a folder of runs"]),
        (2, ["table", "2", "nowhere"], ["nowhere", "no such folder"]),
        (2, ["table", "2", "."], ["no finished run"]),
        (2, ["table", "2", ".", "--form", "xls"], ["--form", "xls"]),
        (
            2,
            ["figure", "powder", ".", "-o", "x.png"],
            ["unknown figure 'powder'", "did you mean 'power'"],
        ),
        (2, ["figure", "power", ".", "-o", "nowhere/x.png"], ["no folder nowhere"]),
        (2, ["figure", "power", "."], ["-o"]),
        (2, ["energy", "nowhere.csv"], ["nowhere.csv", "cannot be read"]),
        (2, ["energy", "empty.csv"], ["empty.csv", "empty"]),
        (2, ["energy", "letter.csv"], ["letter.csv"]),
        (2, ["energy", "log.csv", "--from", "3", "--to", "1"], ["ends", "before it begins"]),
        (2, ["energy", "log.csv", "--rail", "VDD"], ["no rail named VDD"]),
        (2, ["energy", "log.csv", "--rail", ""], ["no rail named"]),
        (2, ["energy", "log.csv", "--events", ""], ["no such file"]),
        (2, ["energy", "log.csv", "--events", "e.jsonl", "--from", "1"], ["give one of them"]),
        (2, ["energy", "log.csv", "--from", "soon"], ["--from", "soon"]),
        (
            2,
            ["energy", "log.csv", "--events", "nowhere.jsonl"],
            ["nowhere.jsonl: no such file", "stands beside"],
        ),
        (2, ["energy", "log.csv", "--events", "empty.csv"], ["empty.csv: no stage marks in it"]),
        (2, ["energy", "log.csv", "--events", "letter.csv"], ["letter.csv line 1: not an event"]),
        (2, ["energy", "bytes.csv"], ["bytes.csv line 2", "no CSV", "unpack"]),
        (2, ["table", "2", ""], ["without a name"]),
        (2, ["plan", "tabel2"], ["no such study", "did you mean 'table2'"]),
        (2, ["plan", "."], ["is a folder"]),
        (2, ["demo", "--sourse", "x"], ["--sourse"]),
        (
            4,
            ["demo", "--source", "inna3221", "--runs", "r"],
            ["unknown source", "did you mean 'ina3221'"],
        ),
    ],
)
def test_mistakes(tmp_path, monkeypatch, code, words, parts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "letter.csv").write_text("Dear Sir,\nthe power was high.\n")
    (tmp_path / "log.csv").write_text(
        "t_s,power_w\n" + "".join(f"{i / 10},{5 + i % 3}\n" for i in range(100))
    )
    refused(code, words, *parts)


def test_a_log_with_a_hole_has_no_energy_and_says_why(tmp_path):
    rows = [f"{i / 10},{5 + i % 3}\n" for i in range(100) if not 20 < i < 60]
    (tmp_path / "log.csv").write_text("t_s,power_w\n" + "".join(rows))
    code, out, errors = joulebird("energy", tmp_path / "log.csv")
    assert code == 6
    assert "void" in out
    assert "Traceback" not in errors
    assert len(errors.splitlines()) == 2
    assert "longest gap 4" in errors
    assert "--from" in errors
    assert joulebird("energy", tmp_path / "log.csv", "--from", "6", "--to", "9")[0] == 0


def test_a_log_turned_round_has_no_energy_and_says_what_to_do(tmp_path):
    (tmp_path / "log.csv").write_text(
        "t_s,power_w\n" + "".join(f"{i / 10},{5 + i % 3}\n" for i in reversed(range(100)))
    )
    code, out, errors = joulebird("energy", tmp_path / "log.csv")
    assert code == 6
    assert "void" in out
    assert "the times of the log go back" in errors
    assert "sort the rows" in errors


def test_a_log_cut_off_anywhere_is_read_up_to_there(runs, tmp_path):
    data = (runs / "stages" / stage_of(runs, "train").id / "power.csv").read_bytes()
    for cut in (len(data) - 1, len(data) - 30, len(data) // 2 + 7):
        (tmp_path / "power.csv").write_bytes(data[:cut])
        code, out, errors = joulebird("energy", tmp_path / "power.csv")
        assert code in (0, 6)
        assert "Traceback" not in errors
        assert "rows, simulated" in out


def test_the_verbs_of_the_desk_import_no_torch(runs):
    for words in (
        ["table", "2", str(runs)],
        ["energy", str(next((runs / "stages").glob("*/power.csv")))],
    ):
        script = (
            f"import sys; from joulebird.harness.cli.main import main; main({words!r}); "
            "sys.exit('torch' in sys.modules)"
        )
        assert (
            subprocess.run(
                [sys.executable, "-c", script], stdout=subprocess.PIPE, check=False
            ).returncode
            == 0
        )


def test_check_says_of_every_rule_what_it_found(runs):
    code, out, errors = joulebird("check", runs, "--json")
    found = json.loads(out)
    assert errors == ""
    assert code == (6 if found["worst"] == "fail" else 0)
    assert {finding["rule"] for finding in found["findings"]} == {
        f"R{number}" for number in range(1, 17)
    }
    assert joulebird("check", runs, "--strict")[0] == (6 if found["worst"] != "pass" else 0)


def test_compare_a_study_with_itself_finds_no_difference(runs):
    code, out, errors = joulebird("compare", runs, runs, "--fail-over", "5%")
    assert (code, errors) == (0, "")
    assert "not significant" in out
    assert "simulated" in out
    refused(2, ["compare", runs, runs, "--fail-over", "lots"], "--fail-over", "lots")


def test_the_report_is_one_page_without_anything_from_elsewhere(runs, tmp_path):
    assert joulebird("report", runs, "-o", tmp_path / "r.html") == (0, "", "")
    page = (tmp_path / "r.html").read_text()
    assert "simulated" in page
    assert "Table 2" in page
    assert "http-equiv" not in page
    assert "<script" not in page
    refused(2, ["report", runs, "-o", tmp_path / "none" / "r.html"], "cannot be written")
