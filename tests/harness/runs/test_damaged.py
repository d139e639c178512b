"""Damaged checkpoints, results and records: fall back, do the stage again, say so, go on."""

import contextlib
import json
import os
import random
from pathlib import Path

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import attempts, kept_epochs
from joulebird.harness.runs.checkpoints import Checkpoints, Damaged, Saving
from joulebird.harness.runs.rundir import is_finished
from joulebird.harness.runs.session import run_all
from joulebird.harness.runs.stage import Interrupted
from tests.harness import toy
from tests.harness.runs.test_engine import Fixture, spec_of

SPEC = spec_of(method="only_grow", epochs=6)


@pytest.fixture
def here(tmp_path):
    return Fixture(tmp_path)


def stopped(here, epoch=4):
    """A run that was stopped after an epoch; gives the folder of its stage."""
    session = here.session()
    toy.stop_after(session, epoch)
    with pytest.raises(Interrupted), session:
        run_all(session, [SPEC])
    (name,) = os.listdir(os.path.join(here.root, "stages"))
    return Path(here.root, "stages", name)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-5])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = [truncate, empty, remove]


def named(stage, name):
    return [one for one in stage.warnings if one["name"] == name]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(here, tmp_path, damage):
    folder = stopped(here)
    damage(folder / record.CHECKPOINT)
    done = here.run(SPEC)[0]
    tries = attempts(here.events(done.stages[0]))
    assert [one.first["from_epoch"] for one in tries] == [0, 3]
    assert [event["epoch"] for event in tries[0].epochs] == [1, 2, 3]
    assert [event["epoch"] for event in tries[1].epochs] == [4, 5, 6]
    assert tries[0].useful.end_s == tries[0].epochs[-1]["t_s"]
    stage = record.read_stage(here.root, done.stages[0])
    (warning,) = named(stage, "checkpoint_damaged")
    assert warning["file"] == record.CHECKPOINT
    assert warning["reason"]
    assert warning["text"] in here.talk.getvalue()
    assert stage.seconds == pytest.approx(sum(one.seconds for one in tries), abs=1e-3)
    assert done.metrics == Fixture(tmp_path / "whole").run(SPEC)[0].metrics
    rows = (folder / record.EPOCHS).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", *"123456"]
    assert not list(folder.glob("checkpoint*"))


def test_a_stage_begins_again_when_both_generations_are_damaged(here, tmp_path):
    folder = stopped(here)
    files = sorted(folder.glob("checkpoint*"))
    assert len(files) == 2
    for path in files:
        truncate(path)
    done = here.run(SPEC)[0]
    tries = attempts(here.events(done.stages[0]))
    assert [one.first["from_epoch"] for one in tries] == [0, 0]
    assert tries[0].useful is None
    assert [event["epoch"] for event in tries[1].epochs] == [1, 2, 3, 4, 5, 6]
    assert len(named(record.read_stage(here.root, done.stages[0]), "checkpoint_damaged")) == 2
    assert done.metrics == Fixture(tmp_path / "whole").run(SPEC)[0].metrics


@pytest.mark.parametrize(("lost", "begins"), [(1, 3), (2, 0)])
def test_checkpoints_newer_than_the_events_are_not_used(here, tmp_path, lost, begins):
    """A card that lied about its sync lost the last events of epochs, not their checkpoints."""
    folder = stopped(here)
    lines = (folder / record.EVENTS).read_bytes().splitlines(True)
    epochs = [line for line in lines if b'"epoch"}' in line]
    kept = [line for line in lines if line not in epochs[-lost:]]
    (folder / record.EVENTS).write_bytes(b"".join(kept))
    done = here.run(SPEC)[0]
    tries = attempts(here.events(done.stages[0]))
    assert tries[1].first["from_epoch"] == begins
    assert [event["epoch"] for event, _ in kept_epochs(tries)] == [1, 2, 3, 4, 5, 6]
    assert done.metrics == Fixture(tmp_path / "whole").run(SPEC)[0].metrics
    assert begins or named(record.read_stage(here.root, done.stages[0]), "checkpoint_damaged")


