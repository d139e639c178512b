"""The sampler in virtual time: intervals, duplicates, old data, failures, a clock that jumps."""

import pytest

from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.sampler import Sampler, status_of
from joulebird.devices.source import PowerSample
from joulebird.harness.core.errors import SourceError
from tests.devices.faulty import Faulty


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


class Source(Faulty):
    """Answers with what the test puts into `answer`: a sample, an exception to raise, or None for a
    reading of now; the next time with `once`.
    """

    def __init__(self, clock):
        self._clock, self.answer, self.once, self.cost_s = clock, None, None, 0.0

    def read(self):
        self._clock.now_s += self.cost_s
        answer, self.once = self.once or self.answer, None
        if isinstance(answer, Exception):
            raise answer
        return answer or PowerSample(self._clock(), {"A": 1.0})


@pytest.fixture
def bench(tmp_path):
    clock = Clock()
    source = Source(clock)
    sampler = Sampler(source, 0.05, clock)
    sampler.open(str(tmp_path / "power.csv"), source.describe())
    return clock, source, sampler


def rows(sampler):
    path = sampler.log.path
    sampler.close()
    return [row for segment in read_log(path) for row in segment.rows]


def run(clock, sampler, seconds):
    end_s = clock.now_s + seconds
    while sampler.next_s < end_s:
        clock.now_s = max(clock.now_s, sampler.next_s)
        sampler.tick()
    clock.now_s = end_s


def test_the_mean_period_is_kept_and_the_jitter_is_uniform(bench):
    clock, _, sampler = bench
    run(clock, sampler, 100.0)
    times = [row.t_s for row in rows(sampler)]
    steps = [b - a for a, b in zip(times, times[1:])]
    assert len(times) == pytest.approx(2000, rel=0.03)
    assert min(steps) >= 0.0249
    assert max(steps) <= 0.0751
    counts = [
        sum(low <= step < low + 0.0125 for step in steps) for low in (0.025, 0.0375, 0.05, 0.0625)
    ]
    assert all(count == pytest.approx(len(steps) / 4, rel=0.2) for count in counts)


def test_the_mean_period_holds_though_a_reading_takes_time(bench):
    clock, source, sampler = bench
    source.cost_s = 0.01
    run(clock, sampler, 100.0)
    assert len(rows(sampler)) == pytest.approx(2000, rel=0.03)


def test_missed_ticks_are_not_made_up_for(bench):
    clock, _, sampler = bench
    run(clock, sampler, 1.0)
    clock.now_s += 10.0  # the machine slept
    run(clock, sampler, 1.0)
    assert sampler.missed == 1
    assert sampler.late_s > 9.0
    times = [row.t_s for row in rows(sampler)]
    steps = sorted(b - a for a, b in zip(times, times[1:]))
    assert steps[0] >= 0.0249
    assert steps[-1] > 9.0
    assert steps[-2] <= 0.0751 + 0.05


def test_two_recorders_are_not_in_step(tmp_path):
    clock = Clock()
    first, second = Sampler(Source(clock), 0.05, clock), Sampler(Source(clock), 0.05, clock)
    assert first.next_s != second.next_s


def test_nothing_new_is_no_row(bench):
    clock, source, sampler = bench
    source.answer = PowerSample(1000.0, {"A": 1.0})
    for _ in range(3):
        sampler.take()
    assert len(rows(sampler)) == 1


def test_old_data_is_stale_and_new_data_ends_it(bench):
    clock, source, sampler = bench
    source.answer = PowerSample(1000.0, {"A": 1.0})
    run(clock, sampler, 8.0)
    source.answer = None
    run(clock, sampler, 1.0)
    got = rows(sampler)
    stale = [row for row in got if row.status == "STALE"]
    assert stale
    assert stale[0].t_s == pytest.approx(1005.0, abs=0.1)
    assert not any(row.watts for row in stale)
    assert got[0].status == "ok"
    assert got[-1].status == "ok"


