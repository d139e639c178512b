"""Several sources at once, with real recorders: each its own process and log, and none harmed by
another's failure.
"""

import io
import os
import signal

import pytest

from joulebird.harness.cli.progress import Progress
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import stage_dir
from joulebird.harness.power.sources import choose_all, recorders_for
from joulebird.harness.runs.session import Session, run_all
from joulebird.harness.runs.spec import from_dict
from joulebird.harness.runs.warnings import WARNINGS, warning
from tests.harness import toy

FLAT = "profile=[[1.0, 5.0]]"
BENCH = "tests.devices.faulty:Script"


@pytest.fixture
def meters():
    """Makes and ends them."""
    made = []

    def make(names, words=()):
        made.append(recorders_for(choose_all(names, list(words))))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def record_a_moment(one, folder):
    one.open_logs(str(folder))
    one.sample()
    one.sample()
    return one.close_logs()


def test_each_source_has_a_process_and_a_log_of_its_own(tmp_path, meters):
    one = meters(["simulated", "simulated", BENCH], [FLAT, "simulated.averaging=false"])
    one.start()
    counted = record_a_moment(one, tmp_path)
    assert sorted(os.listdir(str(tmp_path))) == [
        "power-simulated.csv",
        "power-tests-devices-faulty-Script.csv",
        "power.csv",
    ]
    assert counted["rows"] >= 2
    assert sorted(counted["others"]) == [
        "simulated",
        "tests-devices-faulty-Script",
    ]
    assert all(other["rows"] >= 2 for other in counted["others"].values())
    assert one.take_failures() == []
    pids = {source._recorder.pid for source in one._sources}
    assert len(pids) == 3
    assert one.description["name"] == "simulated"
    assert sorted(one.description["others"]) == sorted(counted["others"])


def test_a_second_recorder_that_cannot_start_is_a_warning_in_every_stage(tmp_path, meters):
    one = meters(["simulated", "serial"], [FLAT, "serial.port=/nowhere", "serial.meter=um25c"])
    one.start()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        counted = record_a_moment(one, tmp_path / name)
        (told,) = one.take_failures()
        assert told[0] == "second_recorder_failed"
        assert told[1]["source"] == "serial"
        assert "/nowhere" in told[1]["reason"]
        assert counted["rows"] >= 2
        assert "others" not in counted
        assert os.listdir(str(tmp_path / name)) == ["power.csv"]
    assert "others" not in one.description or one.description["others"] == {}


def test_a_second_recorder_that_is_killed_goes_on_in_a_new_segment(tmp_path, meters):
    one = meters(["simulated", BENCH], [FLAT])
    one.start()
    one.open_logs(str(tmp_path))
    one.sample()
    _, other = one._sources
    os.kill(other._recorder.pid, signal.SIGKILL)
    other._recorder._child._process.wait()
    one.keep_alive()
    one.sample()
    one.close_logs()
    ((name, facts),) = one.take_failures()
    assert name == "second_recorder_restarted"
    assert facts["source"] == "tests-devices-faulty-Script"
    assert facts["reason"]
    assert (tmp_path / "power-tests-devices-faulty-Script.csv").read_text().count(
        "# joulebird-power-log 1"
    ) == 2
    assert (tmp_path / "power.csv").read_text().count("# joulebird-power-log 1") == 1


def test_a_first_source_that_cannot_start_is_an_error(meters):
    with pytest.raises(Exception, match="/nowhere"):
        meters(
            ["serial", "simulated"], ["port=/nowhere", "meter=um25c", "simulated." + FLAT]
        ).start()


def test_none_stands_alone():
    assert choose_all(["none"]) == []
    with pytest.raises(HarnessError, match="none with other sources"):
        choose_all(["none", "simulated"])


def test_the_warnings_say_which_source():
    for name in ("second_recorder_failed", "second_recorder_restarted"):
        assert name in WARNINGS
        assert "source serial" in warning(name, {"source": "serial", "reason": "gone"})["text"]


def test_a_run_records_all_of_them_and_its_record_says_so(tmp_path, meters):
    """A second source that fails changes nothing in the stage but a warning."""
    one = meters(
        ["simulated", BENCH, "serial"], [FLAT, "serial.port=/nowhere", "serial.meter=um25c"]
    )
    spec = from_dict(
        {
            "method": "tests.harness.toy:only_grow",
            "model": "vgg16",
            "dataset": "digits",
            "prune_ratio": 0.5,
            "epochs": 2,
        },
        "",
    )
    with Session(
        str(tmp_path), one, Progress(io.StringIO(), environ={}), backend=toy.Backend()
    ) as session:
        (done,), _ = run_all(session, [spec])
    stage = stage_dir(str(tmp_path), done.stages[0])
    assert {"power.csv", "power-tests-devices-faulty-Script.csv"} <= set(os.listdir(stage))
    assert "power-serial.csv" not in os.listdir(stage)
    assert done.source["log"]["rows"] >= 2
    assert done.source["log"]["others"]["tests-devices-faulty-Script"]["rows"] >= 2
    assert done.source["others"]["tests-devices-faulty-Script"]["name"]
    assert [w["name"] for w in done.warnings] == ["second_recorder_failed"]
