"""Integrate long logs by the rules of `harness/core/integral.py`, in numpy, and bound the error.

Exact rational arithmetic, whatever the order or chunking of the work.
"""

import math
from fractions import Fraction
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


class Integral(NamedTuple):
    """The integral of a window.

    `total` in power units x microseconds (exact), covered and longest unsampled time in
    microseconds, samples read and failed, lowest and highest reading, the sampling error
    (`scatter`: one sigma; `bias`: of curvature; in the unit of total), and the number of `levels`
    of the readings.
    """

    total: Fraction
    covered_us: int
    worst_gap_us: int
    samples: int
    failed: int
    low: float
    high: float
    scatter: float
    bias: float
    levels: int


def integrate(part: Series, begin_us: int, end_us: int, rule: str, allowed_us: int) -> Integral:
    """Integrate over begin_us..end_us; samples outside the window serve to cut its edges."""
    inside = (part.t_us >= begin_us) & (part.t_us <= end_us)
    failed = int((inside & ~part.read).sum())
    if not part.read.all():  # a failed one is missed; the one behind a failed start is a start
        runs = np.cumsum(part.starts)[part.read]
        starts = np.diff(runs, prepend=runs[:1]) > 0
        gap_us = None if part.gap_us is None else part.gap_us[part.read]
        t_us, power, read = part.t_us[part.read], part.power[part.read], part.read[part.read]
        part = Series(t_us, power, read, starts, gap_us)
        inside = (part.t_us >= begin_us) & (part.t_us <= end_us)
    length = np.diff(part.t_us)
    good = bridged(part, length, begin_us, end_us, rule, allowed_us)
    spent = _inside(part.t_us, np.where(good, length, 0), begin_us, end_us)
    readings = part.power[inside] if inside.any() else part.power
    scatter, bias = sampling_error(part, good, spent, rule)
    return Integral(
        _total(part, length, spent, begin_us, end_us, rule),
        int(spent.sum()),
        worst_gap(part, begin_us, end_us),
        int(inside.sum()),
        failed,
        float(readings.min()) if len(readings) else 0.0,
        float(readings.max()) if len(readings) else 0.0,
        scatter,
        bias,
        1 + int(np.count_nonzero(np.diff(part.power[inside]))),
    )


def _inside(t_us: Integers, spent: Integers, begin_us: int, end_us: int) -> Integers:
    """Cut the bridged time of every interval to the window (in place)."""
    first = int(np.searchsorted(t_us, begin_us, "left"))
    last = int(np.searchsorted(t_us, end_us, "right")) - 1
    for k in {first - 1, last}:  # the intervals in which the window begins and ends
        if 0 <= k < len(spent) and spent[k]:
            spent[k] = max(min(int(t_us[k + 1]), end_us) - max(int(t_us[k]), begin_us), 0)
    spent[: max(first - 1, 0)] = 0
    spent[last + 1 :] = 0
    return spent


def bridged(
    part: Series, length: Integers, begin_us: int, end_us: int, rule: str, allowed_us: int
) -> Flags:
    """Return which intervals between neighbouring readings may be integrated."""
    own = np.zeros(len(part.t_us), dtype=np.int64) if part.gap_us is None else part.gap_us
    short: Flags = length <= np.where(own > 0, own, allowed_us)[1:]
    if rule == COUNTER:
        whole = (part.t_us[:-1] >= begin_us) & (part.t_us[1:] <= end_us)
        short = (short | whole) & ~part.starts[1:]
    return short


