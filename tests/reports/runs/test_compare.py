"""Comparing two sets of runs."""

import os

import numpy as np
import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.checks.check import check
from joulebird.reports.html import page
from joulebird.reports.tables.compare import compare, t975, welch
from joulebird.reports.tables.table2 import table2
from tests.reports.write_runs import Folder, write_events


def study(root, watts, seeds=(1,), method="snip", noise=0.0, **options):
    folder = Folder(root, epoch_s=2.0, ripple=0.1, **options)
    rng = np.random.default_rng(len(seeds))
    for seed in seeds:
        power = watts + float(rng.normal(0, noise)) if noise else watts
        folder.run(method, 0.5, [folder.stage(f"s-{seed}", 5, power)], 0.9 + 0.01 * seed, seed=seed)
    return root


def test_a_difference_beyond_the_uncertainty_is_real(tmp_path):
    table = compare([study(tmp_path / "a", 12.0)], [study(tmp_path / "b", 10.0)])
    row = table.lines[0]
    assert row[5].data["value"] == pytest.approx(1.2, rel=1e-3)
    assert row[6].text == "real"
    assert row[10].text == "not known"
    assert "One run in some cells" in table.render()
    assert table.facts["worst_energy_ratio"] == pytest.approx(1.2, rel=1e-3)


def test_a_difference_within_the_spread_is_not_significant(tmp_path):
    a = study(tmp_path / "a", 10.05, (1, 2, 3), noise=0.3)
    b = study(tmp_path / "b", 10.0, (1, 2, 3, 4), noise=0.3)
    row = compare([a], [b]).lines[0]
    assert row[6].text == "not significant"
    assert row[10].text == "not significant"


def test_a_gain_error_of_one_sensor_does_not_blur_the_ratio(tmp_path):
    source = {"source": {"accuracy": {"gain": 0.02, "offset_mw": 76}}}
    same = compare(
        [study(tmp_path / "a", 10.3, **source)], [study(tmp_path / "b", 10.0, **source)]
    ).lines[0]
    other = {"source": dict(source["source"], serial="other")}
    apart = compare([tmp_path / "a"], [study(tmp_path / "c", 10.0, **other)]).lines[0]
    assert same[6].text == "real"
    assert apart[6].text == "not significant"


def test_net_of_the_idle_power_and_of_one_rail(tmp_path):
    for name, watts in (("a", 12.0), ("b", 10.0)):
        folder = Folder(tmp_path / name, epoch_s=2.0)
        folder.idle(2.0, "before", 20.0)
        folder.run("snip", 0.5, [folder.stage("s-1", 5, watts)])
    given = [tmp_path / "a"], [tmp_path / "b"]
    table = compare(*given, net=True)
    assert table.lines[0][5].data["value"] == pytest.approx(10 / 8, rel=1e-3)
    assert "Energies are measured, less the idle power; " in table.render()
    table = compare(*given, rail="VDD_IN")
    assert table.lines[0][5].data["value"] == pytest.approx(12 / 10, rel=1e-3)
    assert "Energies are measured, of the rail VDD_IN; " in table.render()
    with pytest.raises(HarnessError, match="has no rail named VDD_OUT"):
        compare(*given, rail="VDD_OUT")


def test_two_boards_of_one_model_share_no_gain(tmp_path):
    """Their chips have one name, one address and one shunt, and errors of their own."""
    source = {"accuracy": {"gain": 0.02, "offset_mw": 76}, "sensor": "ina3221 0x40 20 mOhm"}
    boards = [{"board": "Jetson TX2", "board_serial": serial} for serial in ("0320", "0321")]
    a = study(tmp_path / "a", 10.3, source=source, environment=boards[0])
    rows = [
        compare([a], [study(tmp_path / name, 10.0, source=source, environment=board)])
        for name, board in zip("bc", boards, strict=True)
    ]
    assert [table.lines[0][6].text for table in rows] == ["real", "not significant"]
    differ = "board Jetson TX2 (serial 0320) / Jetson TX2 (serial 0321)"
    assert [any(differ in note for note in table.notes) for table in rows] == [False, True]


def test_a_measured_side_is_never_compared_with_a_simulated_one(tmp_path):
    a = study(tmp_path / "a", 12.0, source={"name": "mine"})
    b = study(tmp_path / "b", 10.0, source={"name": "mine", "simulated": True})
    with pytest.raises(HarnessError, match="measured and simulated"):
        compare([a], [b])