def test_a_slow_meter_is_not_stale_between_its_readings(tmp_path):
    clock = Clock()
    source = Source(clock)
    source.min_period_s = 2.0
    sampler = Sampler(source, 0.05, clock)
    assert sampler.period_s == 1.0  # twice as often as there is something new
    sampler.open(str(tmp_path / "power.csv"), source.describe())
    source.answer = PowerSample(1000.0, {"A": 1.0})
    run(clock, sampler, 9.0)
    assert [row.status for row in rows(sampler)] == ["ok"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(11, "again"), "EAGAIN"),
        (OSError(5, "io"), "EIO"),
        (OSError(121, "remote"), "EREMOTEIO"),
        (OSError(19, "gone"), "ENODEV"),
        (SourceError("the meter said nonsense"), "UNREADABLE"),
    ],
)
def test_one_failed_read_costs_nothing_and_the_next_try_is_immediate(bench, error, status):
    clock, source, sampler = bench
    source.once = error
    assert sampler.take() == (clock.now_s, "ok")
    assert [row.status for row in rows(sampler)] == ["ok"]


def test_a_rail_that_failed_once_is_read_again(bench):
    clock, source, sampler = bench
    source.once = PowerSample(1000.0, {}, "EAGAIN")
    assert sampler.take() == (1000.0, "ok")


def test_a_retry_that_fails_loses_nothing(bench):
    clock, source, sampler = bench
    source.answer, source.once = OSError(11, "again"), PowerSample(1000.0, {"A": 1.0}, "EIO")
    assert sampler.take() == (1000.0, "EIO")
    assert rows(sampler)[0].watts == {"A": 1.0}


RANGED = {"range_w": {"A": 160.0}, "accuracy": {"offset_mw": {"A": 76.0}}}


@pytest.mark.parametrize(
    ("facts", "watts", "status"),
    [
        (RANGED, 38240.0, "RANGE"),
        (RANGED, 160.0, "ok"),
        (RANGED, 160.1, "RANGE"),
        (RANGED, -0.15, "ok"),  # twice the offset: it drifts with temperature
        (RANGED, -0.16, "RANGE"),
        (RANGED, float("nan"), "RANGE"),
        (RANGED, float("inf"), "RANGE"),
        ({"range_w": 100.0}, -1.0, "ok"),
        ({"range_w": 100.0}, -1.1, "RANGE"),
        ({"range_w": 100.0, "accuracy": {"offset_mw": 5000.0}}, -1.1, "RANGE"),
        ({"range_w": 100.0, "accuracy": {"offset_mw": None}}, 99.0, "ok"),
        ({}, 99000.0, "ok"),  # a source that states no range
    ],
)
def test_a_reading_that_the_sensor_cannot_mean_is_a_row_without_watts(
    tmp_path, facts, watts, status
):
    clock = Clock()
    source = Source(clock)
    vars(source).update(facts)
    sampler = Sampler(source, 0.05, clock)
    sampler.open(str(tmp_path / "power.csv"), source.describe())
    source.answer = PowerSample(1000.0, {"A": watts})
    assert sampler.take()[1] == status
    (row,) = rows(sampler)
    assert row.status == status
    assert set(row.watts) == ({"A"} if status == "ok" else set())


def test_the_worst_gap_counts_rows_without_the_total_and_the_hole_at_the_end(tmp_path):
    clock = Clock()
    source = Source(clock)
    source.rails = ("A", "B")
    sampler = Sampler(source, 0.05, clock)
    sampler.open(str(tmp_path / "power.csv"), source.describe())
    for watts in ({"A": 1.0, "B": 1.0}, {"B": 1.0}, {"B": 1.0}, {"A": 1.0}):
        source.answer = PowerSample(clock.now_s, watts, None if len(watts) == 2 else "EIO")
        sampler.take()
        clock.now_s += 1.0
    assert sampler.worst_gap_s == 3.0
    clock.now_s += 4.0
    assert sampler.close()["worst_gap_s"] == 5.0


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(11, "again"), "EAGAIN"),
        (OSError(5, "io"), "EIO"),
        (OSError(121, "remote"), "EREMOTEIO"),
        (OSError(19, "gone"), "ENODEV"),
        (SourceError("the meter said nonsense"), "UNREADABLE"),
        (ZeroDivisionError("bug"), "ZeroDivision"),
        (ValueError("bug"), "Value"),
        (type("NoData", (SourceError,), {"status": "NODATA"})("x"), "NODATA"),
    ],
)
def test_a_failure_is_a_row_and_sampling_goes_on(bench, error, status):
    clock, source, sampler = bench
    run(clock, sampler, 0.5)
    source.answer = error
    clock.now_s += 0.05
    t_s, said = sampler.take()
    assert (t_s, said) == (clock.now_s, status) == (clock.now_s, status_of(error))
    source.answer = None
    clock.now_s += 0.05
    run(clock, sampler, 0.5)
    got = rows(sampler)
    failed = [row for row in got if row.status != "ok"]
    assert [(row.watts, row.status) for row in failed] == [({}, status)]
    assert got[0].status == got[-1].status == "ok"


