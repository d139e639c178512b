"""Decide what a number is of: precision, device, rail, sensor, options; nothing is mixed mutely."""

import os

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.sensor import UNSTATED
from joulebird.harness.runs.spec import RunSpec
from joulebird.reports.checks.check import check
from joulebird.reports.figures.paper import figure1, figure3
from joulebird.reports.runs.labels import SETTING_FIELDS, method_label
from joulebird.reports.runs.records import load, one_scope, unique_stages
from joulebird.reports.tables.compare import compare
from joulebird.reports.tables.draws import table1
from joulebird.reports.tables.table2 import table2
from tests.reports.write_logs import write_log
from tests.reports.write_runs import BOOT, Folder, write_events

ACCURACY = {"gain": 0.0, "offset_mw": 0, "quantum_mw": 1}
DRAWN = {"draw_at": 10, "restart": True}


def quality(table):
    (note,) = [note for note in table.notes if note.startswith("Worst coverage")]
    return note


@pytest.mark.parametrize("stated", [True, False])
def test_tables_and_checks_agree_on_a_stated_accuracy(tmp_path, stated):
    """The simulated board states a gain of zero: that is no unknown gain."""
    folder = Folder(tmp_path, source={"accuracy": ACCURACY} if stated else None)
    folder.run("snip", 0.5, [folder.stage("s-1", 4)])
    said = f"{UNSTATED.capitalize()}, and not in it."
    assert (said in quality(table2([tmp_path]))) is not stated
    warned = [one.text for one in check([tmp_path]).findings if one.rule == "R9"]
    assert (warned == [f"source ina3221: {UNSTATED}"]) is not stated
    note = f"{UNSTATED.capitalize()}, and not in ±."
    assert (note in compare([tmp_path], [tmp_path]).notes) is not stated


def test_one_cell_has_one_precision(tmp_path):
    folder = Folder(tmp_path)
    for seed, precision in ((1, "fp32"), (2, "bfp8")):
        folder.run("snip", 0.5, [folder.stage(f"snip-{seed}", 2, precision=precision)], seed=seed)
    with pytest.raises(HarnessError, match="mix precisions in one cell: snip fp32 / bfp8"):
        table2([tmp_path])


def test_rows_of_two_precisions_stand_in_one_table(tmp_path):
    folder = Folder(tmp_path)
    search, full = folder.stage("search-1", 2, precision="bfp8"), folder.stage("retrain-1", 3)
    folder.run("eb-train", 0.5, [search, full], options={"search_precision": "bfp8"})
    folder.run("eb-train", 0.5, [folder.stage("search-2", 2), full])
    low, fp32 = table2([tmp_path]).lines
    assert [low[1].text, fp32[1].text] == ["EB Train", "EB Train (LF), estimated"]


def test_a_low_precision_retraining_is_in_the_name():
    options = {"search_precision": "fp32", "retrain_precision": "bfp8"}
    assert method_label("eb-train", options) == "EB Train (FL)"
    assert method_label("eb-train", {**options, "search_precision": "wage8"}) == "EB Train (LL)"


def test_a_ratio_to_an_estimated_baseline_says_so(tmp_path):
    folder = Folder(tmp_path)
    folder.run("snip", 0.5, [folder.stage("snip-1", 4, precision="bfp8")])
    folder.run("eb-train", 0.5, [folder.stage("search-1", 2)])
    better = table2([tmp_path]).lines[-1]
    assert better[1].text == "EB Train Improv."
    assert better[3].text == "2.0× (SNIP, estimated) / 2.0× (SNIP)"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"precision": "bfp8"}, "precision of snip fp32 / bfp8"),
        ({"epochs": 80}, "epochs 160 / 80"),
        ({"options": {"epsilon": 0.2}}, "epsilon 0.1 / 0.2"),
        ({"method": "thinet"}, "method snip / thinet"),
        ({"ratio": 0.7}, "ratio 0.5 / 0.7"),
        ({"micro_batch": 64}, "micro batch None / 64"),
    ],
)
def test_a_comparison_names_all_that_differs_in_its_cells(tmp_path, other, said):
    for name, facts in (("a", {}), ("b", dict(other))):
        folder = Folder(tmp_path / name)
        facts = {"method": "snip", "ratio": 0.5, "options": {"epsilon": 0.1}, **facts}
        stage = folder.stage("snip-1", 4, precision=facts.pop("precision", "fp32"))
        folder.run(facts.pop("method"), facts.pop("ratio"), [stage], **facts)
    assert any(said in note for note in compare([tmp_path / "a"], [tmp_path / "b"]).notes)
    notes = compare([tmp_path / "a"], [tmp_path / "a"]).notes
    assert not any("differ in more" in note for note in notes)


