"""The times between the rows of a log: how often each occurs, for an exact median."""

from collections import Counter

import numpy as np

from joulebird.reports.logs.sampling import Integers

SHORT_US = 1 << 18  # shorter periods are counted in an array


class Periods:
    """A histogram of periods in microseconds. Memory grows with their variety, not their number."""

    def __init__(self) -> None:
        self.counts = np.zeros(0, np.int64)
        self.long: Counter[int] = Counter()

    def add(self, steps: Integers) -> None:
        """Count some periods."""
        if not len(steps):
            return
        low, high = int(steps.min()), int(steps.max())
        if high >= SHORT_US:
            self._count_long(steps[steps >= SHORT_US])
            self.add(steps[steps < SHORT_US])
            return
        self._widen(high + 1)
        self.counts[low : high + 1] += np.bincount(steps - low, minlength=high + 1 - low)

    def _count_long(self, steps: Integers) -> None:
        values, counts = np.unique(steps, return_counts=True)
        self.long.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    def _widen(self, size: int) -> None:
        if size > len(self.counts):
            self.counts = np.append(self.counts, np.zeros(size - len(self.counts), np.int64))

    def __add__(self, other: "Periods") -> "Periods":
        both = Periods()
        for one in (self, other):
            both._widen(len(one.counts))
            both.counts[: len(one.counts)] += one.counts
            both.long.update(one.long)
        return both

    def median_us(self) -> float:
        """Return the median, exactly; 0 without any.

        >>> periods = Periods()
        >>> periods.add(np.array([5, 7_000_000, 8, 5]))
        >>> periods.median_us()
        6.5
        """
        values = [*np.flatnonzero(self.counts).tolist(), *sorted(self.long)]
        times = [
            *self.counts[self.counts > 0].tolist(),
            *(self.long[us] for us in sorted(self.long)),
        ]
        ends = np.cumsum(times)
        count = int(ends[-1]) if values else 0
        middle = (count - 1) // 2, count // 2
        return (
            sum(values[int(np.searchsorted(ends, k, "right"))] for k in middle) / 2
            if count
            else 0.0
        )
