"""Reading folders of runs: attempts, epochs, scopes, and what is refused."""

import json
import os
from pathlib import Path

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.records import Traces, attempts, load, one_scope, unique_stages
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
    ],
)
def test_what_may_not_stand_in_one_table_is_refused_by_name(tmp_path, difference, key):
    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two", **difference)
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
    assert "s-1" in caught.value.message
    assert "s-2" in caught.value.message
    assert caught.value.hint


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
