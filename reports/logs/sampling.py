"""Bound the error of an energy from the unknown power between its readings.

The intervals are at about 95 %. tests/reports/logs/test_intervals.py holds them to that, by
simulation. A reading p follows the one before by dt, of which the window contains s; D is the
change of power, and w = the mean s of the two intervals beside a reading.

* **Snapshots** (trapezoids). A change anywhere within its interval errs by up to s D / 2: variance
  (s D)^2 / 12. So `jumps` = sum (s j)^2 / 12, where the jump j is the part of D that the
  slope of neither neighbouring interval explains. A long interval between short ones counts with
  all of its change. Power that moves faster than the readings has a variance v for each: `white` =
  sum w^2 (7/6 r1^2 - 1/2 r2^2), where r1 and r2 are the distances of p from the lines through the
  first and the second neighbours. It is w^2 v for unrelated readings, equal to `jumps` for rare
  steps, and 0 on a straight line. The power is related over a part of the interval, so the variance
  is max(jumps, white - jumps). Curvature adds (`line` / 6)^2: `line` = sum w r1 is -f'' dt^3 / 2 of
  an interval, of which the trapezoid errs by a sixth.
* **A chip's window** L, a first-order lag (steps). The power is exactly y + L y' of the register y,
  so its integral is that of y plus L times the change of y (`ends`). The steps exceed the
  trapezoids of y by `line` = sum s D / 2. Both are known: b = line - L ends. The joules stay as
  read, so the interval has |b| in full (GUM F.2.4.5): |b| + 1.645 sigma. The register is smooth
  within L: sigma^2 is that of snapshots times dt / (dt + L).
* **Exact means** and **counters** know the energy of an interval. Only those that the window cuts
  err: sum s (dt - s) (`cut`) times a third of the mean square of D (`moves`). A mean that stands
  for an interval of more than three times its neighbours' length missed readings: (s j)^2 / 12
  (`gaps`).
* **A step q** of the readings: they err alike while they are equal, `flat` seconds in all in `runs`
  stretches, and each by itself elsewhere: q^2 / 12 (flat^2 / runs + sum s^2). Without a stated step
  it is the least change of the readings, at most 1 % of them.
* **A locked grid.** At least half of the intervals are as long as the one before within 10 %
  (`even`). Of n intervals, K = 12 jumps / R^2 are as if jumps over the readings' range R. If they
  are 3 or more, one in 50 intervals, and 5 % of the power in the root mean square, the load's
  phase may beat with the grid: the word `aliased?`, and the error of a mean over K changes of
  phase, R / (2 sqrt K). It is wrong everywhere alike, so it adds linearly over windows. Equal
  readings at 0.1 s or more have the word too, and half of the power as their limit: a load in step
  with the grid reads like that. Under a sensor's noise such a load looks constant, and a slower
  beat like slow steps: neither has the word.

A sensor's gain and offset are limits of its datasheet: rectangular, variance limit^2 / 3. (The
INA3221's offset is 40 uV typically and 80 at most: a standard deviation of 40 and a rectangle of 80
give 78 and 76 uV at 95 %.) `expanded` adds variances and takes the factor of the sum's shape.
Changes that are rarer than a few in a window and shorter than the interval remain unknown.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core.integral import TRAPEZOIDS
from joulebird.harness.core.sensor import Sums as Sums

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Series(NamedTuple):
    """Power over time in integers.

    Microseconds, power units, which samples were read, where a recorder (re)started, and the
    longest gap to bridge before each sample (microseconds; 0: that of the query).
    """

    t_us: Integers
    power: Integers
    read: Flags
    starts: Flags
    gap_us: Integers

    def cut(self, index: Any) -> "Series":
        """Return the samples at an index: a slice, or flags."""
        return Series(*(column[index] for column in self))


UNITS = 1 << 16  # of a sum in 1


def exact_sum(values: np.ndarray) -> int:
    """Return the sum of at most 65536 floats of size below 2^200, in 1/`UNITS`.

    Each is rounded to such a unit, so that the sum does not depend on the order. Numbers of 36 bits
    add up exactly as floats.

    >>> exact_sum(np.array([2.0**90, 0.5, 0.25, -(2.0**90)])) / UNITS
    0.75
    """
    total, rest = 0, values * UNITS
    most = float(np.abs(rest).max(initial=0.0))
    for shift in (180, 144, 108, 72, 36, 0):
        if most >= 2.0 ** (shift - 1) or not shift:
            high = np.rint(rest * 2.0**-shift)
            rest = rest - high * 2.0**shift
            total += int(high.sum()) << shift
    return total


def together(blocks: Iterable[Sums]) -> Sums:
    """Return the sums over some blocks together, the same whatever the blocks."""
    columns = list(zip(*blocks, strict=True))
    totals = [sum(column) / UNITS for column in columns[:-1]]
    return Sums._make([*totals, min(columns[-1])]) if columns else Sums()


def sums(part: Series, good: Flags, spent: Integers, rule: str, begin: int, end: int) -> Sums:
    """Return the sums over the samples begin..end of some readings in order.

    `good` and `spent` belong to the intervals between them: whether each is bridged, and its time
    within the window in microseconds. An interval belongs to the sample before it.
    """
    first, last = max(begin - 2, 0), min(end + 2, len(part.t_us))
    time, power = part.t_us[first:last].astype(float), part.power[first:last].astype(float)
    good, used = good[first : last - 1], spent[first : last - 1].astype(float)
    kept = slice(begin - first, end - first)
    length, step = np.diff(time), np.diff(power)
    slope = np.divide(step, length, out=np.zeros_like(step), where=length > 0)
    both = good[:-1] & good[1:]
    bend = np.where(both, np.abs(np.diff(slope)), np.inf)
    bend = np.minimum(np.append(np.inf, bend), np.append(bend, np.inf))[: len(step)]
    jump = np.where(np.isinf(bend), np.abs(step), bend * length)
    jumps = (used * jump) ** 2 / 12.0
    beside = np.where(both, np.minimum(length[:-1], length[1:]), np.inf)
    beside = np.minimum(np.append(np.inf, beside), np.append(beside, np.inf))[: len(step)]
    even = both & (np.abs(np.diff(length)) <= 0.1 * length[:-1])
    white, line = _residuals(time, power, good, used)
    if rule != TRAPEZOIDS:
        line = used * step / 2.0
    ends = np.divide(used * step, length, out=np.zeros_like(step), where=length > 0)
    flat = (step == 0) & (used > 0)
    run = flat & ~np.append(False, flat[:-1])[: len(step)]
    changes = np.abs(step[kept])[(step[kept] != 0) & good[kept] & (used[kept] > 0)]
    added = (
        jumps,
        np.where(length > 3.0 * beside, jumps, 0.0),
        white,
        line,
        ends,
        used * (length - used),
        np.where(used > 0, step**2, 0.0),
        used**2,
        used > 0,
        np.append(False, even)[: len(step)] & (used > 0),
        np.where(flat, used, 0.0),
        run,
    )
    totals = [exact_sum(each[kept].astype(float)) for each in added]
    return Sums._make([*totals, float(changes.min(initial=math.inf))])


def _residuals(
    time: np.ndarray, power: np.ndarray, good: Flags, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each sample's terms of `white` and of `line` (by trapezoids)."""
    white, line = np.zeros(len(time)), np.zeros(len(time))
    weight = (np.append(0.0, used) + np.append(used, 0.0)) / 2.0
    near, both = _off_line(time, power, 1), good[:-1] & good[1:]
    line[1:-1] = weight[1:-1] * np.where(both, near, 0.0)
    if len(time) > 4:
        square = 7.0 / 6.0 * near[1:-1] ** 2 - _off_line(time, power, 2) ** 2 / 2.0
        white[2:-2] = weight[2:-2] ** 2 * np.where(both[:-2] & both[2:], square, 0.0)
    return white, line


def _off_line(time: np.ndarray, power: np.ndarray, by: int) -> np.ndarray:
    """Return the distances of samples from the lines through their neighbours `by` samples away."""
    before, here, after = time[: -2 * by], time[by:-by], time[2 * by :]
    share = (here - before) / (after - before)
    off: np.ndarray = power[by:-by] - power[: -2 * by] * (1.0 - share) - power[2 * by :] * share
    return off
