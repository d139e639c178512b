"""Integrate long logs by the rules of `harness/core/integral.py`, in numpy, and bound the error.

Exact rational arithmetic, whatever the order or chunking of the work.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.integral import COUNTER, TRAPEZOIDS
from joulebird.reports.logs import sampling
from joulebird.reports.logs.sampling import Flags, Integers, Series

BLOCK = 65536  # samples


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
    edges = range(0, len(part.t_us), BLOCK)
    sums = [sampling.sums(part, good, spent, rule, k, k + BLOCK) for k in edges]
    scatter, bias = sampling.error(sums, rule)
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
