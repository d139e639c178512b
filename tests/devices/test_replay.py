"""Replaying logs: in time with a clock, failures and all."""

import time

import pytest

from joulebird.devices.powerlog import PowerLog
from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.parent import Recorder
from joulebird.devices.replay import ReplaySource
from joulebird.harness.core.errors import SourceError

ONE = {
    "name": "ina3221",
    "rails": ["VDD_IN"],
    "total": ["VDD_IN"],
    "sampling": "average",
    "scope": "module",
    "real": True,
    "accuracy": {"gain": 0.005},
}


class Clock:
    """A clock that the test sets."""

    now_s = 5000.0

    def __call__(self):
        return self.now_s


def record(path, rows, describe=ONE, mono=0.0, wall=1e9):
    log = PowerLog(path, describe, clock=lambda: mono, wall=lambda: wall)
    for t_s, watts, status in rows:
        log.row(t_s, {} if watts is None else {"VDD_IN": watts}, status)
    log.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "power.csv")


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_rows_come_when_they_are_due(path, speed):
    record(path, [(10.0, 1.0, "ok"), (10.5, 2.0, "ok"), (11.0, 3.0, "ok")])
    clock = Clock()
    with ReplaySource(path, speed=speed, clock=clock) as source:
        for after_s, t_s, watts in (
            (0.0, 0.0, 1.0),
            (0.4, 0.0, 1.0),
            (0.5, 0.5, 2.0),
            (0.9, 0.5, 2.0),
            (1.0, 1.0, 3.0),
            (1.5, 1.0, 3.0),
        ):
            clock.now_s = 5000.0 + after_s / speed
            sample = source.read()
            assert (sample.t_s, sample.watts) == (
                pytest.approx(5000.0 + t_s / speed),
                {"VDD_IN": watts},
            )


def test_it_ends_or_begins_again(path):
    record(path, [(10.0, 1.0, "ok"), (10.5, 2.0, "ok")])
    clock = Clock()
    with ReplaySource(path, clock=clock) as source:
        clock.now_s += 2.0
        with pytest.raises(SourceError, match="has ended") as caught:
            source.read()
        assert caught.value.status == "END"
        assert "loop=true" in caught.value.hint
    with ReplaySource(path, loop=True, clock=clock) as source:
        clock.now_s += 2.0
        assert source.read() == (clock.now_s, {"VDD_IN": 1.0}, None)


def test_what_failed_fails_again(path):
    record(
        path, [(10.0, 1.0, "ok"), (10.5, None, "EAGAIN"), (11.0, None, "STALE"), (11.5, 2.0, "ok")]
    )
    clock = Clock()
    with ReplaySource(path, clock=clock) as source:
        clock.now_s += 0.6
        with pytest.raises(OSError) as caught:
            source.read()
        assert caught.value.errno == 11
        clock.now_s += 0.5
        with pytest.raises(SourceError, match="STALE"):
            source.read()
        clock.now_s += 0.5
        assert source.read().watts == {"VDD_IN": 2.0}


def test_it_says_what_it_replays(path):
    record(path, [(10.0, 1.0, "ok")])
    with ReplaySource(path) as source:
        facts = source.describe()
        assert (source.rails, source.total, source.sampling, source.scope) == (
            ("VDD_IN",),
            ("VDD_IN",),
            "average",
            "module",
        )
    assert facts["name"] == "replay"
    assert facts["real"] is False
    assert facts["replayed"]["name"] == "ina3221"
    assert facts["accuracy"] == {"gain": 0.005}
    assert facts["range_w"] is None  # an older log
    assert "simulated" not in facts
    stated = {"range_w": {"VDD_IN": 160.5}, "sensor": "0x41"}
    record(path + "1", [(10.0, 1.0, "ok")], dict(ONE, **stated))
    with ReplaySource(path + "1") as source:
        facts = source.describe()
    assert {key: facts[key] for key in stated} == stated
    record(path + "2", [(10.0, 1.0, "ok")], dict(ONE, simulated=True, real=False))
    with ReplaySource(path + "2") as source:
        assert source.describe()["simulated"] is True
    assert not ReplaySource.probe().usable


def test_segments_of_one_boot_keep_their_distance(path):
    record(path, [(10.0, 1.0, "ok")], mono=9.0)
    record(
        path, [(13.0, 2.0, "ok")], mono=12.0, wall=1e9 + 500.0
    )  # the wall clock was set meanwhile: no matter
    clock = Clock()
    with ReplaySource(path, clock=clock) as source:
        clock.now_s += 3.0
        assert source.read().t_s == pytest.approx(5003.0)


def test_segments_of_two_boots_go_by_the_wall_clock(path, monkeypatch):
    record(path, [(1000.0, 1.0, "ok")], mono=1000.0, wall=1e9)
    monkeypatch.setattr("joulebird.devices.powerlog.boot_id", lambda: "another boot")
    record(path, [(5.0, 2.0, "ok")], mono=3.0, wall=1e9 + 60.0)
    record(path, [(2.0, 3.0, "ok")], mono=2.0, wall=1e9 - 999.0)  # set back: it follows on at once
    clock = Clock()
    with ReplaySource(path, clock=clock) as source:
        clock.now_s += 61.9
        assert source.read().watts == {"VDD_IN": 1.0}
        clock.now_s += 0.2
        assert source.read().watts["VDD_IN"] in (2.0, 3.0)
        assert source.read().t_s == pytest.approx(5062.0, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read"),
        ("", "is empty"),
        ("a,b\n1,2\n", "not a power log"),
        ("header only", "has no rows"),
        ("two sources", "different rails"),
    ],
)
def test_a_log_that_cannot_be_replayed(path, content, said):
    if content == "header only":
        record(path, [])
    elif content == "two sources":
        record(path, [(1.0, 1.0, "ok")])
        record(path, [(2.0, 1.0, "ok")], dict(ONE, rails=["VDD_IN", "VDD_MUX"]))
    elif content is not None:
        with open(path, "w") as file:
            file.write(content)
    with pytest.raises(SourceError, match=said) as caught, ReplaySource(path) as source:
        source.read()
    assert caught.value.hint


def test_a_speed_that_cannot_be():
    with pytest.raises(SourceError, match="at speed 0"):
        ReplaySource("power.csv", speed=0)
    with pytest.raises(SourceError, match="needs a log"):
        ReplaySource().open()


def test_a_recorder_records_a_replay(path, tmp_path):
    """Through the recorder the same energy comes out, to within its own sampling."""
    record(path, [(0.02 * i, 2.0 + 0.05 * i, "ok") for i in range(51)])
    again = str(tmp_path / "again.csv")
    with Recorder("replay", {"path": path}, period_s=0.01) as recorder:
        recorder.open(again)
        limit = 0
        while limit < 400 and not any(
            row.status == "END" for segment in read_log(again) for row in segment.rows
        ):
            recorder.sample()
            limit += 1
            time.sleep(0.01)
        recorder.close_log()
    rows = [row for row in read_log(again)[0].rows if row.status == "ok"]
    assert len(rows) >= 40
    assert all(b.t_s > a.t_s for a, b in zip(rows, rows[1:]))
    for row in rows:
        assert row.watts["VDD_IN"] == pytest.approx(
            2.0 + 2.5 * (row.t_s - rows[0].t_s) + (rows[0].watts["VDD_IN"] - 2.0), abs=0.002
        )
