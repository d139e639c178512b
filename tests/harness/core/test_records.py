"""Files of a run: whole or absent, readable after a kill; newer formats are refused."""

import hashlib
import json
import os

import pytest

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import EventLog, attempts, kept_epochs

SPEC = {
    "method": "dense",
    "model": "vgg16",
    "dataset": "digits",
    "prune_ratio": 0.5,
    "width": 1.0,
    "batch": 64,
    "epochs": 3,
}
ACCURACY = {"best": 0.5, "last": 0.4}
WORK = {
    "structure": "ab",
    "widths": [1],
    "macs": 1,
    "forward_flops": 2,
    "images_per_epoch": 10,
    "epochs": 3,
    "batch": 64,
}


def test_a_record_comes_back_as_it_was_written(tmp_path):
    run = record.RunRecord(
        "r", SPEC, ("a", "b"), ACCURACY, warnings=({"name": "w"},), sessions=("s",)
    )
    os.makedirs(record.run_dir(str(tmp_path), "r"))
    record.write_run(str(tmp_path), run)
    assert record.read_run(str(tmp_path), "r") == run
    assert list(record.find_runs(str(tmp_path))) == [run]
    stage = record.StageRecord("s", "dense", "m:f", upstream=("x",), work=WORK)
    os.makedirs(record.stage_dir(str(tmp_path), "s"))
    record.write_stage(str(tmp_path), stage)
    assert record.read_stage(str(tmp_path), "s") == stage


def test_a_stage_states_the_digests_of_its_events_and_power_logs(tmp_path):
    folder = record.stage_dir(str(tmp_path), "s")
    os.makedirs(folder)
    for name in (
        "events.jsonl",
        "power.csv",
        "power-serial.csv",
        "epochs.csv",
        "before-1-power.csv",
    ):
        with open(os.path.join(folder, name), "w") as file:
            file.write(name)
    record.write_stage(str(tmp_path), record.StageRecord("s", "dense", "m:f"))
    assert record.read_stage(str(tmp_path), "s").digests == {
        name: hashlib.sha256(name.encode()).hexdigest()
        for name in ("events.jsonl", "power.csv", "power-serial.csv")
    }


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = str(tmp_path / "a.json")
    record.write_json(path, {"x": 1})
    with pytest.raises(ValueError):
        record.write_json(path, {"x": float("nan")})
    with pytest.raises(TypeError):
        record.write_json(path, {"x": object()})
    assert record.read_json(path)["x"] == 1
    assert os.listdir(str(tmp_path)) == ["a.json"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("{}", "no format version"),
        ('{"format": "1"}', "no format version"),
        ('{"format": 2}', "format 2"),
        ('{"format": 1, "id": "r"}', "lacks the field 'spec'"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, text, part):
    os.makedirs(str(tmp_path / "r"))
    (tmp_path / "r" / "record.json").write_text(text)
    with pytest.raises(HarnessError) as refused:
        record.read_run(str(tmp_path), "r")
    assert part in refused.value.message
    assert "record.json" in refused.value.message
    assert refused.value.hint


def test_an_older_record_with_fewer_fields_is_read(tmp_path):
    os.makedirs(str(tmp_path / "r"))
    (tmp_path / "r" / "record.json").write_text(
        json.dumps({"format": 1, "id": "r", "spec": SPEC, "stages": ["a"], "accuracy": ACCURACY})
    )
    assert record.read_run(str(tmp_path), "r").warnings == ()


def test_a_record_that_is_not_there_is_named(tmp_path):
    with pytest.raises(HarnessError) as refused:
        record.read_stage(str(tmp_path), "s")
    assert "stage.json: no such file" in refused.value.message
    with pytest.raises(HarnessError):
        list(record.find_runs(str(tmp_path / "none")))


def test_events_cut_anywhere_are_read_up_to_there(tmp_path):
    path = str(tmp_path / "events.jsonl")
    log = EventLog(path)
    log.write("attempt_begin", attempt=1)
    log.write("stage_begin")
    log.write("epoch", epoch=1, begin_s=0.5, train_end_s=0.6, loss=float("inf"), checkpoint="1-1")
    log.write("epoch", epoch=2, begin_s=1.5, train_end_s=1.6, checkpoint="1-2")
    log.close()
    data = (tmp_path / "events.jsonl").read_bytes()
    whole = record.read_events(path)
    assert [event["event"] for event in whole] == [
        "attempt_begin",
        "stage_begin",
        "epoch",
        "epoch",
    ]
    assert whole[2]["loss"] is None
    for cut in range(len(data)):
        with open(path, "wb") as file:
            file.write(data[:cut])
        assert record.read_events(path) == whole[: data[:cut].count(b"\n")]


def test_a_new_attempt_after_a_cut_line_stands_alone(tmp_path):
    path = str(tmp_path / "events.jsonl")
    log = EventLog(path)
    log.write("attempt_begin", attempt=1)
    log.write("epoch", epoch=1, begin_s=0.5, train_end_s=0.6, checkpoint="1-1")
    log.close()
    with open(path, "ab") as file:
        file.write(b'{"event": "epo')
    log = EventLog(path)
    log.write("attempt_begin", attempt=2)
    log.write("epoch", epoch=2, begin_s=1.5, train_end_s=1.6)
    log.close()
    events = record.read_events(path)
    assert [one.first["attempt"] for one in attempts(events)] == [1, 2]
    assert [event["epoch"] for event, _ in kept_epochs(attempts(events))] == [1, 2]
    kept = [event for event, _ in kept_epochs(attempts(events))]
    assert [event["checkpoint"] for event in kept if "checkpoint" in event] == ["1-1"]
    with open(path, "ab") as file:
        file.write(b"garbage\n" + json.dumps({"event": "epoch", "epoch": 3}).encode() + b"\n")
    with pytest.raises(HarnessError) as refused:
        record.read_events(path)
    assert "line 6: not an event" in refused.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"accuracy": "x"},
        {"stages": [5]},
        {"stages": "abc"},
        {"spec": []},
        {"warnings": ["w"]},
        {"finished": "now"},
    ],
)
def test_a_record_with_a_field_of_another_type_is_damaged(tmp_path, change):
    os.makedirs(record.run_dir(str(tmp_path), "one"))
    record.write_run(str(tmp_path), record.RunRecord("one", SPEC, ("a",), ACCURACY))
    path = tmp_path / "one" / "record.json"
    path.write_text(json.dumps(dict(json.loads(path.read_text()), **change)))
    with pytest.raises(
        HarnessError, match=f"record.json: field '{list(change)[0]}' has the wrong type"
    ):
        record.read_run(str(tmp_path), "one")
