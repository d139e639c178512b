"""`joulebird export`: a power.csv from a raw log or any other, columns of logs and of runs."""

import csv
import io
import json
import sys
import types

import pytest

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.rawlog import RawLog
from joulebird.harness.core.boot import boot_id
from joulebird.harness.verbs.export import target
from joulebird.reports.logs.trace import PowerTrace
from tests.harness.command import joulebird, refused
from tests.reports.write_runs import Folder, small_study

HEAD = """# joulebird-power-log 1
# source {source}
# clock {clock}
# units t_us: microseconds
t_us,DC_IN_mw,status
"""


@pytest.fixture
def recorded(tmp_path):
    """A raw log of ten readings (12 V, 0.5 A, 6 W), and a power.csv that was decoded a thousand
    times too high.
    """
    raw = RawLog(str(tmp_path / "raw.log"), meters.meter("csv-vip"), "/dev/null")
    for k in range(10):
        raw.put(1.0 + k / 10, "<", b"1,12.000,0.500,6.000\r\n")
    raw.close()
    source = {"name": "serial", "sampling": "snapshot", "rails": ["DC_IN"], "total": ["DC_IN"]}
    source.update(scope="dc", real=True)
    clock = {"monotonic_s": 0.0, "wall_s": 1.0, "boot_id": boot_id()}
    rows = "".join(f"{1000000 + 100000 * k:16d},{6000000:9d},{'ok':>12}\n" for k in range(10))
    text = HEAD.format(source=json.dumps(source), clock=json.dumps(clock)) + rows
    (tmp_path / "power.csv").write_text(text)
    return tmp_path


def test_the_readings_are_decoded_again(recorded):
    out = recorded / "fixed.csv"
    assert joulebird("export", recorded / "raw.log", "-o", out) == (0, "", "")
    code, text, _ = joulebird("energy", out, "--json")
    assert code == 0
    assert json.loads(text)["energies"]["total"]["mean_w"] == pytest.approx(6.0, rel=0.05)
    assert out.read_text().startswith("# joulebird-power-log 1\n")
    given = ["export", recorded / "raw.log", "--meter", "csv-vip", "--log", recorded / "power.csv"]
    assert joulebird(*given, "-o", "-") == (0, out.read_text(), "")


def test_an_input_is_never_overwritten(recorded):
    (recorded / "link").symlink_to(recorded / "raw.log")
    before = [(recorded / name).read_bytes() for name in ("raw.log", "power.csv")]
    for name in ("raw.log", "power.csv", "link"):
        refused(2, ["export", recorded / "raw.log", "-o", recorded / name], "would be overwritten")
    assert before == [(recorded / name).read_bytes() for name in ("raw.log", "power.csv")]


def test_mistakes(recorded):
    raw, out = recorded / "raw.log", recorded / "fixed.csv"
    refused(2, ["export", recorded / "none.log", "-o", out], "none.log: no such file")
    refused(2, ["export", raw, "--log", recorded / "x.csv", "-o", out], "x.csv: no such file")
    refused(4, ["export", raw, "--meter", "um25d", "-o", out], "'um25d'", "'um25c'")
    refused(4, ["export", raw, "--meter", "{", "-o", out], "cannot read the description")
    refused(2, ["export", raw, "-o", recorded / "none" / "x.csv"], "there is no folder")
    refused(2, ["export", raw, "--form", "csv", "-o", out], "a raw log becomes a power.csv")
    refused(2, ["export", raw, "--net", "-o", out], "--net is for folders of runs")
    refused(2, ["export", raw, "--map", "t=1", "-o", out], "--map is for power logs")
    refused(2, ["export", raw, raw, "-o", out], "several logs make no one file")
    refused(2, ["export", recorded, "--meter", "um25c", "-o", out], "--meter is for logs")
    refused(2, ["export", raw, "-o", out, "--json"], "as --form csv or parquet")
    assert not out.exists()


TEGRASTATS = "RAM 1/2MB VDD_IN {}/3000 VDD_CPU {}/400\n"


@pytest.fixture
def foreign(tmp_path):
    """A tegrastats log of 60 rows without times."""
    path = tmp_path / "tegrastats.txt"
    path.write_text("".join(TEGRASTATS.format(3000 + k, 400 + k % 7) for k in range(60)))
    return path


