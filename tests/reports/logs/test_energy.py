"""Energies: uncertainty that covers the error, sums, ratios and nets."""

import math
from fractions import Fraction

import numpy as np
import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.sensor import expanded
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import write_log


def jittered(rng, seconds, period_s=0.05):
    """Sample times of a recorder with a mean period and uniform jitter, in microseconds."""
    steps = rng.uniform(0.5 * period_s, 1.5 * period_s, int(1.2 * seconds / period_s))
    return np.rint(np.cumsum(steps) * 1e6).astype(np.int64)


def training_wave(rng, seconds):
    """A polygon of power like a training loop.

    Iterations of two levels with ramps, an evaluation phase, irregular in time.
    """
    t, corners = 0.0, [(0.0, 5.0)]
    while t < seconds + 2:
        busy, idle = rng.uniform(0.15, 0.4), rng.uniform(0.05, 0.2)
        high, low = rng.uniform(11, 14), rng.uniform(5, 7)
        corners += [
            (t + 0.005, high),
            (t + busy, high),
            (t + busy + 0.005, low),
            (t + busy + idle, low),
        ]
        t += busy + idle
    return np.array(corners).T


def polygon_joules(times, watts, begin, end):
    grid = np.unique(np.concatenate([[begin, end], times[(times > begin) & (times < end)]]))
    level = np.interp(grid, times, watts)
    return float(np.sum((level[1:] + level[:-1]) / 2 * np.diff(grid)))


@pytest.mark.parametrize("seconds", [3, 20, 60])
def test_the_uncertainty_covers_the_error_of_jittered_sampling(tmp_path, seconds):
    covered, relative = 0, []
    trials = 100
    for seed in range(trials):
        rng = np.random.default_rng(1000 * seconds + seed)
        times, watts = training_wave(rng, seconds)
        t_us = jittered(rng, seconds + 1)
        power = np.rint(np.interp(t_us / 1e6, times, watts) * 1000).astype(int)
        trace = PowerTrace.load(
            write_log(tmp_path / "power.csv", zip(t_us.tolist(), power.tolist(), strict=True))
        )
        begin = float(rng.uniform(0.2, 0.4))
        energy = trace.energy(begin, begin + seconds * 0.9)
        truth = polygon_joules(
            times, watts, round(begin * 1e6) / 1e6, round((begin + seconds * 0.9) * 1e6) / 1e6
        )
        covered += abs(energy.joules - truth) <= energy.u_joules
        relative.append(energy.u_joules / energy.joules)
    assert covered >= 0.95 * trials
    assert (
        np.median(relative) < {3: 0.08, 20: 0.03, 60: 0.016}[seconds]
    )  # it covers, and still says something


def test_the_uncertainty_covers_a_smooth_slow_wave(tmp_path):
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        t_us = jittered(rng, 40)
        period, phase = rng.uniform(5, 200), rng.uniform(0, 6)
        power = np.rint(8000 + 5000 * np.sin(2 * np.pi * t_us / 1e6 / period + phase)).astype(int)
        trace = PowerTrace.load(
            write_log(tmp_path / "power.csv", zip(t_us.tolist(), power.tolist(), strict=True))
        )
        energy = trace.energy(1.0, 31.0)
        angle = 2 * np.pi / period
        truth = 8 * 30 + 5 / angle * (np.cos(angle * 1 + phase) - np.cos(angle * 31 + phase))
        covered += abs(energy.joules - truth) <= energy.u_joules
    assert covered >= 95


def test_samples_at_the_break_points_give_the_energy_to_nine_digits(tmp_path):
    rng = np.random.default_rng(7)
    t_us = np.cumsum(rng.integers(20_000, 80_000, 2000))
    mw = rng.integers(1_000, 15_000, 2000)
    truth = float(
        np.sum((mw[1:] + mw[:-1]).astype(object) * np.diff(t_us).astype(object)) / 2 / 1e9
    )
    energy = PowerTrace.load(
        write_log(tmp_path / "power.csv", zip(t_us.tolist(), mw.tolist(), strict=True))
    ).energy()
    assert energy.joules == pytest.approx(truth, rel=1e-12)


def constant(tmp_path, watts, seconds=60, **source):
    samples = [(i * 50_000, round(watts * 1000)) for i in range(seconds * 20 + 1)]
    return PowerTrace.load(write_log(tmp_path / f"{watts}.csv", samples, source)).energy()


def test_a_shared_gain_cancels_in_a_ratio(tmp_path):
    accuracy = {"gain": 0.02, "offset_mw": {"VDD_IN": 76}, "quantum_mw": 38}
    one, two = constant(tmp_path, 12, accuracy=accuracy), constant(tmp_path, 6, accuracy=accuracy)
    assert one.u_gain_j == pytest.approx(0.02 * 720)
    assert one.u_offset_j == pytest.approx(0.076 * 60)
    ratio = one.ratio(two)
    assert ratio.value == pytest.approx(2.0)
    random = math.hypot(*(energy.u_random_j / energy.joules for energy in (one, two)))
    offsets = [energy.u_offset_j / energy.joules for energy in (one, two)]
    assert ratio.u == pytest.approx(2.0 * expanded(random, offsets[0] - offsets[1]))
    elsewhere = constant(tmp_path, 6, accuracy=accuracy, serial="another")
    assert one.ratio(elsewhere).u == pytest.approx(2.0 * expanded(random, 0.02, 0.02, *offsets))
    assert one.ratio(elsewhere).u > 2.0 * ratio.u


def test_offset_cancels_in_the_net(tmp_path):
    energy = constant(tmp_path, 12, accuracy={"offset_mw": 76})
    net = energy.minus_idle(2.0, 0.01)
    assert net.joules == pytest.approx(600.0)
    assert net.u_joules < energy.u_joules


def test_a_sum_is_judged_as_a_whole():
    long = Energy(
        "VDD_IN",
        100.0,
        100.0,
        Fraction(1000),
        0.05,
        2000,
        u_gain_j=10.0,
        u_random_j=1.0,
        sensor="x",
    )
    short = Energy("VDD_IN", 0.02, 0.0, Fraction(0), 0.02)
    both = total_energy([long, long, short])
    assert short.void
    assert not both.void
    assert both.joules == pytest.approx(2000.2)
    assert both.u_gain_j == 20.0
    assert both.u_random_j == pytest.approx(2**0.5)
    with pytest.raises(HarnessError, match="different rails"):
        total_energy([long, Energy("wall", 1, 1, Fraction(1))])


def test_a_ratio_with_a_void_energy_is_refused():
    good, void = (
        Energy("r", 1.0, 1.0, Fraction(1), samples=9),
        Energy("r", 10.0, 1.0, Fraction(1), samples=9),
    )
    with pytest.raises(HarnessError, match="void"):
        good.ratio(void)


def test_a_log_from_another_clock_carries_the_error_of_its_alignment(tmp_path):
    wave = [(i * 50_000, 14_000 if i // 10 % 2 else 6_000) for i in range(1201)]
    path = tmp_path / "power.csv"
    write_log(path, wave)
    here = PowerTrace.load(path).energy(5, 55)
    path.write_text(path.read_text().replace('"boot_id"', '"u_s": 0.5, "boot_id"'))
    moved = PowerTrace.load(path).energy(5, 55)
    assert moved.joules == here.joules
    assert moved.u_joules > here.u_joules
    assert moved.u_random_j == pytest.approx((here.u_random_j**2 + (0.5 * 8) ** 2) ** 0.5)
