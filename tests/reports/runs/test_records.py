"""Reading folders of runs: attempts, epochs, scopes, and what is refused."""

import json
import os
from pathlib import Path

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.records import (
    Traces,
    attempts,
    load,
    on_board,
    one_scope,
    unique_stages,
)
from tests.harness.command import joulebird, refused
from tests.reports.write_runs import Folder, small_study


def test_runs_share_stages_and_each_has_all_of_its_own(tmp_path):
    small_study(tmp_path)
    runs = load([tmp_path])
    assert len(runs) == 10
    dense = {id(stage) for run in runs for stage in run.stages if stage.id == "dense-1"}
    assert len(dense) == 1  # one object: its log is loaded once
    assert len(unique_stages(runs)) == 1 + 2 * (2 + 2 + 2 + 1 + 3)
    assert [
        stage.id
        for stage in next(run for run in runs if "lottery" in run.id and "p30" in run.id).stages
    ] == ["dense-1", "ltprune-30-1", "ltretrain-30-1"]


def test_one_run_may_be_named_by_its_folder_and_twice_is_once(tmp_path):
    small_study(tmp_path)
    name = next(name for name in sorted(os.listdir(tmp_path)) if name.startswith("eb-train"))
    assert [run.id for run in load([tmp_path / name])] == [name]
    assert len(load([tmp_path, tmp_path / name])) == 10


def event(name, t_s, **facts):
    return dict(facts, event=name, t_s=t_s)


def epoch(number, t_s):
    return event("epoch", t_s, epoch=number, begin_s=t_s - 10, train_end_s=t_s - 1)


KILLED = [
    event("attempt_begin", 99, boot_id="a", session="S1"),
    event("stage_begin", 100),
    epoch(1, 110),
    epoch(2, 120),
    event("attempt_begin", 140, boot_id="a", session="S2"),
    event("stage_resume", 141),
    event("attempt_begin", 5, boot_id="b", session="S3"),
    event("stage_resume", 6),
    epoch(3, 16),
    event("stage_end", 17),
]


def test_attempts_are_cut_where_their_work_counts():
    first, second, third = attempts(KILLED)
    assert (first.useful.begin_s, first.useful.end_s, first.useful.boot_id, first.ended) == (
        100,
        120,
        "a",
        False,
    )
    assert second.useful is None
    assert second.begin.begin_s == 140
    assert (third.useful.begin_s, third.useful.end_s, third.useful.boot_id, third.ended) == (
        6,
        17,
        "b",
        True,
    )
    assert [w.session for w in (first.useful, third.useful)] == ["S1", "S3"]


def test_an_epoch_trained_twice_counts_once(tmp_path):
    folder = Folder(tmp_path)
    folder.stage("s-1", 3)
    stage_dir = record.stage_dir(str(tmp_path), "s-1")
    lines = [
        event("attempt_begin", 99, boot_id="a"),
        event("stage_begin", 100),
        epoch(1, 110),
        epoch(2, 120),
        event("attempt_begin", 140, boot_id="a"),
        event("stage_resume", 141),
        epoch(2, 151),
        event("stage_end", 152),
    ]
    with open(os.path.join(stage_dir, record.EVENTS), "w") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    folder.run("dense", 0.0, ["s-1"])
    (stage,) = load([tmp_path])[0].stages
    assert [(e["epoch"], w.end_s) for e, w in stage.epochs] == [(1, 110), (2, 151)]