def energies(*words):
    code, out, errors = joulebird("energy", *words, "--json")
    assert code == 0, errors
    return {name: one["joules"] for name, one in json.loads(out)["energies"].items()}


def test_a_foreign_log_becomes_one_of_ours(foreign, tmp_path):
    given, out = [foreign, "--interval", "100ms"], tmp_path / "power.csv"
    assert joulebird("export", *given, "-o", out) == (0, "", "")
    assert energies(out) == energies(*given)
    assert joulebird("export", *given, "-o", "-")[1] == out.read_text()
    source = PowerTrace.load(str(out)).source
    assert source["exported"] == {
        "map": "w=VDD_IN[mW],w=VDD_CPU[mW],total=VDD_IN",
        "zone": "counted rows",
    }
    errors = refused(2, ["energy", out, "--from", "10:20"], "its times are no clock")
    assert errors == refused(2, ["energy", *given, "--from", "10:20"]).replace(
        str(foreign), str(out)
    )


def test_a_name_that_is_too_long_is_one_error(foreign, tmp_path):
    given = ["export", foreign, "--interval", "100ms", "-o", tmp_path / ("x" * 300)]
    refused(2, given, "cannot be written (File name too long)")


def test_rounding_to_milliwatts_is_said(tmp_path):
    path, out = tmp_path / "log.csv", tmp_path / "power.csv"
    path.write_text("t_s,power_w\n" + "".join(f"{k},5.0004\n" for k in range(61)))
    note = "joulebird: rounded to milliwatts: power_w: 300 J for 300.024 J\n"
    assert joulebird("export", path, "-o", out) == (0, "", note)


def test_columns_are_read_again_as_the_same_log(foreign, tmp_path):
    given, out = [foreign, "--interval", "100ms"], tmp_path / "readings.csv"
    assert joulebird("export", *given, "--form", "csv", "-o", out) == (0, "", "")
    mapped = energies(out, "--map", "t=t_s,w=VDD_IN_w,w=VDD_CPU_w,total=VDD_IN_w")
    assert list(mapped.values()) == pytest.approx(list(energies(*given).values()))


def test_the_words_of_a_stage_go_into_its_exported_log(tmp_path):
    folder = Folder(
        tmp_path / "runs", source={"name": "simulated", "simulated": True, "real": False}
    )
    warned = [{"name": "foreign_load"}]
    folder.run("snip", 0.5, [folder.stage("s-1", 2, precision="bfp8", warnings=warned)])
    log, out = tmp_path / "runs" / "stages" / "s-1" / "power.csv", tmp_path / "out.csv"
    assert joulebird("export", log, "-o", out)[0] == 0
    words = json.loads(joulebird("energy", out, "--json")[1])["words"]
    assert sorted(words) == ["estimated", "foreign load", "simulated"]
    text = joulebird("export", log, "--form", "csv", "-o", "-")[1]
    assert text.splitlines()[1].endswith(",ok,simulated + estimated + foreign load")
    columns = tmp_path / "columns.csv"
    columns.write_text(text)
    mapped = "t=t_s,w=" + text.split(",")[3]
    again = json.loads(joulebird("energy", columns, "--map", mapped, "--json")[1])
    assert sorted(again["words"]) == sorted(words)


def rows_of(*words):
    code, out, errors = joulebird("export", *words, "-o", "-")
    assert (code, errors) == (0, "")
    return list(csv.DictReader(io.StringIO(out)))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    small_study(folder, ratios=(0.5,))
    return folder


@pytest.mark.parametrize("options", [[], ["--net"], ["--energy", "per-epoch"]])
def test_cells_are_those_of_table_2(runs, options):
    table = json.loads(joulebird("table", "2", runs, "--json", *options)[1])
    shown = {}
    for row in table["rows"]:
        (energy,) = (cell["value"] for name, cell in row.items() if " / FLOPs" in name)
        if energy and "runs" in energy:
            shown[row["Method"]["value"]] = energy["energy_j"]
    rows = rows_of(runs, "--each", "cell", *options)
    assert len(rows) == 5
    for row in rows:
        assert float(row["joules"]) == pytest.approx(shown[row["method"]]), row["method"]
        assert (row["board"], row["scope"], row["prune_ratio"]) == ("tx2-a", "module", "0.5")