def test_a_comparison_of_accuracies_names_software_and_an_unknown_power_mode(tmp_path):
    sides = [{"packages": {"torch": "1.10.0"}}, {"packages": {"torch": "2.1.0"}}]
    for logged in (True, False):
        roots = [tmp_path / f"{name}{logged}" for name in "ab"]
        for root, environment in zip(roots, sides, strict=True):
            folder = Folder(root, environment=environment)
            folder.run("snip", 0.5, [folder.stage("snip-1", 4, logged=logged)])
        notes = " ".join(compare(*([root] for root in roots)).notes)
        assert "torch version 1.10 / 2.1" in notes
    folder = Folder(tmp_path / "c", environment={**sides[0], "power_mode": "MAXN"})
    folder.run("snip", 0.5, [folder.stage("snip-1", 4)])
    notes = " ".join(compare([tmp_path / "aTrue"], [tmp_path / "c"]).notes)
    assert "power mode not stated / MAXN" in notes


def test_accuracies_of_measured_and_other_runs_need_one_software(tmp_path):
    """Two seeds of one cell: one on a board with torch 1.10, one elsewhere with torch 2."""
    for seed, torch in ((1, "1.10.0"), (2, "2.1.0")):
        environment = {"packages": {"torch": torch}}
        folder = Folder(tmp_path / str(seed), environment=environment)
        folder.run("snip", 0.5, [folder.stage("snip-1", 4, logged=seed == 1)], seed=seed)
    stages = unique_stages(load([tmp_path / "1", tmp_path / "2"]))
    with pytest.raises(HarnessError, match="different torch versions"):
        one_scope(stages)


def test_the_energy_of_one_rail_is_named_by_its_rail(tmp_path):
    folder = Folder(tmp_path, source={"rails": ["VDD_IN", "VDD_GPU"]})
    stage = folder.stage("snip-1", 4, logged=False)
    times = range(99_900_000, 140_100_001, 50_000)
    path = os.path.join(record.stage_dir(folder.root, stage), record.POWER)
    write_log(path, [(t_us, 10_000, 4_000) for t_us in times], folder.source, BOOT)
    folder.run("snip", 0.5, [stage])
    table = table2([tmp_path], rail="VDD_GPU")
    assert table.lines[0][3].data["energy_j"] == pytest.approx(160)
    assert table.columns[-1].group.startswith("Energy of VDD_GPU (J)")
    assert table.notes[0] == (
        "Energy: the rail VDD_GPU on tx2-a by ina3221; not in it: all that other rails supply."
    )
    assert table2([tmp_path]).notes[0].startswith("Energy: VDD_IN (module) on tx2-a by ina3221;")


@pytest.mark.parametrize("difference", [{"name": "wattsup"}, {"scope": "wall"}, {"sensor": "b"}])
def test_the_idle_power_of_another_sensor_is_not_subtracted(tmp_path, difference):
    """A desk meter that begins after the idle measurement replaces the logs of stages alone."""
    folder = Folder(tmp_path, source={"sensor": "a"})
    folder.idle(3.0)
    folder.source.update(difference)
    folder.run("snip", 0.5, [folder.stage("snip-1", 4)])
    table = table2([tmp_path], net=True)
    assert table.lines[0][3].text.startswith("void / ")
    assert any("no idle power was recorded" in note for note in table.notes)
    assert "Idle power was not recorded; energies are gross." in table.notes
    assert any("idle power was not recorded" in found.text for found in check([tmp_path]).findings)