def test_the_word_of_foreign_load_stands_beside_each_number(tmp_path):
    text = "the machine did other work (others took 1.2 of 2 cores)"
    warning = {"name": "foreign_load", "text": text, "remedy": "wait"}
    for name, warnings in (("a", [warning]), ("b", [])):
        folder = Folder(tmp_path / name, epoch_s=2.0)
        busy = folder.stage("s-1", 5, warnings=warnings)
        folder.run("snip", 0.5, [busy])
        folder.run("eb-train", 0.5, [folder.stage("e-1", 4)])
    table = table2([tmp_path / "a"])
    snip, eb, better = table.lines
    assert "foreign load" not in table.title + table.columns[-1].group + eb[3].text
    assert snip[3].text.startswith("100.0 (foreign load) / ")
    assert "(SNIP, foreign load)" in better[3].text
    assert any(note.startswith("Foreign load:") for note in table.notes)
    assert "Warning (1 stage): the machine did other work; remedy: wait." in table.notes
    table = compare([tmp_path / "a"], [tmp_path / "b"])
    eb, snip = table.lines
    assert snip[3].text.endswith("(foreign load)")
    assert not any("(" in cell.text for cell in (eb[3], eb[4], snip[4]))
    assert any(note.startswith("Foreign load:") for note in table.notes)
    whole = page([tmp_path / "a"])
    assert '<span class="word">foreign load</span>' in whole
    assert whole.count("(foreign load)") >= 4  # table, run, its mean power, stage


def test_an_idle_power_of_a_busy_machine_gives_no_bare_number(tmp_path):
    folder = Folder(tmp_path, epoch_s=2.0)
    folder.idle(3.0)
    path = record.idle_dir(folder.root, folder.session, "before")
    events = record.read_events(os.path.join(path, record.EVENTS))
    events.insert(-1, {"event": "warning", "t_s": events[-1]["t_s"], "name": "foreign_load"})
    write_events(path, events)
    folder.run("snip", 0.5, [folder.stage("s-1", 5)])
    gross, net = (table2([tmp_path], net=net) for net in (False, True))
    assert "(foreign load)" not in gross.lines[0][3].text
    assert net.lines[0][3].text.startswith("70.00 (foreign load)")
    assert all("Idle power 3.00 W (foreign load)" in table.render() for table in (gross, net))
    assert any(f.rule == "R8" and "foreign load" in f.text for f in check([tmp_path]).findings)


def test_words_stand_beside_each_energy_and_their_ratio(tmp_path):
    folder = Folder(tmp_path / "a", source={"name": "simulated", "real": False})
    folder.run("snip", 0.5, [folder.stage("s-1", 5, 12.0, precision="bfp8")])
    row = compare(
        [tmp_path / "a"], [study(tmp_path / "b", 10.0, source={"name": "simulated", "real": False})]
    ).lines[0]
    assert [cell.text.partition(" ")[2] for cell in row[3:6]] == [
        "(estimated, simulated)",
        "(simulated)",
        "(estimated, simulated)",
    ]
    assert row[3].data["words"] == ["estimated", "simulated"]
    assert "(" not in row[7].text
    assert (
        "("
        not in compare([study(tmp_path / "c", 12.0)], [study(tmp_path / "d", 10.0)])
        .lines[0][3]
        .text
    )


def test_two_single_runs_of_different_methods_can_be_compared(tmp_path):
    assert (
        compare([study(tmp_path / "a", 12.0)], [study(tmp_path / "b", 10.0, method="thinet")])
        .lines[0][6]
        .text
        == "real"
    )


def test_what_cannot_be_compared_is_refused(tmp_path):
    a = study(tmp_path / "a", 12.0)
    with pytest.raises(HarnessError, match="different scope"):
        compare([a], [study(tmp_path / "b", 10.0, source={"scope": "board"})])
    both = Folder(tmp_path / "c")
    for method in ("thinet", "network-slimming"):
        both.run(method, 0.5, [both.stage(f"{method}-1", 2)])
    with pytest.raises(HarnessError, match="no cell in common") as caught:
        compare([a], [tmp_path / "c"])
    assert "ThiNet" in caught.value.hint


def test_a_void_energy_is_not_compared(tmp_path):
    folder = Folder(tmp_path / "b")
    folder.run("snip", 0.5, [folder.stage("s-1", 5, logged=False)])
    row = compare([study(tmp_path / "a", 12.0)], [tmp_path / "b"]).lines[0]
    assert row[4].text == "void"
    assert row[6].text == "not known"


def test_welch_against_a_case_computed_by_hand():
    """Variances 16.772 and 5.598 of five each: standard error 2.1152, 6.40 degrees of freedom.

    The table has 6 of them.
    """
    assert welch([27.5, 21.0, 19.0, 23.6, 17.0], [27.1, 22.0, 20.8, 23.4, 23.4]) == pytest.approx(
        2.447 * 2.1152, rel=1e-4
    )
    assert welch([1.0], [2.0]) == 0.0
    assert t975(2.5) == 4.303
