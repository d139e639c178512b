"""Integration against signals whose energy is known."""

from fractions import Fraction

import numpy as np
import pytest

from joulebird.reports.logs.integrate import Series
from tests.reports.logs.loads import integrate

SECOND = 1_000_000


def series(samples):
    t_us = np.array([t for t, _ in samples], dtype=np.int64)
    power = np.array([0 if p is None else p for _, p in samples], dtype=np.int64)
    read = np.array([p is not None for _, p in samples])
    return Series(t_us, power, read, np.zeros(len(t_us), dtype=bool), np.zeros_like(t_us))


def piecewise_linear(breaks, t_us):
    """Exact power at t_us of the polygon through `breaks`, and nothing outside it."""
    for (t0, p0), (t1, p1) in zip(breaks, breaks[1:], strict=False):
        if t0 <= t_us <= t1:
            return p0 + Fraction(p1 - p0, t1 - t0) * (t_us - t0)
    raise AssertionError(t_us)


def polygon_energy(breaks, begin, end):
    """The exact integral of the polygon over begin..end."""
    corners = sorted({begin, end, *(t for t, _ in breaks if begin < t < end)})
    heights = [piecewise_linear(breaks, t) for t in corners]
    trapezoids = zip(heights, heights[1:], corners, corners[1:], strict=False)
    return sum((Fraction(a + b, 2) * (t1 - t0) for a, b, t0, t1 in trapezoids), Fraction(0))


@pytest.mark.parametrize("seed", range(20))
def test_a_polygon_sampled_at_its_corners_is_integrated_exactly(seed):
    rng = np.random.default_rng(seed)
    t_us = np.cumsum(rng.integers(1_000, 90_000, 400))
    breaks = list(zip(t_us.tolist(), rng.integers(-50, 20_000, 400).tolist(), strict=True))
    begin, end = sorted(rng.integers(t_us[0], t_us[-1], 2).tolist())
    got = integrate(series(breaks), begin, end, "trapezoids", SECOND)
    assert got.total == polygon_energy(breaks, begin, end)
    assert got.covered_us == end - begin


def test_a_window_inside_one_interval_is_cut_at_both_ends():
    got = integrate(series([(0, 0), (100, 1000)]), 20, 60, "trapezoids", SECOND)
    assert got.total == 400 * 40
    assert got.samples == 0


def test_steps_hold_the_mean_of_the_interval_before_the_sample():
    samples = series([(0, 7), (100, 10), (300, 20), (400, 5)])
    assert integrate(samples, 0, 400, "steps", SECOND).total == 100 * 10 + 200 * 20 + 100 * 5
    assert integrate(samples, 50, 350, "steps", SECOND).total == 50 * 10 + 200 * 20 + 50 * 5


def test_a_hole_adds_neither_energy_nor_coverage():
    samples = series([(0, 10), (SECOND, 10), (21 * SECOND, 10), (22 * SECOND, 10)])
    got = integrate(samples, 0, 22 * SECOND, "trapezoids", 5 * SECOND)
    assert (got.total, got.covered_us, got.worst_gap_us) == (20 * SECOND, 2 * SECOND, 20 * SECOND)


@pytest.mark.parametrize("rule", ["trapezoids", "steps", "counter"])
def test_a_failed_read_is_a_missed_one(rule):
    samples = series([(0, 10), (100, None), (200, 10), (300, 10)])
    got = integrate(samples, 0, 300, rule, SECOND)
    assert (got.total, got.covered_us, got.failed, got.samples) == (3000, 300, 1, 3)
    assert got.worst_gap_us == 200


@pytest.mark.parametrize("rule", ["trapezoids", "steps"])
def test_failed_reads_for_longer_than_a_gap_may_be_are_a_hole(rule):
    failed = [(100 + k * SECOND // 10, None) for k in range(20)]
    samples = series([(0, 10), (100, 10), *failed[1:], (2 * SECOND, 10), (2 * SECOND + 100, 10)])
    got = integrate(samples, 0, 2 * SECOND + 100, rule, SECOND)
    assert (got.total, got.covered_us, got.failed) == (2000, 200, 19)


def test_a_counter_loses_nothing_to_a_failed_read_or_a_gap_inside():
    samples = series([(0, 0), (100, 10), (200, None), (5 * SECOND, 10), (5 * SECOND + 100, 10)])
    got = integrate(samples, 0, 5 * SECOND + 100, "counter", SECOND)
    assert (got.total, got.covered_us) == (10 * (5 * SECOND + 100), 5 * SECOND + 100)


def test_a_counter_cut_in_a_long_gap_is_not_known_there():
    got = integrate(series([(0, 0), (100, 10), (5 * SECOND, 10)]), 0, 3 * SECOND, "counter", SECOND)
    assert got.covered_us == 100


def test_a_counter_is_not_joined_over_a_restart():
    samples = series([(0, 0), (100, 10), (200, 10)])
    samples.starts[1] = True
    assert integrate(samples, 0, 200, "counter", SECOND).covered_us == 100


def test_a_counter_is_not_joined_over_a_restart_though_its_first_reading_failed():
    samples = series([(0, 0), (100, 10), (200, None), (300, 10)])
    samples.starts[2] = True
    assert integrate(samples, 0, 300, "counter", SECOND).covered_us == 100


def test_a_window_outside_the_log_is_not_covered():
    got = integrate(series([(0, 10), (100, 10)]), 500, 900, "trapezoids", SECOND)
    assert (got.total, got.covered_us) == (0, 0)


def test_sums_stay_exact_beyond_64_bits():
    samples = series([(0, 10**11), (10**15, 10**11), (2 * 10**15, 10**11 + 1)])
    assert integrate(samples, 0, 2 * 10**15, "trapezoids", 10**16).total == Fraction(
        4 * 10**26 + 10**15, 2
    )