def test_the_idle_power_is_that_of_the_sessions_that_measured(tmp_path):
    folder = Folder(tmp_path)
    folder.idle(3.0)
    stage = folder.stage("snip-1", 4)
    folder.run("snip", 0.5, [stage])
    path = os.path.join(record.stage_dir(folder.root, stage), record.STAGE)
    record.write_json(path, {**record.read_json(path), "session": "S9"})  # only wrote the record
    assert any(note.startswith("Idle power 3.00 W (1 session") for note in table2([tmp_path]).notes)


@pytest.mark.parametrize("draw", [table1, lambda paths: figure1(paths, os.devnull, ".svg")])
def test_a_mean_of_tickets_has_one_kind_of_run(tmp_path, draw):
    """Two seeds of one cell, of which one was retrained in another way."""
    folder = Folder(tmp_path)
    stage = folder.stage("s-1", 1)
    for seed, more in ((1, {}), (2, {"retrain_precision": "bfp8"})):
        folder.run("eb-train", 0.5, [stage], seed=seed, options={**DRAWN, **more})
    with pytest.raises(HarnessError, match="two runs for one cell"):
        draw([tmp_path])


def test_the_dense_line_of_figure_1_has_one_kind_of_run(tmp_path):
    folder = Folder(tmp_path)
    stage = folder.stage("s-1", 1)
    folder.run("eb-train", 0.5, [stage], options=DRAWN)
    folder.run("dense", 0.0, [stage], seed=1)
    folder.run("dense", 0.3, [stage], seed=1)  # the same training
    figure1([tmp_path], os.devnull, ".svg")
    folder.run("dense", 0.0, [folder.stage("s-2", 2)], seed=2, epochs=80)
    with pytest.raises(HarnessError, match="two runs for one cell"):
        figure1([tmp_path], os.devnull, ".svg")


def test_mask_distances_are_of_one_software_and_marked(tmp_path):
    """Two boards that ran one study have equal stage ids."""
    metric = {"event": "metric", "t_s": 105.0, "mask_distance": 0.3}
    for name, torch in (("a", "1.10.0"), ("b", "1.10.2"), ("c", "2.1.0")):
        folder = Folder(tmp_path / name, environment={"packages": {"torch": torch}, "host": name})
        path = record.stage_dir(folder.root, folder.stage("search-1", 2))
        events = record.read_events(os.path.join(path, record.EVENTS))
        kept = events[:2] + events[3:] if name == "b" else events  # an epoch is missing
        write_events(path, [*kept[:-1], {**metric, "t_s": kept[-1]["t_s"] - 1}, kept[-1]])
        folder.run("eb-train", 0.5, ["search-1"])
    figure3([tmp_path / "a", tmp_path / "b"], tmp_path / "two.svg")
    drawn = (tmp_path / "two.svg").read_text()
    assert drawn.count("<!-- vgg16/cifar10 p=50% s1 -->") == 2
    assert "[missing epochs]" in drawn
    with pytest.raises(HarnessError, match="different torch versions"):
        figure3([tmp_path / "a", tmp_path / "c"], os.devnull, ".svg")


def test_two_dense_trainings_with_one_seed_are_not_one(tmp_path):
    for name in "ab":
        folder = Folder(tmp_path / name)
        folder.run("dense", 0.0, [folder.stage(f"dense-{name}", 2)])
    with pytest.raises(HarnessError, match="two runs for one cell"):
        table2([tmp_path / "a", tmp_path / "b"])


def test_two_meters_of_one_name_are_compared_apart(tmp_path):
    """Their rails have other names, so that their energies cannot be added."""
    folder = Folder(tmp_path, source={"accuracy": ACCURACY})
    folder.run("snip", 0.5, [folder.stage("one-1", 4), folder.stage("two-1", 4)])
    folder.beside("one-1", 12.0)
    folder.beside("two-1", 11.0, rails=["AUX"], total=["AUX"])
    beside = [note for note in table2([tmp_path]).notes if note.startswith("Beside it")]
    assert ["20 %" in beside[0], "10 %" in beside[1]] == [True, True]


def test_every_field_of_a_spec_sets_cells_apart_or_is_known_not_to():
    known = {"method", "prune_ratio", "seed", "device", "options"}
    assert {*SETTING_FIELDS, *known} == set(RunSpec._fields)
