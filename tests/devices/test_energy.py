"""Energy of short windows: exact at the ends, void with holes."""

import pytest

from joulebird.devices import energy as board
from joulebird.harness.core.integral import Sample


def energy(pairs, begin_s, end_s, sampling):
    """The board's energy of (seconds, watts) pairs."""
    series = [
        Sample(round(t_s * 1e6), None if watts is None else round(watts * 1e3))
        for t_s, watts in pairs
    ]
    return board.energy(series, begin_s, end_s, {"sampling": sampling})


RAMP = [(0.05 * i, 2.0 + 0.1 * i) for i in range(101)]  # 2 W to 12 W in 5 s


def ramp_joules(begin_s, end_s):
    return 2.0 * (end_s - begin_s) + 2.0 * (end_s**2 - begin_s**2) / 2.0


@pytest.mark.parametrize(
    ("begin_s", "end_s"), [(0.0, 5.0), (1.0, 2.0), (1.013, 3.987), (2.501, 2.502), (2.51, 2.61)]
)
def test_a_ramp_is_exact_wherever_it_is_cut(begin_s, end_s):
    found = energy(RAMP, begin_s, end_s, "snapshot")
    assert found.joules == pytest.approx(ramp_joules(begin_s, end_s), rel=1e-9)
    assert found.coverage == pytest.approx(1.0, abs=1e-9)
    assert found.seconds == pytest.approx(end_s - begin_s)


def test_an_average_stands_for_the_interval_before_it():
    series = [(0.0, 99.0), (1.0, 3.0), (2.0, 5.0)]
    for sampling in ("average", "counter"):
        assert energy(series, 0.0, 2.0, sampling).joules == pytest.approx(8.0)
        assert energy(series, 0.5, 1.5, sampling).joules == pytest.approx(4.0)


def test_windows_add_up():
    whole = energy(RAMP, 0.3, 4.4, "snapshot").joules
    parts = [
        energy(RAMP, a, b, "snapshot").joules for a, b in ((0.3, 1.111), (1.111, 2.5), (2.5, 4.4))
    ]
    assert sum(parts) == pytest.approx(whole, rel=1e-12)


def test_a_short_hole_counts_with_the_mean_and_a_long_one_voids():
    flat = [(0.05 * i, 10.0) for i in range(2001)]  # 100 s
    short = [p for p in flat if not 50.0 < p[0] < 52.0]
    found = energy(short, 0.0, 100.0, "snapshot")
    assert found.joules == pytest.approx(1000.0)
    assert found.coverage == pytest.approx(0.98)
    assert found.worst_gap_s == pytest.approx(2.0)
    long = [p for p in flat if not 50.0 < p[0] < 60.0]
    found = energy(long, 0.0, 100.0, "snapshot")
    assert found.joules is None
    assert found.mean_w is None
    assert found.coverage == pytest.approx(0.9)


def test_a_failed_reading_is_a_missed_one_and_many_in_a_row_are_a_hole():
    series = [(0.1 * i, 10.0) for i in range(101)]
    series[50] = (5.0, None)
    found = energy(series, 0.0, 10.0, "snapshot")
    assert found.coverage == pytest.approx(1.0)
    assert found.worst_gap_s == pytest.approx(0.2)
    assert found.joules == pytest.approx(100.0)
    series[50:60] = [(t_s, None) for t_s, _ in series[50:60]]
    found = energy(series, 0.0, 10.0, "snapshot")
    assert found.coverage == pytest.approx(0.89)
    assert found.joules is None
    assert energy(series, 0.0, 10.0, "counter").coverage == pytest.approx(
        1.0
    )  # the next reading holds what the failed one missed


def test_a_window_before_or_behind_the_log_has_no_energy():
    found = energy(RAMP, 10.0, 20.0, "snapshot")
    assert found.joules is None
    assert found.coverage == 0.0
    assert found.peak_w is None
    assert energy([], 0.0, 1.0, "snapshot").joules is None


def test_peak_and_mean():
    found = energy(RAMP, 1.0, 3.0, "snapshot")
    assert found.peak_w == pytest.approx(8.0)
    assert found.mean_w == pytest.approx(6.0)


def test_a_reading_at_an_edge_counts_for_the_peak_though_the_log_rounds_its_time():
    found = energy([(1.000000, 5.0), (1.004000, 7.0)], 1.0000004, 1.0039996, "average")
    assert found.peak_w == 7.0
    assert found.coverage == pytest.approx(1.0)


def test_a_counters_hole_across_a_windows_edge_is_void():
    """How the 199 s are shared out between the two sides of the edge is not known."""
    series = [(0.1 * i, 30.0) for i in range(11)] + [(200.0 + 0.1 * i, 30.0) for i in range(11)]
    found = energy(series, 100.0, 200.0, "counter")
    assert (found.joules, found.mean_w, found.coverage) == (None, None, 0.0)
    assert energy(series, 0.0, 201.0, "counter").joules == pytest.approx(201.0 * 30.0)


def test_a_counter_is_not_joined_over_a_restart_though_its_first_reading_failed():
    series = [Sample(0, 0), Sample(100, 10), Sample(200, None, True), Sample(300, 10)]
    assert board.energy(series, 0.0, 300e-6, {"sampling": "counter"}).coverage == pytest.approx(
        1 / 3
    )
