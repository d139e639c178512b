"""The engine without torch: marks, reuse, resumption, failures of the recorder, stopping."""

import io
import json
import os
from pathlib import Path

import pytest

from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import EventLog, attempts
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.run import planned, run_spec
from joulebird.harness.runs.rundir import is_finished
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from joulebird.harness.runs.stage import Interrupted
from tests.harness import toy


def spec_of(method="prune_and_grow", **fields):
    data = dict(
        {
            "method": "tests.harness.toy:" + method,
            "model": "vgg16",
            "dataset": "digits",
            "prune_ratio": 0.5,
            "epochs": 4,
        },
        **fields,
    )
    return from_dict(data)


class Fixture:
    def __init__(self, root):
        root.mkdir(exist_ok=True)
        self.root = str(root / "runs")
        self.log = str(root / "calls.log")
        self.talk = io.StringIO()
        self.calls = []
        self.breaks_at = None

    def session(self, **options):
        recorders = Recorders({"": lambda: toy.FakeRecorder(self.calls, self.breaks_at)})
        return Session(
            self.root,
            recorders,
            Progress(self.talk, environ={}),
            backend=toy.Backend(self.log),
            **options,
        )

    def run(self, *specs, **options):
        with self.session(**options) as session:
            return [run_spec(session, spec) for spec in specs]

    def grown(self):
        return Path(self.log).read_text().splitlines() if os.path.exists(self.log) else []

    def events(self, stage_id):
        return record.read_events(
            os.path.join(record.stage_dir(self.root, stage_id), record.EVENTS)
        )


@pytest.fixture
def here(tmp_path):
    return Fixture(tmp_path)


def test_a_run_leaves_the_files_that_architecture_names(here):
    spec = spec_of()
    done = here.run(spec)[0]
    assert json.loads(Path(here.root, spec.id, "spec.json").read_text())["prune_ratio"] == 0.5
    assert done == record.read_run(here.root, spec.id)
    assert len(done.stages) == 3
    assert done.id == spec.id
    for stage_id in done.stages:
        names = set(os.listdir(record.stage_dir(here.root, stage_id)))
        assert {"recipe.json", "events.jsonl", "result.pt", "stage.json"} <= names
        assert "checkpoint.pt" not in names
        assert not [name for name in names if "part" in name]
    assert done.accuracy == {"best": 0.9, "last": 0.9, "best_epoch": 4}
    assert [one["name"] for one in done.warnings] == ["layer_emptied"]
    assert "conv3" in done.warnings[0]["text"]
    assert done.warnings[0]["remedy"]
    assert done.warnings[0]["stage"] == "halve"
    assert done.metrics["dense"]["value"] > 0
    assert done.source["name"] == "fake"


def test_events_come_in_the_order_of_the_contract(here):
    done = here.run(spec_of())[0]
    names = [event["event"] for event in here.events(done.stages[0])]
    assert names == ["attempt_begin", "stage_begin"] + ["epoch"] * 4 + ["metric", "stage_end"]
    times = [event["t_s"] for event in here.events(done.stages[0]) if event["event"] != "metric"]
    assert times == sorted(times)
    stage = record.read_stage(here.root, done.stages[0])
    assert stage.work["epochs"] == 4
    assert stage.work["macs"] == 1000
    assert len(stage.work["structure"]) == 12
    assert stage.seconds == pytest.approx(times[-1] - times[1], abs=1e-5)
    assert record.read_stage(here.root, done.stages[1]).upstream == (done.stages[0],)


def test_samples_bracket_the_marks(here):
    done = here.run(spec_of(method="only_grow"))[0]
    events = {event["event"]: event["t_s"] for event in here.events(done.stages[0])}
    samples = [call[1] for call in here.calls if call[0] == "sample"]
    assert samples[0] <= events["stage_begin"] + 1e-6
    assert samples[-1] >= events["stage_end"] - 1e-6
    assert [call[0] for call in here.calls] == [
        "start",
        "check",
        "open",
        "sample",
        "sample",
        "close_log",
        "stop",
    ]