def test_a_folder_of_before_goes_on_from_its_one_checkpoint(here):
    folder = stopped(here)
    for path in folder.glob("checkpoint.pt.*"):
        path.unlink()
    path = folder / record.CHECKPOINT
    state = json.loads(path.read_text())
    path.write_text(json.dumps({key: state[key] for key in ("epoch", "value")}))
    done = here.run(SPEC)[0]
    tries = attempts(here.events(done.stages[0]))
    assert [one.first["from_epoch"] for one in tries] == [0, 4]


def test_there_are_two_generations_and_the_one_being_written(here, monkeypatch):
    seen, save = [], toy.Json.save

    def saved(path, value):
        save(path, value)
        folder = os.path.dirname(path)
        seen.append(len([name for name in os.listdir(folder) if name.startswith("checkpoint")]))

    monkeypatch.setattr(toy.Json, "save", staticmethod(saved))
    here.run(SPEC)
    assert seen[:6] == [1, 2, 3, 3, 3, 3]


class Cut(BaseException):
    """Stands for the kill."""


@pytest.mark.parametrize("instant", range(4))
def test_a_kill_between_the_renames_of_a_commit(tmp_path, monkeypatch, instant):
    checkpoints = Checkpoints(str(tmp_path), lambda: Saving(toy.Json), 1)
    events = []
    for number in (1, 2, 3):
        checkpoints.save({"epoch": number})
        events.append({"epoch": number, "checkpoint": checkpoints.pending})
        if number < 3:
            checkpoints.commit()
    left = [instant]

    def dies(function):
        def may_die(*args):
            if not left[0]:
                raise Cut
            left[0] -= 1
            return function(*args)

        return may_die

    with monkeypatch.context() as patched:
        for name in ("remove", "replace"):
            patched.setattr(os, name, dies(getattr(os, name)))
        if instant < 3:
            with pytest.raises(Cut):
                checkpoints.commit()
        else:
            checkpoints.commit()
    again = Checkpoints(str(tmp_path), lambda: Saving(toy.Json), 2)
    assert again.recover(events) is events[-1]
    assert again.load() == {"epoch": 3}
    assert again.load() == {"epoch": 3}
    assert again.damaged == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_result_is_made_again_and_the_study_goes_on(here, tmp_path, damage):
    before = here.run(spec_of(prune_ratio=0.3))[0]
    dense = before.stages[0]
    spent_s = record.read_stage(here.root, dense).seconds
    damage(Path(record.stage_dir(here.root, dense), record.RESULT))
    specs = [spec_of(prune_ratio=0.5), spec_of(prune_ratio=0.7)]
    with here.session() as session:
        done, failures = run_all(session, specs)
    assert failures == []
    assert [one.id for one in done] == [one.id for one in specs]
    stage = record.read_stage(here.root, dense)
    (warning,) = named(stage, "result_damaged")
    assert warning["file"] == record.RESULT
    assert dense in warning["text"]
    assert warning["text"] in here.talk.getvalue()
    assert [one["name"] for one in stage.warnings].count("checkpoint_damaged") == 0
    tries = attempts(here.events(dense))
    assert [one.first["from_epoch"] for one in tries] == [0, 0]
    assert [one.useful is None for one in tries] == [True, False]
    assert stage.seconds == pytest.approx(tries[1].seconds, abs=1e-3)
    assert spent_s > 0
    assert is_finished(here.root, before.id)
    whole = Fixture(tmp_path / "whole").run(*specs)
    assert [one.metrics for one in done] == [one.metrics for one in whole]