@pytest.mark.parametrize(
    ("difference", "key"),
    [
        ({"source": {"name": "wattsup"}}, "source"),
        ({"source": {"scope": "board"}}, "scope"),
        ({"source": {"rails": ["VDD_IN", "VDD_MUX"], "total": ["VDD_IN", "VDD_MUX"]}}, "rails"),
        ({"environment": {"host": "tx2-b"}}, "board"),
        ({"environment": {"power_mode": "MAXQ"}}, "power mode"),
        ({"environment": {"board_serial": "0321"}}, "board"),
        ({"source": {"sensor": "chip 0x41"}}, "sensor"),
        ({"source": {"real": False}}, "kind"),
        ({"environment": {"packages": {"torch": "2.13.1+cpu"}}}, "torch version"),
        ({"environment": {"cuda_device": "NVIDIA H200"}}, "GPU"),
    ],
)
def test_what_may_not_stand_in_one_table_is_refused_by_name(tmp_path, difference, key):
    stated = {"board_serial": "0320", "packages": {"torch": "1.10.0"}, "cuda_device": "GP10B"}
    known = {"environment": stated, "source": {"sensor": "chip 0x40"}}
    known = {kind: {**known[kind], **difference.get(kind, {})} for kind in known}
    one = Folder(tmp_path / "one", environment=stated, source={"sensor": "chip 0x40"})
    two = Folder(tmp_path / "two", **known)
    one.run("dense", 0.0, [one.stage("s-1", 1, logged=True)])
    if key == "rails":
        two.stage("s-2", 1, logged=False)
        from tests.reports.write_logs import write_log

        write_log(
            os.path.join(record.stage_dir(str(tmp_path / "two"), "s-2"), record.POWER),
            [(100_000_000, 5, 5)],
            two.source,
            "boot-1",
        )
        two.run("snip", 0.5, ["s-2"])
    else:
        two.run("snip", 0.5, [two.stage("s-2", 1)])
    stages = unique_stages(load([tmp_path / "one", tmp_path / "two"]))
    with pytest.raises(HarnessError, match=f"different {key}s") as caught:
        one_scope(stages)
    assert str(tmp_path / "one" / "stages" / "s-1") in caught.value.message
    assert str(tmp_path / "two" / "stages" / "s-2") in caught.value.message
    assert caught.value.hint


def test_of_long_sensors_the_part_that_differs_is_named(tmp_path):
    rails = [f"0x4{n // 3}/{n % 3} VDD_RAIL_{n:02} 20 mohm" for n in range(18)]
    stages = []
    for name, shunt in (("one", "20 mohm"), ("two", "5 mohm")):
        rails[7] = f"0x42/1 VDD_RAIL_07 {shunt}"
        folder = Folder(tmp_path / name, source={"sensor": ", ".join(rails)})
        folder.run("dense", 0.0, [folder.stage("s-1", 1)])
        stages += unique_stages(load([tmp_path / name]))
    with pytest.raises(HarnessError, match="different sensors") as refused:
        one_scope(stages)
    for name, shunt in (("one", "20 mohm"), ("two", "5 mohm")):
        words = f"... 0x42/1 VDD_RAIL_07 {shunt} ... ({tmp_path / name / 'stages' / 's-1'})"
        assert words in refused.value.message
    assert "VDD_RAIL_06" not in refused.value.message


def test_records_that_state_less_fit(tmp_path):
    """Older versions knew no serial number: their board is that of the host, if it has one."""
    stated = {"board_serial": "0320", "packages": {"torch": "1.10.0"}, "cuda_device": "GP10B"}
    new = Folder(tmp_path / "new", environment=stated, source={"sensor": "chip 0x40"})
    old = Folder(tmp_path / "old")
    for folder in (new, old):
        folder.run("dense", 0.0, [folder.stage("s-1", 1)])
    stages = unique_stages(load([tmp_path / "old", tmp_path / "new"]))
    assert one_scope(stages)["board"] == "tx2-a (serial 0320)"
    assert one_scope(stages)["torch version"] == "1.10"
    assert "sensor" not in one_scope(stages[:1])
    third = Folder(tmp_path / "third", environment={**stated, "board_serial": "0321"})
    third.run("dense", 0.0, [third.stage("s-1", 1)])
    with pytest.raises(HarnessError, match="different boards"):
        one_scope([*stages, *unique_stages(load([tmp_path / "third"]))])


