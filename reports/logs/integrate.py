"""Integrate sampled power over a window: exact rational arithmetic, whatever the order or chunking of the work.

Trapezoids for snapshots, steps for averaging meters (a value is the mean over the interval before it), and steps as
well for counters, where they are the differences of the register. Windows are cut exactly. An interval longer than the
allowed gap, or with a failed reading at either end, is a hole: it adds neither energy nor coverage.
"""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

RULES = {"snapshot": "trapezoids", "average": "steps", "counter": "counter"}


class Series(NamedTuple):
    """Power over time in integers: microseconds, power units, which samples were read, and where a recorder (re)started."""

    t_us: np.ndarray
    power: np.ndarray
    read: np.ndarray
    starts: np.ndarray


class Integral(NamedTuple):
    """What a window holds.

    `total` in power units x microseconds (exact), covered and longest unsampled time in microseconds, samples read and
    failed, lowest and highest reading, the sampling error (`scatter`: one sigma; `bias`: of curvature; in the unit of
    total), and in how many `levels` the readings moved.
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


def rule_of(sampling: str) -> str:
    """How a source with this `sampling` is integrated: "trapezoids", "steps" or "counter"; trapezoids unless told otherwise.

    >>> rule_of("average"), rule_of("simulated")
    ('steps', 'trapezoids')
    """
    return RULES.get(sampling, "trapezoids")


def integrate(part: Series, begin_us: int, end_us: int, rule: str, allowed_us: int) -> Integral:
    """Integrate over begin_us..end_us; samples of the series outside the window serve to cut its edges."""
    failed = int(((part.t_us >= begin_us) & (part.t_us <= end_us) & ~part.read).sum())
    if rule == "counter":  # a counter's next reading covers what a failed one missed
        part = Series(*(values[part.read] for values in part))
    length = np.diff(part.t_us)
    good = bridged(part, length, begin_us, end_us, rule, allowed_us)
    spent = _inside(part.t_us, np.where(good, length, 0), begin_us, end_us)
    inside = part.read & (part.t_us >= begin_us) & (part.t_us <= end_us)
    readings = part.power[inside] if inside.any() else part.power[part.read]
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


def _inside(t_us: np.ndarray, spent: np.ndarray, begin_us: int, end_us: int) -> np.ndarray:
    """The bridged time of every interval, cut to the window (in place)."""
    first, last = (
        int(np.searchsorted(t_us, begin_us, "left")),
        int(np.searchsorted(t_us, end_us, "right")) - 1,
    )
    for k in {first - 1, last}:  # the intervals in which the window begins and ends
        if 0 <= k < len(spent) and spent[k]:
            spent[k] = max(min(int(t_us[k + 1]), end_us) - max(int(t_us[k]), begin_us), 0)
    spent[: max(first - 1, 0)] = 0
    spent[last + 1 :] = 0
    return spent


def bridged(
    part: Series, length: np.ndarray, begin_us: int, end_us: int, rule: str, allowed_us: int
) -> np.ndarray:
    """Which intervals between neighbouring samples may be integrated."""
    good = part.read[:-1] & part.read[1:]
    short = length <= allowed_us
    if (
        rule == "counter"
    ):  # exact over any gap that lies wholly inside, unless the counter's recorder was restarted
        whole = (part.t_us[:-1] >= begin_us) & (part.t_us[1:] <= end_us)
        return good & (short | whole) & ~part.starts[1:]
    return good & short


def _total(
    part: Series, length: np.ndarray, spent: np.ndarray, begin_us: int, end_us: int, rule: str
) -> Fraction:
    """The exact integral: whole intervals in bulk, the (at most two) cut ones as fractions."""
    level = 2 * part.power[1:] if rule != "trapezoids" else part.power[:-1] + part.power[1:]
    whole = spent == length
    total = Fraction(exact_dot(level, np.where(whole, spent, 0)), 2)
    for k in np.flatnonzero((spent > 0) & ~whole):
        t0, t1, p0, p1 = (
            int(x) for x in (part.t_us[k], part.t_us[k + 1], part.power[k], part.power[k + 1])
        )
        low, high = max(t0, begin_us), min(t1, end_us)
        mean = (
            Fraction(p1)
            if rule != "trapezoids"
            else p0 + Fraction(p1 - p0, t1 - t0) * (Fraction(low + high, 2) - t0)
        )
        total += mean * (high - low)
    return total


def exact_dot(a: np.ndarray, b: np.ndarray) -> int:
    """The scalar product of two int64 arrays (b >= 0) as an exact Python integer, however large it grows.

    >>> exact_dot(np.array([2**40, -1]), np.array([2**40, 3])) == 2**80 - 3
    True
    """
    total = 0
    split = 1 << 20
    high, low = a // split, a % split
    for begin in range(0, len(a), 65536):
        cut = slice(begin, begin + 65536)
        total += _dot(high[cut], b[cut]) * split + _dot(low[cut], b[cut])
    return total


def _dot(a: np.ndarray, b: np.ndarray) -> int:
    if not len(a) or float(np.abs(a).max()) * float(b.max()) * len(a) < 2.0**62:
        return int(np.dot(a, b))
    return sum(int(x) * int(y) for x, y in zip(a.tolist(), b.tolist()))


def worst_gap(part: Series, begin_us: int, end_us: int) -> int:
    """The longest time in the window (or reaching over its edge) between two usable samples, in microseconds."""
    times = part.t_us[part.read]
    if not len(times):
        return end_us - begin_us
    gaps = np.diff(times)[(times[1:] > begin_us) & (times[:-1] < end_us)]
    return max(0, int(gaps.max(initial=0)), int(times[0]) - begin_us, end_us - int(times[-1]))


def sampling_error(part: Series, good: np.ndarray, spent: np.ndarray, rule: str) -> tuple:
    """How far the integral may be off because the power between the samples is unknown: (one sigma of scatter, bias of curvature).

    A sample stands for w = half the covered time beside it. What its neighbours do not foretell, r = p - (line through
    them), measures the power's unseen movement: for unrelated samples of variance v, r has 1.5 v, so
    scatter^2 = sum (w r)^2 / 1.5. Where the power is smooth the trapezoid errs by -f'' dt^3 / 12 an interval while w r
    is -f'' dt^3 / 2, so the bias is |sum w r| / 6. A step that falls between two samples is overstated twofold (its
    error has D^2 dt^2 / 12 where this gives D^2 dt^2 / 3): an upper estimate.
    A counter knows what passed between its readings: only the cut intervals at the window's edges count.
    """
    if len(part.t_us) < 2:
        return 0.0, 0.0
    if rule == "counter":
        cut = (spent > 0) & (spent < np.diff(part.t_us))
        steps = np.abs(np.diff(part.power.astype(float), prepend=part.power[0]))[1:]
        return float(np.sqrt(np.sum((spent * steps)[cut] ** 2))), 0.0
    sums = [
        _scatter(part, good, spent, begin, min(begin + 65536, len(part.t_us)))
        for begin in range(0, len(part.t_us), 65536)
    ]
    squares, line = (math.fsum(column) for column in zip(*sums, strict=True))
    return math.sqrt(squares), abs(line) / 6.0 if rule == "trapezoids" else 0.0


def _scatter(
    part: Series, good: np.ndarray, spent: np.ndarray, begin: int, end: int
) -> tuple[float, float]:
    """Sums of (w r)^2 / norm and of w r over the samples begin..end."""
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
    return float(np.sum((moved**2 / np.where(both, 1.5, 2.0))[kept])), float(
        np.sum(np.where(both, moved, 0.0)[kept])
    )
