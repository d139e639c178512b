"""The meter with the real recorder on the simulated board: it dies, it is started again, the training never notices."""

import glob
import os
import signal
import time

import pytest

from joulebird.harness.core.errors import SourceError
from joulebird.harness.power.meter import Meter
from joulebird.harness.power.sources import choose, meter_for, parse_options
from tests.devices.fake_tx2_tree import FakeTX2


def simulated():
    return meter_for(choose("simulated", {"profile": [[0.2, 14.0], [0.1, 6.0]]}))


def test_a_log_is_written_and_counted(tmp_path):
    meter = simulated()
    meter.start()
    meter.open_log(str(tmp_path / "power.csv"))
    meter.sample()
    meter.sample()
    counted = meter.close_log()
    meter.stop()
    assert counted["rows"] >= 2
    assert "path" not in counted
    assert meter.take_failures() == []
    assert meter.description["name"] == "simulated"
    assert meter.description["real"] is False
    assert (tmp_path / "power.csv").read_text().startswith("# joulebird-power-log 1")
    assert meter.close_log() == {}


def test_a_recorder_that_is_killed_goes_on_in_a_new_segment(tmp_path):
    meter = simulated()
    meter.start()
    meter.open_log(str(tmp_path / "power.csv"))
    meter.sample()
    os.kill(meter._recorder.pid, signal.SIGKILL)
    meter._recorder._process.wait()
    meter.keep_alive()
    meter.sample()
    meter.close_log()
    meter.stop()
    assert (tmp_path / "power.csv").read_text().count("# joulebird-power-log 1") == 2
    failures = meter.take_failures()
    assert [name for name, _ in failures] == ["recorder_restarted"]
    assert failures[0][1]["reason"]


def test_a_folder_that_cannot_be_written_is_a_warning_not_an_error(tmp_path):
    (tmp_path / "none").write_text("a file")
    meter = simulated()
    meter.start()
    meter.open_log(str(tmp_path / "none" / "power.csv"))
    meter.sample()
    meter.close_log()
    meter.stop()
    assert "recorder_failed" in [name for name, _ in meter.take_failures()]


def test_nothing_is_measured_without_a_source():
    meter = meter_for(choose("none"))
    meter.start()
    meter.open_log("anywhere")
    meter.sample()
    assert meter.close_log() == {}
    assert meter.take_failures() == [("not_measured", {})]


def test_the_best_source_of_a_machine_without_sensors_is_the_simulated_one_and_says_so(monkeypatch):
    monkeypatch.setattr("joulebird.devices.registry.usable_here", lambda: iter(()))
    choice = choose(None)
    assert choice.name == "simulated"
    assert not choice.real
    monkeypatch.setattr("joulebird.devices.registry.usable_here", lambda: iter(("rapl",)))
    assert choose(None)[:1] == ("rapl",)
    assert choose(None).real


def test_options_of_a_source_are_json_where_they_can_be():
    assert parse_options(["total=board", "cores=2", 'rails=["VDD_IN"]', "root=/x=y"]) == {
        "total": "board",
        "cores": 2,
        "rails": ["VDD_IN"],
        "root": "/x=y",
    }


def test_stop_is_harmless_twice():
    meter = Meter(None)
    meter.stop()
    meter.stop()


@pytest.fixture
def board(tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), state="train").build()
    yield tree
    tree.close()


def spoil(board, word):
    """Make what the driver shows of VDD_IN unreadable, or readable again."""
    [label] = [
        path
        for path in glob.glob(
            board.root + "/sys/bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*"
        )
        if open(path).read().strip() == "VDD_IN"
    ]
    for path in sum(
        (
            glob.glob(os.path.join(os.path.dirname(label), form % label[-1]))
            for form in ("in_*%s_input", "ui_input_%s")
        ),
        [],
    ):
        os.chmod(path, 0o644)
        with open(path, "w") as file:
            file.write(word)


def test_a_sensor_without_a_reading_is_an_error_before_anything_is_trained(board):
    spoil(board, "garbage\n")
    meter = meter_for(choose("ina3221", {"root": board.root}))
    with pytest.raises(SourceError, match="gives no reading: VDD_IN cannot be read"):
        meter.start()
    assert meter._recorder is None


def test_a_sensor_that_fails_later_is_a_warning_with_how_often(board, tmp_path):
    meter = meter_for(choose("ina3221", {"root": board.root}))
    meter.start()
    meter.open_log(str(tmp_path / "power.csv"))
    meter.sample()
    spoil(board, "garbage\n")
    time.sleep(0.3)
    meter.sample()
    counted = meter.close_log()
    meter.stop()
    [(name, facts)] = meter.take_failures()
    assert name == "readings_failed"
    assert facts == {
        "failed": counted["failed"],
        "rows": counted["rows"],
    }
    assert 0 < facts["failed"] < facts["rows"]