def _total(
    part: Series, length: Integers, spent: Integers, begin_us: int, end_us: int, rule: str
) -> Fraction:
    """Return the exact integral: whole intervals in bulk, the (at most two) cut ones apart."""
    level = part.power[:-1] + part.power[1:] if rule == TRAPEZOIDS else 2 * part.power[1:]
    whole = spent == length
    total = Fraction(exact_dot(level, np.where(whole, spent, 0)), 2)
    for k in np.flatnonzero((spent > 0) & ~whole):
        (t0, t1), (p0, p1) = part.t_us[k : k + 2].tolist(), part.power[k : k + 2].tolist()
        low, high = max(t0, begin_us), min(t1, end_us)
        mean = Fraction(p1)
        if rule == TRAPEZOIDS:
            mean = p0 + Fraction(p1 - p0, t1 - t0) * (Fraction(low + high, 2) - t0)
        total += mean * (high - low)
    return total


def exact_dot(a: Integers, b: Integers) -> int:
    """Return the scalar product of two int64 arrays (b >= 0) as an exact Python integer.

    >>> exact_dot(np.array([2**40, -1]), np.array([2**40, 3])) == 2**80 - 3
    True
    """
    split = 1 << 20
    high, low = a // split, a % split
    cuts = (slice(begin, begin + 65536) for begin in range(0, len(a), 65536))
    return sum(_dot(high[cut], b[cut]) * split + _dot(low[cut], b[cut]) for cut in cuts)


def _dot(a: Integers, b: Integers) -> int:
    if not len(a) or float(np.abs(a).max()) * float(b.max()) * len(a) < 2.0**62:
        return int(np.dot(a, b))
    return sum(int(x) * int(y) for x, y in zip(a.tolist(), b.tolist()))


def worst_gap(part: Series, begin_us: int, end_us: int) -> int:
    """Return the longest time in the window, or across its edge, between two readings."""
    times = part.t_us[part.read]
    if not len(times):
        return end_us - begin_us
    gaps = np.diff(times)[(times[1:] > begin_us) & (times[:-1] < end_us)]
    return max(0, int(gaps.max(initial=0)), int(times[0]) - begin_us, end_us - int(times[-1]))


def sampling_error(part: Series, good: Flags, spent: Integers, rule: str) -> tuple[float, float]:
    """Return the error from the unknown power between samples: (scatter, bias of curvature).

    The scatter is one sigma. A sample stands for w = half the covered time beside it. Its residual
    r = p - (line through its neighbours) measures the power's unseen movement: for unrelated
    samples of variance v, r has 1.5 v, so scatter^2 = sum (w r)^2 / 1.5. Where the power is smooth
    the trapezoid errs by -f'' dt^3 / 12 an interval while w r is -f'' dt^3 / 2, so the bias is
    |sum w r| / 6. A step that falls between two samples is overstated twofold (its error has
    D^2 dt^2 / 12 where this gives D^2 dt^2 / 3): an upper estimate. A counter knows the energy
    between its readings: only the cut intervals at the window's edges count.
    """
    if len(part.t_us) < 2:
        return 0.0, 0.0
    if rule == COUNTER:
        cut = (spent > 0) & (spent < np.diff(part.t_us))
        steps = np.abs(np.diff(part.power.astype(float), prepend=part.power[0]))[1:]
        return float(np.sqrt(np.sum((spent * steps)[cut] ** 2))), 0.0
    sums = [
        _scatter(part, good, spent, begin, min(begin + 65536, len(part.t_us)))
        for begin in range(0, len(part.t_us), 65536)
    ]
    squares, line = (math.fsum(column) for column in zip(*sums, strict=True))
    return math.sqrt(squares), abs(line) / 6.0 if rule == TRAPEZOIDS else 0.0


def _scatter(
    part: Series, good: Flags, spent: Integers, begin: int, end: int
) -> tuple[float, float]:
    """Return the sums of (w r)^2 / norm and of w r over the samples begin..end."""
    first, last = max(begin - 1, 0), min(end + 1, len(part.t_us))
    time, power = part.t_us[first:last].astype(float), part.power[first:last].astype(float)
    good, spent = good[first : last - 1], spent[first : last - 1]
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
    return float(squares), float(np.sum(np.where(both, moved, 0.0)[kept]))