def test_a_rail_that_failed_is_blank(bench):
    clock, source, sampler = bench
    source.answer = PowerSample(1000.0, {}, "EIO")
    assert sampler.take() == (1000.0, "EIO")
    assert rows(sampler)[0].status == "EIO"


@pytest.mark.parametrize("t_s", [1100.0, 900.0])
def test_a_sample_with_a_wrong_clock_is_a_failure(bench, t_s):
    """A source with a clock of its own that jumps must not stretch or fold the time axis."""
    clock, source, sampler = bench
    sampler.take()
    clock.now_s += 1.0
    source.answer = PowerSample(t_s, {"A": 1.0})
    assert sampler.take() == (1001.0, "CLOCK")
    source.answer = None
    clock.now_s += 1.0
    assert sampler.take() == (1002.0, "ok")
    assert [(row.t_s, row.status) for row in rows(sampler)] == [
        (1000.0, "ok"),
        (1001.0, "CLOCK"),
        (1002.0, "ok"),
    ]


def test_rows_never_go_back_in_time(bench):
    """A sample that was taken before a failure but arrived after it is left out."""
    clock, source, sampler = bench
    sampler.take()
    clock.now_s += 1.0
    source.answer = OSError(5, "io")
    sampler.take()
    source.answer = PowerSample(1000.9, {"A": 1.0})
    sampler.take()
    assert [row.t_s for row in rows(sampler)] == [1000.0, 1001.0]


def test_a_log_that_cannot_be_written_is_told_once_and_tried_again(bench, monkeypatch):
    import os

    clock, _, sampler = bench
    sampler.take()
    real = os.write
    monkeypatch.setattr(
        os,
        "write",
        lambda fd, data: (
            (_ for _ in ()).throw(OSError(28, "No space left on device"))
            if fd == sampler.log._fd
            else real(fd, data)
        ),
    )
    run(clock, sampler, 1.0)
    monkeypatch.undo()
    with pytest.raises(SourceError, match="No space left"):
        sampler.check()
    sampler.check()
    clock.now_s += 1.0
    sampler.take()
    assert [row.t_s for row in rows(sampler)] == [1000.0, 1002.0]


def test_each_trouble_is_said_once(bench, capsys):
    clock, source, sampler = bench
    for error in [OSError(5, "io"), ZeroDivisionError("bug")] * 5:
        source.answer = error
        clock.now_s += 0.1
        sampler.take()
    said = capsys.readouterr().err
    assert said.count("[Errno 5] io") == 1
    assert said.count("ZeroDivisionError: bug") == 1
    assert "Traceback" in said


def test_the_rate_and_the_worst_gap_of_the_readings_are_counted(bench):
    clock, source, sampler = bench
    for answer in (None, None, None, OSError(5, "EIO"), OSError(5, "EIO"), None):
        clock.now_s += 0.1
        source.answer = answer
        sampler.take()
    counted = sampler.close()
    assert counted["rows"] == 6
    assert counted["failed"] == 2
    assert counted["worst_gap_s"] == pytest.approx(0.3)
    assert counted["rate_hz"] == pytest.approx(3 / 0.5)
