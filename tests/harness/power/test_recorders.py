"""Recorders with the real recorder on the simulated board: it dies, it is started again, the
training never notices.
"""

import glob
import os
import signal
import time
from pathlib import Path

import pytest

from joulebird.devices.source import Found
from joulebird.harness.core.errors import SourceError
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.power.sources import choose, choose_all, parse_options, recorders_for
from tests.devices.fake_tx2_tree import FakeTX2


def simulated():
    return recorders_for([choose("simulated", {"profile": [[0.2, 14.0], [0.1, 6.0]]})])


def recorder_of(recorders):
    return recorders._sources[0]._recorder


def test_a_log_is_written_and_counted(tmp_path):
    recorders = simulated()
    recorders.start()
    recorders.open_logs(str(tmp_path))
    recorders.sample()
    recorders.sample()
    counted = recorders.close_logs()
    recorders.stop()
    assert counted["rows"] >= 2
    assert "path" not in counted
    assert recorders.take_failures() == []
    assert recorders.description["name"] == "simulated"
    assert recorders.description["real"] is False
    assert (tmp_path / "power.csv").read_text().startswith("# joulebird-power-log 1")
    assert recorders.close_logs() == {}


def test_a_recorder_that_is_killed_goes_on_in_a_new_segment(tmp_path):
    recorders = simulated()
    recorders.start()
    recorders.open_logs(str(tmp_path))
    recorders.sample()
    os.kill(recorder_of(recorders).pid, signal.SIGKILL)
    recorder_of(recorders)._child._process.wait()
    recorders.keep_alive()
    recorders.sample()
    recorders.close_logs()
    recorders.stop()
    assert (tmp_path / "power.csv").read_text().count("# joulebird-power-log 1") == 2
    failures = recorders.take_failures()
    assert [name for name, _ in failures] == ["recorder_restarted"]
    assert failures[0][1]["reason"]


def test_a_folder_that_cannot_be_written_is_a_warning_not_an_error(tmp_path):
    (tmp_path / "none").write_text("a file")
    recorders = simulated()
    recorders.start()
    recorders.open_logs(str(tmp_path / "none"))
    recorders.sample()
    recorders.close_logs()
    recorders.stop()
    assert "recorder_failed" in [name for name, _ in recorders.take_failures()]


def test_nothing_is_measured_without_a_source():
    recorders = recorders_for(choose_all(["none"]))
    recorders.start()
    recorders.open_logs("anywhere")
    recorders.sample()
    assert recorders.close_logs() == {}
    assert recorders.take_failures() == [("not_measured", {})]


def test_a_machine_without_sensors_records_nothing_that_was_not_asked_for(monkeypatch):
    monkeypatch.setattr("joulebird.devices.registry.findings", lambda: iter(()))
    with pytest.raises(SourceError, match="no power sensor"):
        choose(None)
    assert not choose("simulated").real
    usable = iter([("rapl", Found(True, "2 rails"))])
    monkeypatch.setattr("joulebird.devices.registry.findings", lambda: usable)
    choice = choose(None)
    assert choice.name == "rapl"
    assert choice.real


def test_options_of_a_source_are_json_where_they_can_be():
    assert parse_options(["total=board", "cores=2", 'rails=["VDD_IN"]', "root=/x=y"]) == {
        "total": "board",
        "cores": 2,
        "rails": ["VDD_IN"],
        "root": "/x=y",
    }


def test_stop_is_harmless_twice():
    recorders = Recorders({})
    recorders.stop()
    recorders.stop()


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
        if Path(path).read_text().strip() == "VDD_IN"
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
    recorders = recorders_for([choose("ina3221", {"root": board.root})])
    with pytest.raises(SourceError, match="gives no reading: VDD_IN cannot be read"):
        recorders.start()
    assert recorder_of(recorders) is None


def test_a_sensor_that_fails_later_is_a_warning_with_how_often(board, tmp_path):
    recorders = recorders_for([choose("ina3221", {"root": board.root})])
    recorders.start()
    recorders.open_logs(str(tmp_path))
    recorders.sample()
    spoil(board, "garbage\n")
    time.sleep(0.3)
    recorders.sample()
    counted = recorders.close_logs()
    recorders.stop()
    [(name, facts)] = recorders.take_failures()
    assert name == "readings_failed"
    assert facts == {
        "failed": counted["failed"],
        "rows": counted["rows"],
    }
    assert 0 < facts["failed"] < facts["rows"]
