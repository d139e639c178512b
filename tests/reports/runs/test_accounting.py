"""Account for the energy and FLOPs of stages and runs."""

import json
import os
from pathlib import Path

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.reports.checks.check import check
from joulebird.reports.runs.accounting import (
    Accounting,
    evaluation_energy,
    flops_of,
    idle_power,
    repeated_energy,
    stage_energy,
)
from joulebird.reports.runs.records import FinishedStage, load, unique_stages
from joulebird.reports.tables.table2 import table2
from tests.reports.write_logs import write_log
from tests.reports.write_runs import BOOT, Folder, small_study, write_events


def stage_of(folder, stage_id):
    return FinishedStage(folder.root, stage_id)


def test_a_stage_is_integrated_between_its_marks(tmp_path):
    folder = Folder(tmp_path)
    stage = stage_of(folder, folder.stage("s-1", 5, 12.0, seconds=0.5))
    energy = stage_energy(stage)
    assert energy.joules == pytest.approx(12 * 50.5)
    assert energy.coverage == 1.0
    assert energy.seconds == pytest.approx(50.5)
    assert evaluation_energy(stage).joules == pytest.approx(12 * 5 * 1.0)
    assert repeated_energy(stage).joules == 0.0


def test_a_run_pays_shared_stages_in_full(tmp_path):
    small_study(tmp_path)
    runs = load([tmp_path])
    accounting = Accounting(unique_stages(runs))
    costs = {
        run.id.split("-vgg16")[0] + run.id.split("-p")[1][:2]: accounting.run(run) for run in runs
    }
    assert costs["lottery-ticket30"].useful.joules == pytest.approx(322.0)
    assert costs["thinet30"].useful.joules == pytest.approx(160 + 128)
    assert costs["eb-train50"].useful.joules == pytest.approx(42 + 1 + 96)
    assert costs["eb-train50"].net.joules == pytest.approx(42 + 1 + 96 - 3.1 * 16.1, rel=1e-3)


def test_flops_are_three_times_forward(tmp_path):
    folder = Folder(tmp_path)
    flops, gflop, images, epochs = flops_of(stage_of(folder, folder.stage("s-1", 4)))
    assert flops == 3 * 600_000_000 * 50_000 * 4
    assert gflop == pytest.approx(3 * 0.6 * 4)
    assert images == {50_000}
    assert epochs == 4
    assert flops_of(stage_of(folder, folder.stage("s-2", seconds=1.0)))[0] == 0


def test_per_epoch_energy_is_the_mean_epoch_of_a_structure_times_epochs(tmp_path):
    folder = Folder(tmp_path)
    long, short = folder.stage("long-1", 10, logged=False), folder.stage("short-1", 2, 12.0)
    other, prune = (
        folder.stage("other-1", 2, 14.0),
        folder.stage("prune-1", seconds=10.0, watts=5.0),
    )
    folder.run("dense", 0.0, [long])
    folder.run("snip", 0.5, [short, other, prune])
    stages = unique_stages(load([tmp_path]))
    accounting = Accounting(stages, "per-epoch")
    by_id = {stage.id: accounting.stage(stage).useful for stage in stages}
    assert by_id[long].joules == pytest.approx(10 * 130.0)  # the mean of epochs at 120 and 140 J
    assert by_id[short].joules == pytest.approx(2 * 130.0)
    assert by_id[prune].joules == pytest.approx(50.0)
    assert by_id[long].u_random_j > 10 * 5.0  # the scatter of the epochs is in it
    assert Accounting(stages).stage(next(s for s in stages if s.id == long)).useful.void


def test_a_structure_without_a_recorded_epoch_is_void(tmp_path):
    folder = Folder(tmp_path)
    folder.run(
        "dense",
        0.0,
        [
            folder.stage("a-1", 2, structure="dense"),
            folder.stage("b-1", 2, structure="thin", logged=False),
        ],
    )
    stages = unique_stages(load([tmp_path]))
    cost = Accounting(stages, "per-epoch").stage(stages[1])
    assert cost.useful.void
    assert "no epoch of this structure" in cost.useful.void_reason


