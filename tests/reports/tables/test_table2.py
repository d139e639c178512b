"""Table 2 from folders of runs: rows, numbers, words and notes."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.tables.table2 import table2
from tests.harness.command import joulebird, refused
from tests.reports.write_runs import Folder, small_study

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    small_study(root)
    return root


def row_of(table, method):
    return next(row for row in table.lines if row[1].data == method)


@pytest.mark.parametrize("form", ["text", "md", "tex", "csv", "html", "json"])
def test_golden(study, form):
    """Renew them by RENEW_GOLDEN=1 pytest tests/reports/tables/test_table2.py; read the diff."""
    path = GOLDEN / f"table2.{form}"
    text = table2([study]).render(form)
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_same_logs_give_the_same_bytes(study):
    assert table2([study]).render("json") == table2([study]).render("json")


def test_rows_stand_in_the_papers_order(study):
    table = table2([study])
    assert [row[1].text for row in table.lines] == [
        "LT (one-shot)",
        "SNIP",
        "NS",
        "ThiNet",
        "EB Train",
        "EB Train Improv.",
    ]
    assert [column.title for column in table.columns][2:] == ["p=30%", "p=50%", "p=30%", "p=50%"]
    assert table.lines[0][0].text == "VGG16/CIFAR-10"
    assert table.lines[1][0].text == ""


def test_numbers(study):
    table = table2([study])
    data = row_of(table, "EB Train")[4].data
    assert data["energy_j"] == pytest.approx(139.0)
    assert data["flops"] == 3 * 50_000 * (4 * 600e6 + 12 * 300e6)
    assert row_of(table, "EB Train")[2].data["percent"] == pytest.approx(93.0)
    improvement = row_of(table, "EB Train Improv.")
    assert improvement[2].text == "+0.50 (SNIP)"
    assert improvement[4].text == "1.2× (SNIP) / 1.6× (SNIP)"
    assert improvement[4].data["energy_ratio"] == pytest.approx(165 / 139)
    assert 0 < improvement[4].data["u_energy_ratio"] < 0.01


def test_the_strongest_baseline_is_chosen_for_each_number(tmp_path):
    folder = small_study(tmp_path, ratios=(0.5,))
    folder.run("snip", 0.5, [folder.stage("costly-1", 16, 20.0)], 0.95, seed=1)
    row = row_of(table2([tmp_path]), "EB Train Improv.")
    assert row[2].text == "-2.00 (SNIP)"
    assert row[3].text.startswith("2.1× (ThiNet) / 1.6× (SNIP)")


def test_accuracy_rule_and_ways_to_count(study):
    assert row_of(table2([study], accuracy="last"), "SNIP")[2].text == "92.00"
    net = table2([study], net=True)
    assert row_of(net, "SNIP")[4].data["energy_j"] == pytest.approx(165 - 3.1 * 17, rel=1e-3)
    assert "Net energy (J)" in net.columns[-1].group
    assert "net of it" in net.render()
    each = table2([study], energy="per-epoch")
    assert "Energy is per-epoch" in each.render()
    assert "Energy is measured" in table2([study]).render()
    mean = (16 * 10.0 * 5 + 16 * 10.5 * 2 + 4 * 10.5 * 2) / (16 * 7 + 8)
    assert row_of(each, "LT (one-shot)")[4].data["energy_j"] == pytest.approx(
        32 * mean + 0.2 * 10, rel=1e-6
    )
    for wrong in ({"accuracy": "mean"}, {"energy": "guessed"}, {"flops": "none"}):
        with pytest.raises(HarnessError) as caught:
            table2([study], **wrong)
        assert caught.value.hint


def test_flops_as_the_paper_rounds_them(tmp_path):
    folder = Folder(tmp_path, epoch_s=0.2)
    folder.run("snip", 0.5, [folder.stage("s-1", 160)])
    paper, exact = (
        row_of(table2([tmp_path], flops=flops), "SNIP")[3].text for flops in ("paper", "exact")
    )
    assert paper.endswith("/ 288")
    assert exact.endswith("/ 288")
    folder = Folder(tmp_path / "digits")
    folder.run("snip", 0.5, [folder.stage("s-1", 2, images=1437)], dataset="digits")
    with pytest.raises(HarnessError, match="50 000 images"):
        table2([tmp_path / "digits"], flops="paper")
    assert "FLOPs (TFLOP)" in table2([tmp_path / "digits"]).columns[-1].group


def test_simulated_stands_in_title_heading_and_notes(tmp_path):
    small_study(
        tmp_path, ratios=(0.5,), source={"name": "simulated", "simulated": True, "real": False}
    )
    table = table2([tmp_path])
    assert "[simulated]" in table.title
    assert "simulated" in table.columns[-1].group
    assert any(note.startswith("Simulated:") for note in table.notes)
    for form in ("text", "md", "tex", "csv", "html", "json"):
        assert "simulated" in table.render(form)
    assert json.loads(table.render("json"))["words"] == ["simulated"]


def test_low_precision_rows_are_estimated_and_named(tmp_path):
    folder = Folder(tmp_path)
    search, retrain = (
        folder.stage("search-1", 2, precision="bfp8"),
        folder.stage("retrain-1", 3, precision="bfp8"),
    )
    full = folder.stage("full-1", 3)
    folder.run(
        "eb-train",
        0.5,
        [search, retrain],
        options={"search_precision": "bfp8", "retrain_precision": "bfp8"},
    )
    folder.run(
        "eb-train",
        0.5,
        [search, full],
        options={"search_precision": "bfp8", "retrain_precision": "fp32"},
    )
    table = table2([tmp_path])
    assert [row[1].text for row in table.lines] == [
        "EB Train (LF), estimated",
        "EB Train (LL), estimated",
    ]
    assert any(note.startswith("Estimated:") for note in table.notes)


def test_both_ways_to_count_a_tickets_epochs_are_told_where_there_is_a_ticket(study, tmp_path):
    folder = Folder(tmp_path)
    for seed, epochs in ((1, 12), (2, 9)):
        folder.run(
            "eb-train",
            0.5,
            [folder.stage(f"s-{seed}", 2)],
            seed=seed,
            metrics={
                "search": {"epochs_trained": epochs, "paper_n": epochs + 1, "mask_distance": 0.05}
            },
        )
    folder.run("snip", 0.5, [folder.stage("snip-1", 2)])
    table = table2([tmp_path])
    assert [
        (run["search_epochs"], run["paper_n"]) for run in row_of(table, "EB Train")[3].data["runs"]
    ] == [(12, 13), (9, 10)]
    assert "paper_n" not in row_of(table, "SNIP")[3].data["runs"][0]
    assert '"paper_n": 13' in table.render("json")
    (note,) = [note for note in table.notes if note.startswith("Tickets:")]
    assert (
        note == "Tickets: epochs trained in the search (in brackets the paper's N): "
        "VGG16/CIFAR-10 EB Train p=50% 12, 9 (13, 10)."
    )
    assert not any(note.startswith("Tickets:") for note in table2([study]).notes)


def test_a_hole_is_void_with_its_reason_and_no_number(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 10, hole=(20, 40))])
    folder.run("eb-train", 0.5, [folder.stage("e-1", 5)])
    table = table2([tmp_path])
    assert row_of(table, "SNIP")[3].text == "void / 18.0"
    assert row_of(table, "SNIP")[3].data["energy_j"] is None
    assert any(
        note.startswith("Void: SNIP p=50%: only 79.9 %")
        or note.startswith("Void: SNIP p=50%: only 80.0 %")
        for note in table.notes
    )
    assert row_of(table, "EB Train Improv.")[3].text == "void / 2.0× (SNIP)"


def test_seeds_give_mean_and_spread(tmp_path):
    small_study(tmp_path, ratios=(0.5,), seeds=(1, 2, 3))
    table = table2([tmp_path])
    lt = row_of(table, "LT (one-shot)")
    assert lt[2].text == "92.20±0.10"
    assert lt[3].text == "322.0±0 / 57.6"
    assert len(lt[3].data["runs"]) == 3
    assert "3 seeds" in table.render()


def test_a_dense_network_is_the_same_at_every_ratio(tmp_path):
    folder = small_study(tmp_path)
    folder.run("dense", 0.0, ["dense-1"], 0.94)
    first = table2([tmp_path]).lines[0]
    assert first[1].text == "Dense"
    assert [cell.text for cell in first[2:]] == [
        "94.00",
        "94.00",
        "160.0 / 28.8",
        "160.0 / 28.8",
    ]


def test_settings_are_blocks_and_options_set_rows_apart(tmp_path):
    folder = Folder(tmp_path)
    stage = folder.stage("s-1", 2)
    folder.run("eb-train", 0.5, [stage], options={"epsilon": 0.1})
    folder.run("eb-train", 0.5, [stage], options={"epsilon": 0.05})
    folder.run("snip", 0.7, [stage], dataset="cifar100")
    table = table2([tmp_path])
    assert {row[0].data for row in table.lines} == {
        "VGG16/CIFAR-10",
        "VGG16/CIFAR-100",
    }
    assert None in table.rows
    assert [row[1].text for row in table.lines if row[0].data == "VGG16/CIFAR-10"] == [
        "EB Train (epsilon=0.05)",
        "EB Train (epsilon=0.1)",
    ]
    assert "–" in [cell.text for cell in table.lines[0]]


def test_two_runs_for_one_cell_are_refused(tmp_path):
    one, two = Folder(tmp_path / "a"), Folder(tmp_path / "b")
    one.run("snip", 0.5, [one.stage("s-1", 2)])
    two.run("snip", 0.5, [two.stage("s-1", 2)])
    with pytest.raises(HarnessError, match="two runs for one cell"):
        table2([tmp_path / "a", tmp_path / "b"])


def test_published_cells_stand_below_ours_in_the_papers_units(study):
    table = table2([study], published=True)
    rows = [row for row in table.lines if row[1].text.strip() == "published"]
    assert len(rows) == 5
    thinet = rows[3]
    assert thinet[2].text == "92.82"
    assert thinet[4].text == "298.0† / 451"
    assert table.columns[-1].group == "Energy (kJ) / FLOPs (x0.05P)"
    assert any("298.0" in note and "one dense training" in note for note in table.notes)


def test_the_papers_own_improvement_row_is_shown_and_doubted(tmp_path):
    small_study(tmp_path, ratios=(0.3, 0.5))
    table = table2([tmp_path], published=True)
    row = row_of(table, "EB Train Improv., published")
    assert [cell.text for cell in row[2:]] == ["0.19", "0.01", "6.6×† / 1.2×", "8.6×† / 1.4×"]
    assert any(
        "6.6x: the strongest baseline is ThiNet" in note and "probably 5.3x" in note
        for note in table.notes
    )


def test_one_board_of_several_can_be_chosen(tmp_path):
    one, two = Folder(tmp_path / "a"), Folder(tmp_path / "b", environment={"host": "tx2-b"})
    one.run("snip", 0.5, [one.stage("s-1", 2)])
    two.run("thinet", 0.5, [two.stage("t-1", 2)])
    both = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(HarnessError, match="different boards") as caught:
        table2(both)
    assert caught.value.hint.endswith("--board tx2-a or --board tx2-b")
    code, out, _ = joulebird("table", "2", *both, "--board", "tx2-b")
    assert code == 0
    assert "ThiNet" in out
    assert "SNIP" not in out.partition("\n\nEnergy")[0]
    assert "tx2-a, tx2-b" in refused(2, ["table", "2", *both, "--board", "tx2-c"], "tx2-c")


def test_warnings_repeats_and_missing_idle_are_told(tmp_path):
    folder = Folder(tmp_path)
    warning = {
        "name": "throttled",
        "text": "the board throttled while this was measured",
        "remedy": "cool it",
    }
    folder.run("snip", 0.5, [folder.stage("s-1", 2, warnings=[warning])])
    text = table2([tmp_path]).render()
    assert (
        "Warning (1 stage): the board throttled while this was measured; remedy: cool it." in text
    )
    assert "Idle power was not recorded" in text
    assert "Sensor accuracy not stated, and not in it." in text


def test_runs_without_any_power_have_void_energies(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 2, logged=False)])
    table = table2([tmp_path])
    assert row_of(table, "SNIP")[3].text == "void / 3.60"
    assert "no power was recorded" in table.render()


def test_importing_the_table_is_light():
    code = (
        "import sys, joulebird.reports.tables.table2, joulebird.reports.tables.recount; "
        "heavy = {'pandas', 'matplotlib', 'torch'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_power_log_that_cannot_be_read_is_an_error_with_a_remedy(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("s-1", 2)])
    path = pathlib.Path(record.stage_dir(folder.root, "s-1"), record.POWER)
    text = path.read_text()
    path.write_text(text.replace("joulebird-power-log 1", "joulebird-power-log 9"))
    with pytest.raises(HarnessError, match="format 9") as caught:
        table2([tmp_path])
    assert caught.value.hint == "update joulebird"
