"""What a board's files say of its health, and what is made of two such samples."""

import json

import pytest

from joulebird.devices.board.state import wait_settled
from joulebird.devices.health.compare import compare
from joulebird.devices.health.read import Health
from joulebird.harness.runs.warnings import WARNINGS
from tests.devices.changing_board import (
    GPU,
    Board,
    change_limit,
    change_mode,
    lock,
    reboot,
    sag,
    swap,
    throttle_by_heat,
    throttle_in_silence,
)


@pytest.fixture
def board(tmp_path):
    made = Board(tmp_path / "tree", state="train")
    yield made
    made.tree.close()


def test_a_sample_of_a_tx2(board):
    sample = Health(board.tree.root, board.clock).sample()
    assert sample["temps_c"]["GPU-therm"] == 32.0
    assert "PMIC-Die" not in sample["temps_c"]
    assert len(sample["temps_c"]) == 7
    assert sample["limits"]["gpu_max_hz"] == 1300500000
    assert sample["limits"]["online"] == "0-5"
    assert sample["clocks_hz"]["cpu0"] == 345600000
    assert sample["clocks_locked"] is False
    assert (sample["power_mode"], sample["boot_id"], sample["cooling"]) == (0, "11111111-aaaa", {})
    assert sample["swap"] == {"pages_in": 10, "pages_out": 20, "used_bytes": 1024000}
    assert sample["volts"] == {"VDD_IN": 19.12}
    json.dumps(sample)


def test_the_hwmon_form_tells_the_supply_too(tmp_path):
    board = Board(tmp_path / "tree", layout="hwmon")
    assert Health(board.tree.root).sample()["volts"] == {"VDD_IN": 19.12}
    board.tree.close()


def test_a_machine_without_any_of_this(tmp_path):
    sample = Health(str(tmp_path)).sample()
    assert sample["temps_c"] == {}
    assert sample["clocks_locked"] is None
    assert sample["volts"] == {}
    assert compare(sample, sample) == []


@pytest.mark.parametrize(
    ("happen", "name", "fact"),
    [
        (throttle_by_heat, "throttled", "gpu-balanced 2 (state 3)"),
        (throttle_in_silence, "throttled", "853 of 1300 MHz"),
        (change_mode, "mode_changed", "3"),
        (change_limit, "limits_changed", "gpu_max_hz 1300500000 -> 1134750000"),
        (swap, "swapped", "1000"),
        (sag, "supply_sagged", "6.4"),
        (reboot, "rebooted", "22222222-bbbb"),
    ],
)
def test_each_trouble_is_one_warning(board, happen, name, fact):
    lock(board)
    health = Health(board.tree.root)
    before = health.sample()
    happen(board)
    found = compare(before, health.sample())
    assert [one for one, _ in found] == [name]
    assert fact in str(found[0][1])


@pytest.mark.parametrize(
    "name", ["throttled", "mode_changed", "limits_changed", "swapped", "supply_sagged", "rebooted"]
)
def test_each_warning_is_in_the_table_of_texts(name):
    assert name in WARNINGS
    assert WARNINGS[name][1]


def test_a_fan_that_turns_is_no_throttling(board):
    health = Health(board.tree.root)
    before = health.sample()
    board.cool(0, "pwm-fan", 5)
    assert compare(before, health.sample()) == []


def test_an_idle_gpu_at_a_low_clock_is_no_throttling(board):
    lock(board)
    board.tree.put_all(GPU, 0o644, cur_freq=114750000)
    sample = Health(board.tree.root).sample()
    assert compare(sample, sample) == []


def test_a_board_that_warms_up_is_waited_for(board):
    board.drift_c_per_s = 0.05
    health = Health(board.tree.root)

    def sleep(seconds):
        board.sleep(seconds)
        if board.now_s > 100:
            board.drift_c_per_s = 0.0

    ended = wait_settled(health, board.clock, sleep)
    assert ended["settled"]
    assert 150 < ended["waited_s"] < 170
    assert ended["temps_c"]["GPU-therm"] == pytest.approx(37.0, abs=0.2)


def test_a_board_at_rest_is_watched_for_a_minute(board):
    assert 60 <= wait_settled(Health(board.tree.root), board.clock, board.sleep)["waited_s"] < 65


def test_a_board_that_never_settles_is_given_up(board):
    board.drift_c_per_s = 0.02
    ended = wait_settled(Health(board.tree.root), board.clock, board.sleep, limit_s=300)
    assert not ended["settled"]
    assert 300 <= ended["waited_s"] < 305


def test_a_machine_without_temperatures_is_not_waited_for(tmp_path, board):
    ended = wait_settled(Health(str(tmp_path / "empty")), board.clock, board.sleep)
    assert ended == {"settled": False, "waited_s": 0.0, "temps_c": {}}