def test_low_precision_is_estimated(tmp_path):
    folder = Folder(tmp_path)
    cost = Accounting().stage(stage_of(folder, folder.stage("s-1", 2, precision="bfp8")))
    assert cost.useful.words == ("estimated",)


def test_idle_power_of_before_and_after(tmp_path):
    folder = Folder(tmp_path)
    assert idle_power(folder.root, "S1") is None
    folder.idle(3.0, "before")
    folder.idle(3.4, "after")
    watts, u = idle_power(folder.root, "S1")
    assert watts == pytest.approx(3.2)
    assert u >= 0.2


def test_a_killed_attempt_is_repeated_and_not_useful(tmp_path):
    """100..120 s useful, killed at 130 s; resumed at 141 s in the same boot until 152 s."""
    folder = Folder(tmp_path)
    stage_id = folder.stage("s-1", 3)
    where = record.stage_dir(folder.root, stage_id)
    head = {"event": "attempt_begin", "boot_id": BOOT, "session": "S1"}
    epochs = [
        {"event": "epoch", "epoch": n, "begin_s": t - 10, "train_end_s": t - 1, "t_s": t}
        for n, t in ((1, 110), (2, 120), (3, 151))
    ]
    write_events(
        where,
        [
            dict(head, t_s=99.9),
            {"event": "stage_begin", "t_s": 100},
            *epochs[:2],
            dict(head, t_s=140.9),
            {"event": "stage_resume", "t_s": 141},
            epochs[2],
            {"event": "stage_end", "t_s": 152},
        ],
    )
    write_log(
        os.path.join(where, record.POWER),
        [
            (t, 10_000)
            for t in [
                *range(99_900_000, 130_000_001, 50_000),
                *range(140_950_000, 152_050_001, 50_000),
            ]
        ],
    )
    stage = stage_of(folder, stage_id)
    assert stage_energy(stage).joules == pytest.approx(310.0)
    assert stage_energy(stage).coverage == 1.0
    assert repeated_energy(stage).joules == pytest.approx(100.0)


def test_a_lost_log_is_void_and_not_zero(tmp_path):
    folder = Folder(tmp_path)
    run = [folder.stage("a-1", 2), folder.stage("b-1", 2, logged=False)]
    folder.run("dense", 0.0, run)
    cost = Accounting().run(load([tmp_path])[0])
    assert cost.useful.void
    assert cost.useful.joules is None
    assert cost.useful.coverage == pytest.approx(0.5)


def test_an_unknown_mode_is_refused():
    with pytest.raises(HarnessError, match="guessed"):
        Accounting([], "guessed")


def test_a_damaged_event_says_where(tmp_path):
    folder = Folder(tmp_path)
    folder.run("dense", 0.0, [folder.stage("a-1", 2)])
    path = Path(record.stage_dir(folder.root, "a-1"), record.EVENTS)
    lines = path.read_text().splitlines()
    lines[1] = lines[1][:10]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(HarnessError, match="line 2"):
        Accounting().run(load([tmp_path])[0])
    assert json.loads(lines[0])


@pytest.mark.parametrize(
    "events", [None, b"", b"garbage\n", b'{"event": "stage_begin", "t_s": 100.0}\n']
)
def test_a_stage_whose_marks_are_lost_is_void_and_says_so(tmp_path, events):
    folder = Folder(tmp_path)
    folder.idle()
    run_id = folder.run("snip", 0.5, [folder.stage("a-1", 10), folder.stage("b-1", 10)])
    path = os.path.join(record.stage_dir(str(tmp_path), "b-1"), record.EVENTS)
    os.remove(path)
    if events is not None:
        with open(path, "wb") as file:
            file.write(events)
    (run,) = load([os.path.join(tmp_path, run_id)])
    cost, lost = Accounting().run(run), Accounting().stage(run.stages[1])
    assert lost.useful.void_reason == lost.net.void_reason == "no stage marks in the events of b-1"
    assert cost.useful.void
    assert cost.net.void
    assert cost.evaluation.void
    assert cost.useful.coverage == pytest.approx(0.5)
    assert cost.useful.void_reason.endswith(": no stage marks in the events of b-1")
    for form in ("text", "json"):
        assert "no stage marks in the events of b-1" in table2([tmp_path]).render(form)
    assert check([tmp_path])