def test_a_stage_with_the_same_recipe_is_done_once(here):
    here.run(spec_of(prune_ratio=0.3), spec_of(prune_ratio=0.5))
    assert len(here.grown()) == 3  # one dense training, two retrainings
    here.run(spec_of(prune_ratio=0.7))
    assert len(here.grown()) == 4


def test_a_finished_run_is_only_read(here):
    spec = spec_of()
    first = here.run(spec)
    del here.calls[:]
    assert here.run(spec) == first
    assert here.calls == []


def test_deleting_a_stage_asks_for_it_again(here):
    import shutil

    spec = spec_of()
    done = here.run(spec)[0]
    assert is_finished(here.root, spec.id)
    shutil.rmtree(record.stage_dir(here.root, done.stages[2]))
    assert not is_finished(here.root, spec.id)
    again = here.run(spec)[0]
    assert again.stages == done.stages
    assert len(here.grown()) == 3


def test_a_recorder_that_breaks_does_not_harm_the_training(here):
    here.breaks_at = "open"
    done = here.run(spec_of())[0]
    failures = [one for one in done.warnings if one["name"] == "recorder_failed"]
    assert failures
    assert "the recorder is gone" in failures[0]["text"]
    assert "void" in failures[0]["text"]
    assert done.accuracy["last"] == 0.9
    assert [call[0] for call in here.calls].count("start") >= 3  # each stage tries anew


def test_a_source_that_cannot_start_ends_the_session_before_any_training(here):
    here.breaks_at = "start"
    with pytest.raises(OSError):
        here.run(spec_of())
    assert here.grown() == []


def test_without_a_source_the_record_says_so(here):
    with Session(
        here.root, Recorders({}), Progress(here.talk, environ={}), backend=toy.Backend()
    ) as session:
        done = run_spec(session, spec_of(method="only_grow"))
    assert [one["name"] for one in done.warnings] == ["not_measured"]
    assert done.source == {}


def test_a_stop_keeps_the_epoch_and_the_next_session_continues(here, tmp_path):
    spec = spec_of(method="only_grow", epochs=6)
    session = here.session()
    toy.stop_after(session, 2)
    with pytest.raises(Interrupted) as stopped, session:
        run_spec(session, spec)
    assert stopped.value.exit_code == 130
    assert "epoch 2" in stopped.value.message
    done = here.run(spec)[0]
    tries = attempts(here.events(done.stages[0]))
    assert [one.first["from_epoch"] for one in tries] == [0, 2]
    assert [event["epoch"] for one in tries for event in one.epochs] == [1, 2, 3, 4, 5, 6]
    marks = [event["event"] for event in here.events(done.stages[0])]
    assert marks.count("stage_begin") == marks.count("stage_resume") == 1
    assert marks.index("stage_begin") < marks.index("stage_resume")
    whole = Fixture(tmp_path / "whole")
    assert whole.run(spec)[0].metrics == done.metrics
    stage = record.read_stage(here.root, done.stages[0])
    assert stage.attempts == 2
    assert stage.work["epochs"] == 6
    assert "resumed" in [one["name"] for one in stage.warnings]


def test_failed_training_lets_the_other_runs_go_on(here):
    with here.session() as session:
        records, failures = run_all(
            session, [spec_of(method="breaks"), spec_of(method="only_grow")]
        )
    assert [one.id for one in records] == [spec_of(method="only_grow").id]
    assert failures[0][1].exit_code == 5
    assert "epoch 3" in failures[0][1].message


def test_a_bug_in_a_stage_is_no_user_error(here):
    with pytest.raises(TypeError):
        here.run(spec_of(method="buggy"))
    assert not is_finished(here.root, spec_of(method="buggy").id)