def test_a_stage_done_again_may_be_killed_too(here):
    done = here.run(SPEC, spec_of(method="prune_and_grow", epochs=6))[1]
    truncate(Path(record.stage_dir(here.root, done.stages[0]), record.RESULT))
    session = here.session()
    toy.stop_after(session, 2)
    other = spec_of(method="prune_and_grow", epochs=6, prune_ratio=0.7)
    with pytest.raises(Interrupted), session:
        run_all(session, [other])
    assert here.run(other)[0].stages[0] == done.stages[0]
    tries = attempts(here.events(done.stages[0]))
    assert [one.first["from_epoch"] for one in tries] == [0, 0, 2]
    stage = record.read_stage(here.root, done.stages[0])
    assert len(named(stage, "result_damaged")) == 1
    assert [event["epoch"] for event, _ in kept_epochs(tries)] == [1, 2, 3, 4, 5, 6]


def test_a_result_and_the_last_event_damaged_by_one_power_cut(here):
    done = here.run(SPEC)[0]
    folder = Path(record.stage_dir(here.root, done.stages[0]))
    for name in (record.RESULT, record.EVENTS):
        truncate(folder / name)
    other = spec_of(method="prune_and_grow", epochs=6)
    assert here.run(other)[0].stages[0] == done.stages[0]
    assert named(record.read_stage(here.root, done.stages[0]), "restarted")
    assert "result.pt of the finished stage" in here.talk.getvalue()


def test_a_result_that_a_method_looks_into(here):
    spec = spec_of(method="looks_inside")
    done = here.run(spec)[0]
    empty(Path(record.stage_dir(here.root, done.stages[0]), record.RESULT))
    Path(here.root, spec.id, record.RECORD).unlink()
    with here.session() as session:
        assert [one.metrics for one in run_all(session, [spec])[0]] == [done.metrics]


def test_a_result_that_cannot_be_kept_is_one_error(here, monkeypatch):
    load = toy.Json.load

    def never(path):
        if path.endswith(record.RESULT):
            raise ValueError("garbled")
        return load(path)

    monkeypatch.setattr(toy.Json, "load", staticmethod(never))
    with pytest.raises(Damaged, match="is damaged: garbled") as refused:
        here.run(spec_of())
    assert refused.value.hint
    assert len(here.grown()) == 2  # once more, and no further


def test_results_that_this_user_may_not_read_are_no_damage(tmp_path):
    class Shut:
        @staticmethod
        def load(path):
            raise HarnessError(path) from PermissionError(13, "Permission denied")

    (tmp_path / record.RESULT).write_text("")
    with pytest.raises(HarnessError) as refused:
        Saving(Shut).load(str(tmp_path))
    assert not isinstance(refused.value, Damaged)


@pytest.mark.parametrize("damage", [truncate, empty])
def test_a_truncated_stage_is_finished_from_its_last_event(here, damage):
    done = here.run(SPEC)[0]
    path = Path(record.stage_dir(here.root, done.stages[0]), record.STAGE)
    whole = path.read_text()
    damage(path)
    assert not record.is_done(str(path.parent), record.STAGE)
    assert not is_finished(here.root, SPEC.id)
    assert here.run(SPEC)[0].stages == done.stages
    assert path.read_text() == whole
    assert len(here.grown()) == 1


def test_a_truncated_stage_without_that_event_is_done_again(here):
    done = here.run(SPEC)[0]
    path = Path(record.stage_dir(here.root, done.stages[0]), record.STAGE)
    truncate(path)
    events = path.parent / record.EVENTS
    events.write_bytes(b"".join(events.read_bytes().splitlines(True)[:-1]))
    assert here.run(SPEC)[0].metrics == done.metrics
    assert len(here.grown()) == 2


@pytest.mark.parametrize("damage", [truncate, empty])
def test_a_truncated_record_is_written_again_from_its_stages(here, damage):
    spec = spec_of()
    done = here.run(spec)[0]
    damage(Path(here.root, spec.id, record.RECORD))
    assert not is_finished(here.root, spec.id)
    again = here.run(spec)[0]
    assert again.stages == done.stages
    assert again.accuracy == done.accuracy
    assert len(here.grown()) == 2  # nothing was trained again