def test_the_hint_for_several_boards_can_be_typed(tmp_path):
    """All TX2s have one model's name, and often one host's."""
    for serial, method in (("0320", "snip"), ("0321", "thinet")):
        facts = {"board": "Jetson TX2", "host": "tegra-ubuntu", "board_serial": serial}
        folder = Folder(tmp_path / serial, environment=facts, epoch_s=1.0)
        folder.run(method, 0.5, [folder.stage(f"{method}-1", 4)])
    both = [tmp_path / "0320", tmp_path / "0321"]
    errors = refused(2, ["table", "2", *both], "Jetson TX2 (serial 0320)", "serial 0321")
    hint = errors.splitlines()[1]
    assert "--board 0320 or --board 0321" in hint
    for serial, method in (("0320", "SNIP"), ("0321", "ThiNet")):
        for words in (["table", "2"], ["table", "3"], ["report", "-o", tmp_path / "page.html"]):
            code, out, errors = joulebird(*words, *both, "--board", serial)
            assert (code, errors) == (0, "")
            page = out or (tmp_path / "page.html").read_text()
            assert method in page
            assert not {"SNIP", "ThiNet"} - {method} & set(page.split())
            assert words[1] == "3" or f"Jetson TX2 (serial {serial})" in page
        assert "different boards" not in joulebird("check", *both, "--board", serial)[1]
        figure = ["figure", "power", *both, "--board", serial, "-o", tmp_path / "f.svg"]
        assert joulebird(*figure)[0] == 0
    assert joulebird("compare", *both, "--board", "0320")[0] == 2
    refused(2, ["table", "2", *both, "--board", "tegra-ubuntu"], "--board 0320")
    refused(2, ["table", "2", *both, "--board", "0320", "--board", "0321"], "2 times")


def test_runs_without_power_need_one_software(tmp_path):
    """Accuracies of two versions of torch stand in no table either."""
    for version in ("1.10.0", "2.13.0"):
        packages = {"environment": {"packages": {"torch": version}, "host": version}}
        folder = Folder(tmp_path / version, **packages)
        folder.run("dense", 0.0, [folder.stage("s-1", 1, logged=False)])
    with pytest.raises(HarnessError, match="different torch versions"):
        one_scope(unique_stages(load([tmp_path / "1.10.0", tmp_path / "2.13.0"])))


def test_unmeasured_stages_mix_nothing(tmp_path):
    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two", environment={"host": "cluster"})
    one.run("dense", 0.0, [one.stage("s-1", 1)])
    two.run("snip", 0.5, [two.stage("s-2", 1, logged=False)])
    assert one_scope(unique_stages(load([tmp_path / "one", tmp_path / "two"])))["board"] == "tx2-a"


def test_nothing_to_read_says_what_to_do(tmp_path):
    with pytest.raises(HarnessError, match="no such folder"):
        load([tmp_path / "nowhere"])
    os.makedirs(tmp_path / "empty")
    with pytest.raises(HarnessError, match="no finished run") as caught:
        load([tmp_path / "empty"])
    assert "joulebird run" in caught.value.hint
    folder = Folder(tmp_path / "newer")
    folder.run("dense", 0.0, [folder.stage("s-1", 1)])
    path = Path(record.stage_dir(str(tmp_path / "newer"), "s-1"), record.STAGE)
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(HarnessError, match="format 2") as caught:
        load([tmp_path / "newer"])
    assert caught.value.hint == "update joulebird"


def test_only_so_many_samples_are_kept_in_memory(tmp_path):
    folder = Folder(tmp_path)
    paths = [
        os.path.join(record.stage_dir(folder.root, folder.stage(f"s-{i}", 1)), record.POWER)
        for i in range(4)
    ]
    traces = Traces(limit=500)  # two logs of about 200 rows
    loaded = [traces.load(path) for path in paths]
    assert traces.load(paths[3]) is loaded[3]
    assert traces.load(paths[2]) is loaded[2]
    assert traces.load(paths[0]) is not loaded[0]
    assert traces.load(paths[0]).energy() == loaded[0].energy()
    assert Traces(limit=1).load(paths[0]).samples > 1


def test_two_boards_that_ran_one_study_differ_by_their_serial_numbers(tmp_path):
    """Their runs have equal ids."""
    roots = [tmp_path / serial for serial in ("0320", "0321")]
    for root in roots:
        facts = {"board": "Jetson TX2", "host": "tegra-ubuntu", "board_serial": root.name}
        folder = Folder(root, environment=facts)
        folder.run("snip", 0.5, [folder.stage("snip-1", 4)])
    for order in (roots, roots[::-1]):
        for root in roots:
            assert [run.root for run in on_board(load(order), root.name)] == [str(root)]
