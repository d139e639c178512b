"""Bound the error of an energy from the unknown power between its samples.

Sums over samples, block by block: a sample's terms depend on at most two neighbours on each side.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core.integral import COUNTER, TRAPEZOIDS

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


class Sums(NamedTuple):
    """Sums over a block of samples (see `error`): of (w r)^2 / norm, and of w r, both `exact_sum`.

    Plain numbers, which add up to the same whatever the blocks.
    """

    squares: int
    line: int


def error(blocks: Iterable[Sums], rule: str) -> tuple[float, float]:
    """Return the error from the unknown power between samples: (scatter, bias of curvature).

    The scatter is one sigma. A sample stands for w = half the covered time beside it. Its residual
    r = p - (line through its neighbours) measures the power's unseen movement: for unrelated
    samples of variance v, r has 1.5 v, so scatter^2 = sum (w r)^2 / 1.5. Where the power is smooth
    the trapezoid errs by -f'' dt^3 / 12 an interval while w r is -f'' dt^3 / 2, so the bias is
    |sum w r| / 6. A step that falls between two samples is overstated twofold (its error has
    D^2 dt^2 / 12 where this gives D^2 dt^2 / 3): an upper estimate. A counter knows the energy
    between its readings: only the cut intervals at the window's edges count.
    """
    squares, line = (sum(column) / UNITS for column in zip(Sums(0, 0), *blocks, strict=True))
    return math.sqrt(squares), abs(line) / 6.0 if rule == TRAPEZOIDS else 0.0


UNITS = 256  # of a sum in 1


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


def sums(part: Series, good: Flags, spent: Integers, rule: str, begin: int, end: int) -> Sums:
    """Return the sums over the samples begin..end of some readings in order.

    `good` and `spent` belong to the intervals between them: whether each is bridged, and its time
    within the window in microseconds.
    """
    first, last = max(begin - 1, 0), min(end + 1, len(part.t_us))
    time, power = part.t_us[first:last].astype(float), part.power[first:last].astype(float)
    good, spent = good[first : last - 1], spent[first : last - 1]
    if rule == COUNTER:
        return _cut(np.diff(time), np.diff(power), spent, slice(0, end - 1 - first))
    weight = (np.append(0, spent) + np.append(spent, 0)) / 2.0
    left, right = np.append(False, good), np.append(good, False)
    before, after = np.append(power[0], power[:-1]), np.append(power[1:], power[-1])
    gone, ahead = np.diff(time, prepend=time[0]), np.diff(time, append=time[-1])
    share = np.divide(gone, gone + ahead, out=np.zeros_like(gone), where=gone + ahead > 0)
    both = left & right
    line = np.where(both, before + (after - before) * share, np.where(left, before, after))
    moved = weight * np.where(left | right, power - line, 0.0)
    kept = slice(begin - first, end - first)
    squares = (moved**2 / np.where(both, 1.5, 2.0))[kept]
    return Sums(exact_sum(squares), exact_sum(np.where(both, moved, 0.0)[kept]))


def _cut(length: np.ndarray, steps: np.ndarray, spent: Integers, kept: slice) -> Sums:
    """Return the sums of a counter: of the intervals that the window's edges cut."""
    cut = (spent > 0) & (spent < length)
    return Sums(exact_sum((spent * np.abs(steps))[kept][cut[kept]] ** 2), 0)