@pytest.mark.parametrize("change", [{"accuracy": None}, {"stages": []}, {"id": 3}])
def test_a_record_of_wrong_fields_is_not_done(here, change):
    here.run(SPEC)
    path = Path(here.root, SPEC.id, record.RECORD)
    path.write_text(json.dumps(dict(json.loads(path.read_text()), **change)))
    assert not is_finished(here.root, SPEC.id)


def test_a_record_of_a_newer_version_is_not_made_again(here):
    done = here.run(SPEC)[0]
    for path in (
        Path(here.root, SPEC.id, record.RECORD),
        Path(record.stage_dir(here.root, done.stages[0]), record.STAGE),
    ):
        before = path.read_text()
        path.write_text(json.dumps(dict(json.loads(before), format=99)))
        with pytest.raises(HarnessError, match="format 99"):
            here.run(SPEC)
        path.write_text(before)
    replace_by_a_folder(path)
    with pytest.raises(HarnessError, match="cannot be read"):
        record.is_done(str(path.parent), record.STAGE)


@pytest.mark.parametrize("name", [record.CHECKPOINT, record.RESULT, record.EPOCHS])
def test_a_folder_in_the_place_of_a_file_is_named(here, name):
    folder = stopped(here)
    if (folder / name).exists():
        (folder / name).unlink()
    (folder / name / "within").mkdir(parents=True)
    with pytest.raises(HarnessError, match="a file belongs there") as refused:
        here.run(SPEC)
    assert str(folder / name) in refused.value.message
    assert len(attempts(here.events(folder.name))) == 1  # nothing was trained
    assert refused.value.exit_code == 5
    (folder / name).rename(here.root + "/aside")
    assert here.run(SPEC)[0].accuracy["last"] == 1.0


def test_a_result_that_became_a_folder_is_named(here):
    done = here.run(SPEC)[0]
    folder = Path(record.stage_dir(here.root, done.stages[0]))
    os.remove(Path(here.root, SPEC.id, record.RECORD))
    replace_by_a_folder(folder / record.RESULT)
    os.remove(folder / record.STAGE)
    with pytest.raises(HarnessError, match="a file belongs there"):
        here.run(SPEC)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_stops_and_damage_at_random_end_like_an_undisturbed_run(here, tmp_path, seed):
    chance = random.Random(seed)
    spec = spec_of(epochs=8)
    names = [record.CHECKPOINT, record.RESULT, record.STAGE, record.RECORD]
    for _ in range(20):
        session, left = here.session(), [chance.randint(1, 6)]
        inner = session.progress.epoch

        def stop(number, *rest, inner=inner, session=session, left=left):
            inner(number, *rest)
            left[0] -= 1
            session._signals.stopping = not left[0]

        session.progress.epoch = stop
        with contextlib.suppress(Interrupted), session:
            run_all(session, [spec])
        files = [path for path in Path(here.root).glob("**/*") if path.name in names]
        files += list(Path(here.root).glob("stages/*/checkpoint.pt.*"))
        for path in chance.sample(sorted(files), min(len(files), chance.randint(0, 2))):
            chance.choice(DAMAGE)(path)
    done = here.run(spec)[0]
    # a damaged result shows when it is used, and its stage is used once more here
    whole = Fixture(tmp_path / "whole").run(spec)[0]
    assert (done.metrics, done.accuracy) == (whole.metrics, whole.accuracy)
    for name in done.stages:
        tries = attempts(here.events(name))
        epochs = [event["epoch"] for event, _ in kept_epochs(tries)]
        assert epochs in ([], [1, 2, 3, 4, 5, 6, 7, 8])
        assert [attempt.ended for attempt in tries] == [False] * (len(tries) - 1) + [True]
        windows = [attempt.useful for attempt in tries if attempt.useful]
        assert all(a.end_s <= b.begin_s for a, b in zip(windows, windows[1:]))
        stage = record.read_stage(here.root, name)
        assert stage.seconds == pytest.approx(sum(one.seconds for one in windows), abs=1e-3)