def test_a_stage_that_runs_share_is_one_row(runs):
    rows = rows_of(runs, "--each", "stage")
    dense = [row for row in rows if row["name"] == "dense"]
    assert len(dense) == 1
    assert len(dense[0]["runs"].split(" + ")) == 2
    assert float(dense[0]["joules"]) == pytest.approx(160.0)
    epochs = rows_of(runs, "--each", "epoch")
    assert len(epochs) == sum(int(row["epochs"]) for row in rows) == 16 * 7
    of_dense = [float(row["joules"]) for row in epochs if row["stage"] == dense[0]["stage"]]
    assert sum(of_dense) == pytest.approx(160.0)
    net = rows_of(runs, "--each", "epoch", "--net")
    assert float(net[0]["joules"]) == pytest.approx(10.5 - 3.1, abs=0.01)
    refused(
        2, ["export", runs, "--each", "epoch", "--energy", "per-epoch", "-o", "-"], "no energy but"
    )


def test_a_void_stage_has_no_joules_and_its_reason(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 4, hole=(5, 25))])
    (row,) = rows_of(tmp_path, "--each", "stage")
    assert (row["void"], row["joules"], row["mean_w"]) == ("True", "", "")
    assert "50.0 % of 40 s was recorded" in row["reason"]
    assert rows_of(tmp_path, "--each", "epoch")[3]["joules"] == "100.0"
    assert "no idle power" in rows_of(tmp_path, "--each", "stage", "--net")[0]["reason"]


def test_parquet_without_its_package_names_the_remedy(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused(2, ["export", runs, "-o", tmp_path / "a.parquet"], "'pyarrow'", "joulebird[parquet]")
    assert list(tmp_path.iterdir()) == []


def test_parquet_gets_typed_columns_without_gaps_in_the_schema(tmp_path, monkeypatch):
    """A stand-in keeps the schema and the tables that pyarrow's writer would get."""
    kept = {"tables": []}

    class Writer:
        def __init__(self, path, schema):
            kept["schema"] = schema
            open(path, "w").close()

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def write_table(self, table):
            kept["tables"].append(table)

    kinds = {name: (lambda name=name: name) for name in ("string", "bool_", "int64", "float64")}
    arrow = types.SimpleNamespace(
        schema=lambda fields, facts: (dict(fields), facts),
        table=lambda block, schema: block,
        parquet=types.SimpleNamespace(ParquetWriter=Writer),
        **kinds,
    )
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", arrow.parquet)
    path = tmp_path / "log.csv"
    path.write_text("t_s,a_w,b_w\n" + "".join(f"{k},,{k}\n" for k in range(4)))
    given = ["--map", "t=t_s,w=a_w,w=b_w,total=b_w", "-o", tmp_path / "a.parquet"]
    assert joulebird("export", path, *given) == (0, "", "")
    fields, facts = kept["schema"]
    kinds = dict.fromkeys(("t_s", "wall_s", "a_w_w", "b_w_w"), "float64")
    assert fields == {**kinds, **dict.fromkeys(("boot_id", "status", "words"), "string")}
    assert (
        json.loads(facts["joulebird"])["reading"]["map"] == "t=t_s[s],w=a_w[w],w=b_w[w],total=b_w"
    )
    assert kept["tables"][0]["b_w_w"] == [0.0, 1.0, 2.0, 3.0]


def test_parquet_is_read_again(runs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    assert joulebird("export", runs, "--each", "stage", "-o", tmp_path / "a.parquet")[0] == 0
    table = parquet.read_table(tmp_path / "a.parquet")
    rows = rows_of(runs, "--each", "stage")
    assert table.column("joules").to_pylist() == [float(row["joules"]) for row in rows]
    assert table.column("words").to_pylist() == [row["words"] for row in rows]


def half_of(path):
    with target(str(path)) as part, open(part, "w") as file:
        file.write("half")
        raise RuntimeError


def test_an_export_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "a.csv").write_text("before")
    with pytest.raises(RuntimeError):
        half_of(tmp_path / "a.csv")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.csv", "before")]
    (tmp_path / "link").symlink_to(tmp_path / "a.csv")
    with target(str(tmp_path / "link")) as part, open(part, "w") as file:
        file.write("whole")
    assert (tmp_path / "a.csv").read_text() == "whole"
    assert (tmp_path / "link").is_symlink()
