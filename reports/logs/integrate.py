"""Integrate long logs by the rules of `harness/core/integral.py`, in numpy, and bound the error.

Exact rational arithmetic, whatever the order of the work. Samples come block by block, and each
block gives a `Tally`; those of a window add up to its integral. A tally whose block, with the
samples before it, lies wholly in the window and without a hole is the same for every window.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.integral import COUNTER, TRAPEZOIDS
from joulebird.harness.core.sensor import Sums
from joulebird.reports.logs import sampling
from joulebird.reports.logs.sampling import Flags, Integers, Series

HALO = 2  # neighbours on each side that the error of a sample may depend on
FOREVER = 1 << 62  # microseconds


class Integral(NamedTuple):
    """The integral of a window.

    `total` in power units x microseconds (exact), covered and longest unsampled time in
    microseconds, samples read and failed, lowest and highest reading, the `sums` that bound the
    sampling error.
    """

    total: Fraction
    covered_us: int
    worst_gap_us: int
    samples: int
    failed: int
    low: float
    high: float
    sums: Sums


class Tally(NamedTuple):
    """The part of an integral that a block of samples adds.

    Twice the total, covered and longest time between readings (microseconds), samples in the
    window, and failed ones, lowest and highest reading (None: none), and the sums
    of the sampling error (None: of no reading). An interval belongs to the
    block in which it ends; the error's sums lag by `HALO` readings.
    """

    twice: int | Fraction
    covered_us: int
    longest_us: int
    samples: int
    failed: int
    low: int | None
    high: int | None
    sums: sampling.Sums | None


class Integrator:
    """Integrates a window of samples that come block by block, in order.

    The first and the last reading may lie outside the window: they serve to cut its edges.
    """

    def __init__(
        self, rule: str, begin_us: int = -FOREVER, end_us: int = FOREVER, allowed_us: int = FOREVER
    ) -> None:
        self.rule = rule
        self.window = begin_us, end_us
        self.allowed_us = allowed_us
        nothing = np.zeros(0, np.int64)
        self.carry = Series(nothing, nothing, nothing > 0, nothing > 0, nothing)
        self._tallies: list[Tally] = []
        self._first_us: int | None = None
        self._restarted = False  # since the last reading

    def add(self, part: Series) -> Tally:
        """Add the next samples; return their part of the integral."""
        begin_us, end_us = self.window
        away = part.t_us[~part.read]
        part = self._only_read(part)
        known = len(self.carry.t_us)
        joined = Series(*(np.append(*both) for both in zip(self.carry, part, strict=True)))
        length, good, spent = self._intervals(joined)
        samples, low, high = _readings(joined, known, begin_us, end_us)
        first = max(known - 1, 0)  # the interval that ends at the first new reading
        tail = joined.cut(slice(first, None))
        tally = Tally(
            _twice(tail, length[first:], spent[first:], begin_us, end_us, self.rule),
            int(spent[first:].sum()),
            _longest(joined.t_us, length, known, begin_us, end_us),
            samples,
            int(((away >= begin_us) & (away <= end_us)).sum()),
            low,
            high,
            self._sums(joined, good, spent, known, max(len(joined.t_us) - HALO, 0)),
        )
        if self._first_us is None and len(joined.t_us):
            self._first_us = int(joined.t_us[0])
        self.carry = Series(*(column[-2 * HALO :].copy() for column in joined))
        self._tallies.append(tally)
        return tally

    def skip(self, tally: Tally, carry: Series) -> None:
        """Add the next samples by their known part of the integral, and the last readings."""
        self._tallies.append(tally)
        self.carry = carry

    def result(self) -> Integral:
        """Return the integral of all samples added."""
        begin_us, end_us = self.window
        length, good, spent = self._intervals(self.carry)
        count = len(self.carry.t_us)
        rest = self._sums(self.carry, good, spent, count, count)
        sums = [*(one.sums for one in self._tallies), rest]
        longest = max((one.longest_us for one in self._tallies), default=0)
        if self._first_us is None:
            longest = end_us - begin_us
        else:
            edges = self._first_us - begin_us, end_us - int(self.carry.t_us[-1])
            longest = max(0, longest, *edges)
        samples = sum(one.samples for one in self._tallies)
        read = [one for one in self._tallies if one.samples or not samples]
        return Integral(
            Fraction(sum(one.twice for one in self._tallies)) / 2,
            sum(one.covered_us for one in self._tallies),
            longest,
            samples,
            sum(one.failed for one in self._tallies),
            float(min((one.low for one in read if one.low is not None), default=0)),
            float(max((one.high for one in read if one.high is not None), default=0)),
            sampling.together(filter(None, sums)),
        )

    def _only_read(self, part: Series) -> Series:
        """Leave failed samples out: one is missed, and the one behind a failed start is a start."""
        if part.read.all() and not self._restarted:
            return part
        runs = np.cumsum(part.starts) + int(self._restarted)
        seen = runs[part.read]
        last = runs[-1] if len(runs) else int(self._restarted)
        self._restarted = bool(last > (seen[-1] if len(seen) else 0))
        return part.cut(part.read)._replace(starts=np.diff(seen, prepend=0) > 0)

    def _intervals(self, part: Series) -> tuple[Integers, Flags, Integers]:
        """Return the intervals between readings: length, whether bridged, time in the window."""
        length = np.diff(part.t_us)
        good = bridged(part, length, *self.window, self.rule, self.allowed_us)
        return length, good, _inside(part.t_us, np.where(good, length, 0), *self.window)

    def _sums(
        self, part: Series, good: Flags, spent: Integers, known: int, end: int
    ) -> sampling.Sums | None:
        """Return the sums of the sampling error from the first reading that has none yet."""
        begin = max(known - HALO, 0)
        return sampling.sums(part, good, spent, self.rule, begin, end) if begin < end else None


def _readings(
    part: Series, known: int, begin_us: int, end_us: int
) -> tuple[int, int | None, int | None]:
    """Return the number of new readings in the window, and the extremes.

    The extremes are those of all new readings where none lies in the window.
    """
    begin = max(int(np.searchsorted(part.t_us, begin_us, "left")), known)
    last = int(np.searchsorted(part.t_us, end_us, "right"))
    readings = part.power[begin:last] if begin < last else part.power[known:]
    if not len(readings):
        return 0, None, None
    return max(last - begin, 0), int(readings.min()), int(readings.max())


def _longest(t_us: Integers, length: Integers, known: int, begin_us: int, end_us: int) -> int:
    """Return the longest new interval between readings, in the window or across its edge."""
    first = max(int(np.searchsorted(t_us, begin_us, "right")), known, 1)
    last = int(np.searchsorted(t_us, end_us, "left"))
    return int(length[first - 1 : last].max(initial=0))


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
    own = part.gap_us[1:]
    short: Flags = length <= np.where(own > 0, own, allowed_us)
    if rule == COUNTER:
        whole = (part.t_us[:-1] >= begin_us) & (part.t_us[1:] <= end_us)
        short = (short | whole) & ~part.starts[1:]
    return short


def _twice(
    part: Series, length: Integers, spent: Integers, begin_us: int, end_us: int, rule: str
) -> int | Fraction:
    """Return twice the exact integral: whole intervals in bulk, the (at most two) cut apart."""
    level = part.power[:-1] + part.power[1:] if rule == TRAPEZOIDS else 2 * part.power[1:]
    whole = spent == length
    twice: int | Fraction = exact_dot(level, np.where(whole, spent, 0))
    for k in np.flatnonzero((spent > 0) & ~whole):
        (t0, t1), (p0, p1) = part.t_us[k : k + 2].tolist(), part.power[k : k + 2].tolist()
        low, high = max(t0, begin_us), min(t1, end_us)
        mean = Fraction(p1)
        if rule == TRAPEZOIDS:
            mean = p0 + Fraction(p1 - p0, t1 - t0) * (Fraction(low + high, 2) - t0)
        twice += 2 * mean * (high - low)
    return twice


def exact_dot(a: Integers, b: Integers) -> int:
    """Return the scalar product of two int64 arrays (b >= 0) as an exact Python integer.

    >>> exact_dot(np.array([2**40, -1]), np.array([2**40, 3])) == 2**80 - 3
    True
    """
    if not len(a) or float(np.abs(a).max()) * float(b.sum()) < 2.0**62:
        return int(np.dot(a, b))
    return int(np.dot(a.astype(object), b.astype(object)))