def test_a_second_process_is_refused_with_the_name_of_the_first(here):
    with here.session(), pytest.raises(HarnessError) as refused, here.session():
        pass
    assert refused.value.exit_code == 75
    assert str(os.getpid()) in refused.value.message


def test_two_folders_of_runs_on_one_machine_never_train_at_once(here, tmp_path):
    """Each would add to the other's energy."""
    other = Fixture(tmp_path / "elsewhere")
    with here.session(), pytest.raises(HarnessError, match="trains already") as refused:
        other.run(spec_of())
    assert refused.value.exit_code == 75
    assert not os.path.exists(os.path.join(other.root, "stages"))


def test_a_stage_that_another_machine_trains_is_left_alone(here):
    """Machines that share a folder have a lock each; a stage has one for all of them."""
    stage = planned(spec_of(), here.root, toy.Backend())[0]
    folder = record.stage_dir(here.root, stage.id)
    os.makedirs(folder)
    theirs = EventLog(os.path.join(folder, record.EVENTS))
    with pytest.raises(HarnessError, match="another process") as refused:
        here.run(spec_of())
    assert refused.value.exit_code == 75
    assert os.listdir(folder) == [record.EVENTS]
    theirs.close()
    assert here.run(spec_of())


def test_a_plan_names_the_stages_without_doing_them(here):
    spec = spec_of()
    plan = planned(spec, here.root, toy.Backend())
    assert [one.name for one in plan] == ["dense", "halve", "retrain"]
    assert not os.path.exists(here.root)
    assert tuple(one.id for one in plan) == here.run(spec)[0].stages
    assert [
        one.name
        for one in planned(spec_of(method="looks_inside", seed=7), here.root, toy.Backend())
    ] == ["dense"]


def test_idle_is_measured_around_the_work_of_a_session_only(here):
    spec = spec_of(method="only_grow")
    here.run(spec, idle_s=0.05)
    folders = sorted(os.listdir(os.path.join(here.root, "idle")))
    assert [name.rpartition("-")[2] for name in folders] == ["after", "before"]
    names = [
        event["event"]
        for event in record.read_events(os.path.join(here.root, "idle", folders[0], "events.jsonl"))
    ]
    assert names == ["attempt_begin", "stage_begin", "stage_end"]
    here.run(spec, idle_s=0.05)
    assert len(os.listdir(os.path.join(here.root, "idle"))) == 2


def test_a_killed_attempt_that_had_ended_is_only_written_down(here):
    spec = spec_of(method="only_grow")
    done = here.run(spec)[0]
    os.remove(os.path.join(record.stage_dir(here.root, done.stages[0]), record.STAGE))
    again = here.run(spec)[0]
    assert len(here.grown()) == 1
    assert again.stages == done.stages
    assert record.read_stage(here.root, done.stages[0]).attempts == 1


def test_a_newer_file_is_refused(here):
    spec = spec_of(method="only_grow")
    here.run(spec)
    path = os.path.join(here.root, spec.id, record.RECORD)
    data = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps(dict(data, format=99)))
    with pytest.raises(HarnessError) as refused:
        record.read_run(here.root, spec.id)
    assert refused.value.hint == "update joulebird"


def test_a_recorder_that_dies_between_epochs_is_started_again(here):
    made = []

    def make():
        made.append(toy.FakeRecorder(here.calls))
        return made[-1]

    session = Session(
        here.root, Recorders({"": make}), Progress(here.talk, environ={}), backend=toy.Backend()
    )
    epoch = session.progress.epoch

    def die_at_two(number, *rest):
        epoch(number, *rest)
        if number == 2:
            made[-1].alive = False
            made[-1].breaks_at = "open"

    session.progress.epoch = die_at_two
    with session:
        done = run_spec(session, spec_of(method="only_grow"))
    assert len(made) == 2
    assert [call[0] for call in here.calls].count("open") == 3
    assert [one["name"] for one in done.warnings] == ["recorder_restarted"]
