"""The included studies: each has the runs of its table, every published cell is covered, and
stages are shared.
"""

from types import SimpleNamespace

import pytest

from joulebird.harness.host.studies import study
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.run import planned
from joulebird.reports.runs.draws import drawn
from joulebird.reports.runs.labels import method_label
from joulebird.reports.runs.names import DATASETS, METHODS, MODELS
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.draws import TABLE1, TABLE4
from tests.harness.command import joulebird


def runs_of(name, seed=1):
    """The runs of one seed, as reports see finished ones."""
    specs = [spec.to_dict() for spec in study.load(name) if spec.seed == seed]
    finished = {"record": SimpleNamespace(accuracy={"best": 0.9}), "precisions": {}}
    return [
        SimpleNamespace(id=str(spec), spec=spec, options=spec["options"], **finished)
        for spec in specs
    ]


def cells_of(name):
    """(setting, method, ratio) of the runs of one seed, each once."""
    found = [
        (
            f"{MODELS[run.spec['model']]}/{DATASETS[run.spec['dataset']]}",
            method_label(run.spec["method"], run.options),
            run.spec["prune_ratio"],
        )
        for run in runs_of(name)
    ]
    assert len(found) == len(set(found))
    return found


@pytest.mark.parametrize(
    ("name", "runs", "seeds"),
    [
        ("table1", 96, 3),
        ("table2", 288, 3),
        ("table3", 13, 1),
        ("table4", 96, 3),
        ("figure1", 228, 3),
        ("figure2", 114, 3),
        ("early-winning", 60, 3),
    ],
)
def test_the_number_of_runs(name, runs, seeds):
    specs = study.load(name)
    assert len(specs) == len({spec.id for spec in specs}) == runs
    assert sorted({spec.seed for spec in specs}) == list(range(1, seeds + 1))


def test_table_2_has_every_published_cell_and_no_other_in_the_papers_order():
    cells = cells_of("table2")
    assert set(cells) == set(published_data.table2())
    paper = [
        row["method"]
        for row in published_data.rows("published_table2")
        if row["pruning_ratio"] == "0.3"
    ]
    assert [
        method for setting, method, ratio in cells if (setting, ratio) == ("VGG16/CIFAR-10", 0.3)
    ] == paper[:8]


@pytest.mark.parametrize(
    ("name", "kind", "column"),
    [("table1", TABLE1, "lr_schedule"), ("table4", TABLE4, "lr_initial")],
)
def test_tables_1_and_4_have_every_published_cell_and_no_other(name, kind, column):
    found = drawn(runs_of(name))
    assert {kind.rest(draw) for draw in found if kind.name(draw) != "[0, 100]"} == {
        kind.published_rest
    }
    ours = {
        (draw.model, kind.name(draw), draw.dataset, str(draw.epoch), draw.ratio) for draw in found
    }
    rows = published_data.rows(f"published_{name}")
    assert column in rows[0]
    assert len(ours) == len(rows) == 32
    assert ours == {
        (
            row["model"],
            kind.published_name(row),
            row["dataset"],
            row["draw_epoch"],
            float(row["pruning_ratio"]),
        )
        for row in rows
    }


def test_every_ticket_is_retrained_as_the_paper_says():
    for name in ("table1", "table4"):
        assert {
            (tuple(run.spec["milestones"]), run.options["restart"], run.options["weights"])
            for run in runs_of(name)
        } == {((80, 120), True, "inherit")}
    assert {(run.spec["model"], run.spec["lr"]) for run in runs_of("table4")} == {
        ("vgg16", 0.1),
        ("vgg16", 0.5),
        ("preresnet101", 0.1),
        ("preresnet101", 0.2),
    }


def test_tables_1_and_4_and_figure_1_share_their_common_runs():
    ids = {name: {spec.id for spec in study.load(name)} for name in ("table1", "table4", "figure1")}
    assert len(ids["table1"] & ids["table4"]) == 48
    assert ids["table1"] & ids["table4"] < ids["figure1"]


def test_table_3_has_every_published_row_and_the_papers_schedule():
    names = dict(METHODS, dense="Unpruned")
    ours = {
        (MODELS[run.spec["model"]], names[run.spec["method"]], run.spec["prune_ratio"])
        for run in runs_of("table3")
    }
    rows = published_data.rows("published_table3")
    assert ours == {(row["model"], row["method"], float(row["pruning_ratio"] or 0)) for row in rows}
    assert len(ours) == 13
    assert {
        (run.spec["epochs"], tuple(run.spec["milestones"]), run.spec["batch"], run.spec["lr"])
        for run in runs_of("table3")
    } == {(90, (30, 60), 256, 0.1)}


def test_figures_1_and_2_differ_in_the_precision_of_the_search():
    one, two = drawn(runs_of("figure1")), drawn(runs_of("figure2"))
    assert {draw.precision for draw in one} == {"fp32"}
    assert {draw.precision for draw in two} == {"wage8"}
    assert {draw._replace(precision="fp32") for draw in two} == {
        draw for draw in one if draw.model == "VGG16"
    }
    assert {draw.epoch for draw in one} > {10, 20, 40, "final"}
    assert {draw.ratio for draw in one} == {0.3, 0.5, 0.7}


def test_the_variants_of_table_2_share_their_stages(tmp_path):
    stages = {}
    for spec in study.load("table2"):
        if (spec.model, spec.dataset, spec.seed, spec.prune_ratio) == ("vgg16", "cifar10", 1, 0.5):
            stages[method_label(spec.method, dict(spec.options))] = {
                one.name: one.id for one in planned(spec, str(tmp_path), Backend())
            }
    searches = {
        name: found["search"] for name, found in stages.items() if name.startswith("EB Train")
    }
    assert (
        searches["EB Train"]
        == searches["EB Train (re-init)"]
        != searches["EB Train (LF)"]
        == searches["EB Train (LL)"]
    )
    assert stages["EB Train (LF)"]["prune"] == stages["EB Train (LL)"]["prune"]
    assert stages["EB Train (LF)"]["retrain"] != stages["EB Train (LL)"]["retrain"]
    assert stages["LT (one-shot)"]["dense"] == stages["ThiNet"]["dense"] != stages["NS"]["dense-l1"]


def test_the_tickets_of_the_second_paper_share_one_baseline(tmp_path):
    parts = {}
    for spec in study.load("early-winning"):
        if (spec.model, spec.seed, spec.method) == ("resnet20", 1, "early-winning"):
            for one in planned(spec, str(tmp_path), Backend()):
                if one.name.startswith("baseline"):
                    parts.setdefault(one.name, set()).add(one.id)
    assert len(parts) >= 6
    assert all(len(ids) == 1 for ids in parts.values())


@pytest.mark.parametrize("name", ["table1", "table3"])
def test_a_plan_lists_the_runs(name, tmp_path):
    code, out, errors = joulebird("plan", name, "--ids", "--runs", tmp_path / "runs")
    assert code == 0
    assert errors == ""
    assert out.split() == [spec.id for spec in study.load(name)]
