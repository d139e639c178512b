"""Tables 1, 3 and 4, and the figures beside them."""

import importlib
import inspect
import io
import typing
from pathlib import Path

import pytest

import joulebird.reports
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.paper import figure1, figure2, figure3, figure5
from joulebird.reports.tables.draws import table1, table4
from joulebird.reports.tables.table import Table
from joulebird.reports.tables.table2 import table2
from joulebird.reports.tables.table3 import table3
from tests.reports.write_runs import Folder, small_study


@pytest.fixture
def drawn(tmp_path):
    folder = Folder(tmp_path)
    stage = folder.stage("s-1", 1)
    for milestones, gain in (([80, 120], 0.0), ([0, 100], -0.03)):
        for epoch, best in ((10, 0.93), (20, 0.932), (40, 0.931), (160, 0.928)):
            options = {"draw_at": epoch, "restart": True, "x": milestones[0]}
            folder.run(
                "eb-train", 0.5, [stage], best + gain, options=options, milestones=milestones
            )
    return folder


def texts(table):
    return [[cell.text for cell in row] for row in table.lines]


def test_table_1_by_schedule(drawn):
    table = table1([drawn.root])
    assert [column.title for column in table.columns] == [
        "Model",
        "LR schedule",
        "p",
        "10",
        "20",
        "40",
        "final",
    ]
    assert texts(table) == [
        ["VGG16", "[0, 100]", "50%", "90.00", "90.20", "90.10", "89.80"],
        ["VGG16", "[80, 120]", "50%", "93.00", "93.20", "93.10", "92.80"],
    ]
    assert texts(table1([drawn.root], published=True))[3] == [
        "",
        "  published",
        "",
        "93.26",
        "93.34",
        "93.20",
        "92.96",
    ]


def test_table_4_by_initial_rate(drawn):
    drawn.run(
        "eb-train",
        0.5,
        ["s-1"],
        0.94,
        options={"draw_at": 10, "restart": True},
        milestones=[80, 120],
        lr=0.5,
    )
    table = table4([drawn.root])
    assert [row[1] for row in texts(table)] == ["0.1, [0, 100]", "0.1, [80, 120]", "0.5, [80, 120]"]
    assert texts(table)[2][3:] == ["94.00", "–", "–", "–"]
    assert [
        row[3] for row in texts(table4([drawn.root], published=True)) if row[1] == "  published"
    ] == ["93.26", "–"]


def test_runs_of_tables_1_and_4_in_one_folder_are_not_mixed(drawn):
    drawn.run(
        "eb-train",
        0.5,
        ["s-1"],
        0.94,
        options={"draw_at": 10, "restart": True},
        milestones=[80, 120],
        lr=0.5,
    )
    rows = texts(table1([drawn.root], published=True))
    assert [row[1] for row in rows if row[0]] == [
        "[0, 100], lr 0.1",
        "[80, 120], lr 0.1",
        "[80, 120], lr 0.5",
    ]
    assert [row[3] for row in rows if row[0]] == ["90.00", "93.00", "94.00"]
    assert [row[3] for row in rows if row[1] == "  published"] == [
        "92.88",
        "93.26",
    ]  # none for the rate that the table is not of


def test_a_search_may_have_another_schedule_than_the_run(drawn):
    drawn.run(
        "eb-train",
        0.3,
        ["s-1"],
        0.94,
        options={"draw_at": 10, "search_milestones": [], "search_lr": 0.2},
        milestones=[80, 120],
    )
    assert [row[1] for row in texts(table4([drawn.root])) if row[2] == "30%"] == ["0.2, []"]


def test_two_runs_for_one_cell_are_refused(drawn):
    drawn.run(
        "eb-train",
        0.5,
        ["s-1"],
        0.94,
        options={"draw_at": 10, "restart": False},
        milestones=[80, 120],
    )
    with pytest.raises(HarnessError, match="two runs for one cell"):
        table1([drawn.root])


def test_network_slimming_is_the_final_column(tmp_path):
    folder = Folder(tmp_path)
    stage = folder.stage("s-1", 1)
    folder.run("eb-train", 0.5, [stage], 0.93, options={"draw_at": 10}, milestones=[80, 120])
    folder.run("network-slimming", 0.5, [stage], 0.925, milestones=[80, 120])
    folder.run(
        "network-slimming", 0.7, [stage], 0.9, milestones=[80, 120]
    )  # Table 2's, of which no ticket was drawn
    assert [row[3:] for row in texts(table1([tmp_path]))] == [["93.00", "92.50"]]


@pytest.mark.parametrize("table", [table2, table3])
def test_drawn_tickets_are_left_out_of_tables_2_and_3(tmp_path, table):
    folder = small_study(tmp_path, ratios=(0.5,))
    before = texts(table([tmp_path]))
    folder.run("eb-train", 0.5, [folder.stage("drawn-1", 4)], 0.99, options={"draw_at": 10}, lr=0.5)
    after = table([tmp_path])
    assert texts(after) == before
    assert (
        "Not in this table: 1 runs of tickets drawn at given epochs (tables 1 and 4)."
        in after.notes
    )


