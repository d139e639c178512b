"""A board's health in the events and the record of a stage: followed by a process of its own,
from the stage's begin to its end.
"""

import io
import json
import os
import time

import pytest

from joulebird.harness.cli.progress import Progress
from joulebird.harness.core import records as record
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.environment import environment
from joulebird.harness.runs.monitor import Monitor
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from tests.devices.changing_board import Board, change_mode
from tests.harness import toy


@pytest.fixture
def board(tmp_path, monkeypatch):
    made = Board(tmp_path / "tree", state="train")
    monkeypatch.setenv("FAKE_ROOT", made.tree.root)
    yield made
    made.tree.close()


def throttles_between(task, run):
    """One stage in which the board throttles and recovers between two looks of the training."""
    return run.stage("dense", hot, task)


def hot(stage, task):
    """Heat comes and goes, each for longer than the monitor's period."""
    tree = Board.__new__(Board)
    tree.tree = ROOT[0]
    wait_for_health(stage.folder, 1)
    tree.cool(2, "gpu-balanced", 3)
    wait_for_event(stage.folder, "throttle")
    tree.cool(2, "gpu-balanced", 0)
    return toy.grow(stage, task)


ROOT = []


def wait(reached):
    deadline = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_health(folder, count):
    wait(lambda: len(record.read_health(os.path.join(folder, "events.jsonl"))) >= count)


def wait_for_event(folder, name):
    wait(
        lambda: (
            name
            in [
                event["event"] for event in record.read_events(os.path.join(folder, "events.jsonl"))
            ]
        )
    )


def run(root, method, board_root):
    spec = from_dict(
        {"method": method, "model": "vgg16", "dataset": "digits", "prune_ratio": 0.5, "epochs": 2},
        "test",
    )
    with Session(
        str(root),
        Recorders({}),
        Progress(io.StringIO(), environ={}),
        backend=toy.Backend(),
        board_root=board_root,
    ) as session:
        (done,), failures = run_all(session, [spec])
    assert not failures
    return done


def test_health_is_in_the_events_of_a_stage_and_its_troubles_in_the_record(tmp_path, board):
    ROOT[:] = [board.tree]
    done = run(
        tmp_path / "runs", "tests.harness.runs.test_monitor:throttles_between", board.tree.root
    )
    path = os.path.join(record.stage_dir(str(tmp_path / "runs"), done.stages[0]), record.EVENTS)
    names = [event["event"] for event in record.read_events(path)]
    assert names[0] == "attempt_begin"
    assert names[-1] == "stage_end"
    assert names.count("throttle") == 1
    assert "health" not in names
    health = record.read_health(path)
    assert health[0]["temps_c"]["GPU-therm"] == 32.0
    assert health[0]["power_mode"] == 0
    assert health[0]["clocks_locked"] is False
    assert [(one["name"], one["by"]) for one in done.warnings if one["name"] == "throttled"] == [
        ("throttled", "gpu-balanced 2 (state 3)")
    ]
    assert done.environment["power_mode"] == "MAXN"
    assert done.environment["clocks_locked"] is False
    assert done.environment["l4t"] == "32.7.1"
    assert done.environment["boot_id"] == "11111111-aaaa"
    assert done.environment["fan"]["temp_control"] == 1


def test_elsewhere_there_is_no_health_and_no_process(tmp_path):
    done = run(tmp_path / "runs", "tests.harness.toy:only_grow", str(tmp_path))
    path = os.path.join(record.stage_dir(str(tmp_path / "runs"), done.stages[0]), record.EVENTS)
    assert record.read_health(path) == []
    assert "power_mode" not in done.environment
    assert [one["name"] for one in done.warnings] == ["not_measured"]


def names_of(news):
    return [name for name, _ in news]


def test_a_trouble_just_before_the_end_of_a_stage_is_seen(tmp_path, board):
    """The monitor takes one last sample when it is stopped: the period may be longer than a
    stage.
    """
    monitor = Monitor(str(tmp_path / "events.jsonl"), board.tree.root)
    assert monitor.news() == []
    change_mode(board)
    assert names_of(monitor.close()) == ["mode_changed"]
    assert monitor.close() == []


def test_troubles_of_killed_attempts_count_too(tmp_path, board):
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"event": "attempt_begin", "t_s": 1}\n{"event": "swap", "t_s": 2, "pages": 3}\n'
    )
    monitor = Monitor(str(path), board.tree.root)
    assert monitor.news() == [("swapped", {"pages": 3})]
    assert monitor.news() == []
    monitor.close()


def test_a_monitor_that_dies_is_a_warning_and_harms_nothing(tmp_path, board):
    monitor = Monitor(str(tmp_path / "events.jsonl"), board.tree.root)
    monitor._log._child._process.kill()
    monitor._log._child._process.wait()
    assert set(names_of(monitor.news())) == {"health_unknown"}
    assert set(names_of(monitor.close())) == {"health_unknown"}
    assert monitor.close() == []


def test_events_that_cannot_be_written_end_the_log_not_the_stage(tmp_path, board):
    monitor = Monitor(str(tmp_path / "nowhere" / "events.jsonl"), board.tree.root)
    assert set(names_of(monitor.news() + monitor.close())) == {"health_unknown"}


def test_health_between_events_in_any_order_is_passed_over(tmp_path):
    """The two writers do not wait for each other; a kill may cut a line of either."""
    path = tmp_path / "events.jsonl"
    lines = [
        {"event": "attempt_begin", "t_s": 1.0},
        {"event": "health", "t_s": 3.0},
        {"event": "stage_begin", "t_s": 2.0},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    text += '{"epoch": 1, "ev\n{"event": "health", "t_s": 4.0}\n{"event": "health", "t\n'
    path.write_text(text + '{"event": "attempt_begin", "t_s": 9.0}\n{"event": "health", "t')
    assert [event["event"] for event in record.read_events(str(path))] == [
        "attempt_begin",
        "stage_begin",
        "attempt_begin",
    ]
    assert [event["t_s"] for event in record.read_health(str(path))] == [3.0, 4.0]


def test_a_boards_environment_names_what_a_comparison_must_keep(board):
    found = environment(board.tree.root)
    assert {"power_mode", "clocks_locked", "fan", "l4t", "boot_id"} <= set(found)
