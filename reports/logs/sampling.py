"""Bound the error of an energy from the unknown power between its samples.

Sums over samples, block by block: a sample's terms depend on at most two neighbours on each side.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core.integral import COUNTER, TRAPEZOIDS

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Series(NamedTuple):
    """Power over time in integers.

    Microseconds, power units, which samples were read, where a recorder (re)started, and the
    longest gap to bridge before each sample (microseconds; 0, or none: that of the query).
    """

    t_us: Integers
    power: Integers
    read: Flags
    starts: Flags
    gap_us: Integers | None = None


class Sums(NamedTuple):
    """Sums over a block of samples: of (w r)^2 / norm, and of w r (see `error`)."""

    squares: float
    line: float


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
    sums = list(blocks)
    squares, line = (math.fsum(column) for column in zip(*sums, strict=True)) if sums else (0, 0)
    return math.sqrt(squares), abs(line) / 6.0 if rule == TRAPEZOIDS else 0.0


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
    squares = np.sum((moved**2 / np.where(both, 1.5, 2.0))[kept])
    return Sums(float(squares), float(np.sum(np.where(both, moved, 0.0)[kept])))


def _cut(length: np.ndarray, steps: np.ndarray, spent: Integers, kept: slice) -> Sums:
    """Return the sums of a counter: of the intervals that the window's edges cut."""
    cut = (spent > 0) & (spent < length)
    return Sums(float(np.sum((spent * np.abs(steps))[kept][cut[kept]] ** 2)), 0.0)