def test_drawn_tickets_alone_have_their_energies_in_table_2(drawn):
    names = {row[1].partition(";")[0].rstrip(")") for row in texts(table2([drawn.root]))}
    assert names == {f"EB Train (drawn at {epoch}" for epoch in (10, 20, 40, 160)}


def test_table_3(tmp_path):
    folder = Folder(tmp_path, epoch_s=0.5)
    dense = folder.stage("d-1", 10)
    folder.run("dense", 0.0, [dense], 0.70, model="resnet18", dataset="imagenet")
    folder.run(
        "network-slimming",
        0.1,
        [dense, folder.stage("n-1", 10, structure="thin")],
        0.705,
        model="resnet18",
        dataset="imagenet",
    )
    rows = texts(table3([tmp_path]))
    assert rows[0] == ["ResNet18/ImageNet", "Unpruned", "–", "70.00", "–", "900.000"]
    assert rows[1] == ["", "NS", "10%", "70.50", "+0.50", "1350.00"]
    published = texts(table3([tmp_path], published=True))
    assert published[1] == ["", "  published", "", "69.57", "–", "1259.13"]
    assert published[3][3:] == ["69.65", "+0.08", "2424.86"]


def svg(draw, paths):
    out = io.BytesIO()
    draw(paths, out, form=".svg")
    again = io.BytesIO()
    draw(paths, again, form=".svg")
    assert out.getvalue() == again.getvalue()
    return out.getvalue().decode()


def test_figures_1_and_2(drawn):
    alone = svg(figure1, [drawn.root])
    assert "VGG16/CIFAR-10 p=50% [80-120], lr 0.1" in alone
    assert "dense" not in alone
    drawn.run("dense", 0.0, ["s-1"], 0.935, milestones=[80, 120], lr=0.5)
    assert svg(figure1, [drawn.root]) == alone  # of another rate
    drawn.run("dense", 0.0, ["s-1"], 0.935, milestones=[80, 120])
    assert "VGG16/CIFAR-10 dense" in svg(figure1, [drawn.root])
    with pytest.raises(HarnessError, match="low precision"):
        svg(figure2, [drawn.root])
    drawn.run(
        "eb-train",
        0.5,
        ["s-1"],
        0.94,
        options={"draw_at": 10, "search_precision": "wage8"},
        milestones=[80, 120],
    )
    assert "8-bit search" in svg(figure2, [drawn.root])


def test_figure_3_draws_recorded_distances(tmp_path):
    folder = Folder(tmp_path)
    stage_id = folder.stage("search-1", 5)
    folder.run("eb-train", 0.5, [stage_id], options={"epsilon": 0.07})
    with pytest.raises(HarnessError, match="no mask distances"):
        svg(figure3, [tmp_path])
    from joulebird.harness.core import records as record

    path = Path(record.stage_dir(folder.root, stage_id), record.EVENTS)
    lines = path.read_text().splitlines()
    lines[3:3] = [
        '{"event": "metric", "t_s": 105, "mask_distance": 0.3}',
        '{"event": "metric", "t_s": 106, "mask_distance": 0.05}',
    ]
    path.write_text("\n".join(lines) + "\n")
    text = svg(figure3, [tmp_path])
    assert "epsilon 0.07" in text
    assert "vgg16/cifar10 p=50% s1" in text


def test_figure_5_names_methods_and_words(tmp_path):
    small_study(tmp_path, source={"name": "simulated", "simulated": True, "real": False})
    text = svg(figure5, [tmp_path])
    assert "[simulated]" in text
    assert "energy (J, simulated)" in text
    figure5([tmp_path], str(tmp_path / "net.svg"), net=True, rail="VDD_IN")
    assert "net energy of VDD_IN (J, simulated)" in (tmp_path / "net.svg").read_text()
    for method in ("SNIP", "EB Train", "ThiNet"):
        assert f"<!-- {method} -->" in text


@pytest.mark.parametrize("table", [table1, table4])
def test_without_drawn_tickets_there_is_no_table(tmp_path, table):
    small_study(tmp_path, ratios=(0.5,))
    with pytest.raises(HarnessError, match="drawn at a given epoch") as caught:
        table([tmp_path])
    assert "draw_at" in caught.value.hint


@pytest.mark.parametrize(("name", "path"), joulebird.reports.REPORTS.items())
def test_every_registered_report_keeps_the_contract_of_its_name(name, path):
    """A figure is `function(paths, output)`; all else is `function(paths, **options) -> Table`."""
    module, _, attribute = path.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    assert function.__doc__
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == "paths"
    if name.startswith("figure-"):
        assert others.pop(0).name == "output"
    else:
        assert typing.get_type_hints(function)["return"] is Table
    assert all(option.default is not option.empty for option in others)
